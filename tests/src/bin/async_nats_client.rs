//! A stock async-nats client that is driven by a test. It speaks the lines of `python/client.py`,
//! decides nothing and repairs nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::consumer::push;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, ServerAddr};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};

const DOMAIN: &str = "svom";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let driven = Rc::new(Driven::default());
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            let call: Value = serde_json::from_str(&line)?;
            spawn_local(answer(Rc::clone(&driven), call));
        }
        Ok(())
    })
}

async fn answer(driven: Rc<Driven>, call: Value) {
    let number = call.get("call").cloned().unwrap_or_default();
    match driven.run(&call).await {
        Ok(given) => say(&json!({"call": number, "ok": given})),
        Err(problem) => say(&json!({"call": number, "error": format!("{problem:#}")})),
    }
}

fn say(line: &Value) {
    println!("{line}");
}

/// One connection and what it was told to do.
#[derive(Default)]
struct Driven {
    connection: RefCell<Option<(Client, Context)>>,
    loads: RefCell<HashMap<String, watch::Sender<bool>>>,
}

impl Driven {
    async fn run(&self, call: &Value) -> Result<Value> {
        match text(call, "op")? {
            "connect" => self.connect(call).await,
            "publish" => self.publish(call).await,
            "send" => self.send(call).await,
            "request" => self.request(call).await,
            "subscribe" => self.subscribe(call).await,
            "bind" => self.bind(call).await,
            "consumer_info" => self.consumer_info(call).await,
            "pull" => self.pull(call).await,
            "load" => self.load(call).await,
            "stop_load" => self.stop_load(call),
            "close" => self.close().await,
            op => bail!("there is no {op}"),
        }
    }

    fn client(&self) -> Result<Client> {
        let connection = self.connection.borrow();
        let (client, _) = connection.as_ref().context("not connected")?;
        Ok(client.clone())
    }

    fn jetstream(&self, call: &Value) -> Result<Context> {
        let connection = self.connection.borrow();
        let (_, jetstream) = connection.as_ref().context("not connected")?;
        let mut jetstream = jetstream.clone();
        if let Some(timeout) = call.get("timeout_ms").and_then(Value::as_u64) {
            jetstream.set_timeout(Duration::from_millis(timeout));
        }
        Ok(jetstream)
    }

    async fn connect(&self, call: &Value) -> Result<Value> {
        let mut options = ConnectOptions::new()
            .connection_timeout(Duration::from_secs(3))
            .reconnect_delay_callback(|_| Duration::from_millis(100))
            .event_callback(|event| async move { tell_event(event) });
        if let (Ok(user), Ok(password)) = (text(call, "username"), text(call, "password")) {
            options = options.user_and_password(user.to_owned(), password.to_owned());
        }
        if let Ok(seed) = text(call, "nkey_seed") {
            options = options.nkey(seed.to_owned());
        }
        if let Ok(ca) = text(call, "ca") {
            options = options.add_root_certificates(ca.into()).require_tls(true);
        }
        if let (Ok(certificate), Ok(key)) = (text(call, "certificate"), text(call, "key")) {
            options = options.add_client_certificate(certificate.into(), key.into());
        }
        if call.get("reconnect") != Some(&Value::Bool(true)) {
            options = options.max_reconnects(1);
        }
        let servers: Vec<ServerAddr> = text(call, "url")?
            .split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let client = options.connect(servers).await?;
        let jetstream = jetstream::with_domain(client.clone(), DOMAIN);
        *self.connection.borrow_mut() = Some((client, jetstream));
        Ok(json!({}))
    }

    async fn publish(&self, call: &Value) -> Result<Value> {
        let (subject, id) = (text(call, "subject")?, text(call, "id")?);
        let mut headers = headers(call);
        headers.insert("Nats-Msg-Id", id);
        let ack = self
            .jetstream(call)?
            .publish_with_headers(subject.to_owned(), headers, id.to_owned().into())
            .await?
            .await?;
        Ok(json!({"stream": ack.stream, "seq": ack.sequence, "duplicate": ack.duplicate}))
    }

    async fn send(&self, call: &Value) -> Result<Value> {
        let (client, subject) = (self.client()?, text(call, "subject")?.to_owned());
        let data = text(call, "data").unwrap_or_default().to_owned().into();
        match text(call, "reply") {
            Ok(reply) => {
                let reply = reply.to_owned();
                client
                    .publish_with_reply_and_headers(subject, reply, headers(call), data)
                    .await?;
            }
            Err(_) => {
                client
                    .publish_with_headers(subject, headers(call), data)
                    .await?
            }
        }
        client.flush().await?;
        Ok(json!({}))
    }

    async fn request(&self, call: &Value) -> Result<Value> {
        let subject = text(call, "subject")?.to_owned();
        let data = text(call, "data").unwrap_or_default().to_owned().into();
        let request = async_nats::Request::new()
            .payload(data)
            .timeout(Some(timeout(call)?));
        let answer = self.client()?.send_request(subject, request).await?;
        Ok(json!({"data": String::from_utf8_lossy(&answer.payload),
            "headers": plain(answer.headers.as_ref())}))
    }

    async fn subscribe(&self, call: &Value) -> Result<Value> {
        let (client, subject) = (self.client()?, text(call, "subject")?.to_owned());
        let mut messages = match text(call, "group") {
            Ok(group) => {
                client
                    .queue_subscribe(subject.clone(), group.to_owned())
                    .await?
            }
            Err(_) => client.subscribe(subject.clone()).await?,
        };
        client.flush().await?;
        spawn_local(async move {
            while let Some(message) = messages.next().await {
                tell_message(&message, &subject);
            }
        });
        Ok(json!({}))
    }

    async fn bind(&self, call: &Value) -> Result<Value> {
        let (stream, name) = (text(call, "stream")?, text(call, "consumer")?.to_owned());
        let acknowledge = call.get("acknowledge") == Some(&Value::Bool(true));
        let consumer: jetstream::consumer::Consumer<push::Config> = self
            .jetstream(call)?
            .get_consumer_from_stream(&name, stream)
            .await?;
        let mut messages = consumer.messages().await?;
        self.client()?.flush().await?;
        spawn_local(async move {
            while let Some(Ok(message)) = messages.next().await {
                tell_message(&message, &name);
                if acknowledge && let Err(problem) = message.ack().await {
                    say(&json!({"event": "error", "text": problem.to_string()}));
                }
            }
        });
        Ok(json!({}))
    }

    async fn consumer_info(&self, call: &Value) -> Result<Value> {
        let (stream, name) = (text(call, "stream")?, text(call, "consumer")?);
        let consumer: jetstream::consumer::Consumer<push::Config> = self
            .jetstream(call)?
            .get_consumer_from_stream(name, stream)
            .await?;
        let info = consumer.cached_info();
        Ok(
            json!({"pending": info.num_pending, "unacknowledged": info.num_ack_pending,
            "delivered": info.delivered.stream_sequence}),
        )
    }

    async fn pull(&self, call: &Value) -> Result<Value> {
        let (stream, name) = (text(call, "stream")?, text(call, "consumer")?);
        let consumer: jetstream::consumer::PullConsumer = self
            .jetstream(call)?
            .get_consumer_from_stream(name, stream)
            .await?;
        let mut batch = consumer
            .fetch()
            .max_messages(1)
            .expires(timeout(call)?)
            .messages()
            .await?;
        let mut messages = 0;
        while let Some(message) = batch.next().await {
            message.map_err(|problem| anyhow::anyhow!("{problem}"))?;
            messages += 1;
        }
        Ok(json!({"messages": messages}))
    }

    /// Publishes one message after another, each with its own id, each until it is acknowledged.
    async fn load(&self, call: &Value) -> Result<Value> {
        let prefix = text(call, "prefix")?;
        let subjects = call
            .get("subjects")
            .and_then(Value::as_array)
            .context("no subjects")?;
        let subjects: Vec<&str> = subjects.iter().filter_map(Value::as_str).collect();
        let count = call
            .get("count")
            .and_then(Value::as_u64)
            .unwrap_or(u64::MAX);
        let pause = call
            .get("pause_ms")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let (stop, stopped) = watch::channel(false);
        self.loads.borrow_mut().insert(prefix.to_owned(), stop);
        let mut jetstream = self.jetstream(call)?;
        jetstream.set_timeout(Duration::from_secs(2));
        let mut number = 0;
        for subject in subjects.iter().cycle() {
            if number == count || *stopped.borrow() {
                break;
            }
            let id = format!("{prefix}{number}");
            publish_until_acknowledged(&jetstream, subject, &id, &stopped).await?;
            number += 1;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(json!({"published": number}))
    }

    fn stop_load(&self, call: &Value) -> Result<Value> {
        let loads = self.loads.borrow();
        let stop = loads
            .get(text(call, "prefix")?)
            .context("there is no such load")?;
        stop.send(true)?;
        Ok(json!({}))
    }

    async fn close(&self) -> Result<Value> {
        self.client()?.drain().await?;
        Ok(json!({}))
    }
}

async fn publish_until_acknowledged(
    jetstream: &Context,
    subject: &str,
    id: &str,
    stopped: &watch::Receiver<bool>,
) -> Result<()> {
    let mut tries = 0;
    while tries == 0 || !*stopped.borrow() {
        tries += 1;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let sent = jetstream
            .publish_with_headers(subject.to_owned(), headers, id.to_owned().into())
            .await;
        let acknowledged = match sent {
            Ok(ack) => ack.await,
            Err(problem) => Err(problem),
        };
        match acknowledged {
            Ok(ack) => {
                say(
                    &json!({"event": "acknowledged", "id": id, "subject": subject,
                    "seq": ack.sequence, "duplicate": ack.duplicate, "tries": tries}),
                );
                return Ok(());
            }
            Err(problem) if is_retried(problem.kind()) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(problem) => return Err(problem.into()),
        }
    }
    Ok(())
}

fn is_retried(kind: PublishErrorKind) -> bool {
    matches!(
        kind,
        PublishErrorKind::TimedOut
            | PublishErrorKind::BrokenPipe
            | PublishErrorKind::StreamNotFound
            | PublishErrorKind::MaxAckPending
    )
}

fn tell_event(event: Event) {
    match event {
        Event::Connected => say(&json!({"event": "connected"})),
        Event::Disconnected => say(&json!({"event": "disconnected"})),
        Event::ServerError(problem) => say(&json!({"event": "error", "text": problem.to_string()})),
        other => say(&json!({"event": "error", "text": other.to_string()})),
    }
}

fn tell_message(message: &Message, subscription: &str) {
    say(&json!({"event": "message", "subscription": subscription,
        "subject": message.subject.as_str(),
        "reply": message.reply.as_ref().map(|reply| reply.as_str()).unwrap_or_default(),
        "data": String::from_utf8_lossy(&message.payload),
        "headers": plain(message.headers.as_ref())}));
}

fn plain(headers: Option<&HeaderMap>) -> BTreeMap<String, String> {
    let headers = headers.into_iter().flat_map(HeaderMap::iter);
    headers
        .filter_map(|(name, values)| Some((name.to_string(), values.first()?.to_string())))
        .collect()
}

fn headers(call: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let given = call.get("headers").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        headers.insert(name.as_str(), value.as_str().unwrap_or_default());
    }
    headers
}

fn text<'call>(call: &'call Value, key: &str) -> Result<&'call str> {
    call.get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("{key} is missing"))
}

fn timeout(call: &Value) -> Result<Duration> {
    let millis = call
        .get("timeout_ms")
        .and_then(Value::as_u64)
        .context("no timeout_ms")?;
    Ok(Duration::from_millis(millis))
}
