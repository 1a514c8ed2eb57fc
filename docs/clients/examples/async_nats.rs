//! async-nats: publish with acknowledgement, listen live, read a durable, see a refusal.
//!
//! Arguments: the folder of the user's Secret, and how many messages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result};
use async_nats::jetstream::{self, AckKind, consumer::PushConsumer};
use async_nats::{ConnectOptions, Event, HeaderMap, ServerAddr};
use futures::StreamExt;
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("name the folder of a Secret")?);
    let count: usize = arguments.next().context("say how many messages")?.parse()?;
    let key = |name: &str| read(&folder, name);

    let servers = key("url")?
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<ServerAddr>, _>>()?;
    let (tell, mut refusals) = mpsc::unbounded_channel();
    let options = match key("password") {
        Ok(password) => ConnectOptions::with_user_and_password(key("username")?, password),
        Err(_) => ConnectOptions::with_nkey(key("nkey.seed")?),
    };
    let client = options
        .add_root_certificates(folder.join("ca.crt"))
        .require_tls(true)
        .event_callback(move |event| {
            let tell = tell.clone();
            async move {
                // A refusal comes here; the call that is refused times out.
                if let Event::ServerError(problem) = event {
                    println!("refused {problem}");
                    let _ = tell.send(());
                }
            }
        })
        .connect(servers.as_slice())
        .await?;
    // The domain is mandatory: without it no JetStream call is answered.
    let mut jetstream = jetstream::with_domain(client.clone(), key("jetstream-domain")?);
    jetstream.set_timeout(Duration::from_secs(2));

    let mut live = client.subscribe("data.*").await?;
    tokio::spawn(async move {
        while let Some(message) = live.next().await {
            println!("live {}", String::from_utf8_lossy(&message.payload));
        }
    });

    // A durable is there already: it is asked for, and not made. `get_stream` is not everybody's right.
    let name = format!("{}_ingest", key("username")?);
    let consumer: PushConsumer = jetstream.get_consumer_from_stream(name, "DATA").await?;
    let mut deliveries = consumer.messages().await?;
    let durable = tokio::spawn(async move {
        let mut handled = BTreeSet::new();
        while handled.len() < count {
            let Some(Ok(message)) = deliveries.next().await else {
                continue;
            };
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            println!("durable {text}");
            if message.ack_with(AckKind::Ack).await.is_ok() {
                handled.insert(text);
            }
        }
    });

    for number in 0..count {
        let text = format!("message {number}");
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("{}-{number}", std::process::id()));
        let stored = loop {
            let sent = jetstream
                .publish_with_headers("data.vhf", headers.clone(), text.clone().into())
                .await;
            match sent {
                Ok(acknowledgement) => {
                    if let Ok(stored) = acknowledgement.await {
                        break stored;
                    }
                }
                Err(problem) => eprintln!("{problem}"),
            }
            // A server fell: again, under the same id, so that it is not stored twice.
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        println!("stored {text} {}", stored.sequence);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    durable.await?;

    client.publish("data.mdb", "not ours".into()).await?;
    refusals.recv().await.context("nobody refused")?;
    Ok(())
}

fn read(folder: &Path, name: &str) -> Result<String> {
    let text = fs::read_to_string(folder.join(name))?;
    Ok(text.trim().to_owned())
}
