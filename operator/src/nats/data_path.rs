//! Proves that messages can go through, without putting any among the mission's.
//!
//! In: a client of the operator in the JetStream account, and one queue of each stream. Out: for
//! each stream whether its leader takes publishes and a majority of its servers is current, and for
//! the probe's own stream how long a write and a read took.
//!
//! A publish that expects a stream which does not exist is refused by the leader before it asks the
//! others, so a leader that lost them would refuse it just the same, for up to ten seconds. What it
//! last heard of them is therefore asked for besides. The probe's write needs a majority by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Request, RequestErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use svom_plan::names::{NO_SUCH_STREAM, PROBE_STREAM, PROBE_SUBJECT};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::observe::Cluster;
use super::request::{ServerError, request};

/// "expected stream does not match".
pub(super) const EXPECTED_STREAM: u64 = 10060;
/// The header by which a publish says which stream it is meant for.
pub(super) const EXPECTED_STREAM_HEADER: &str = "Nats-Expected-Stream";

/// The first wait before a publish that nobody took is repeated; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How long the probe took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// From the publish to the acknowledgement of a majority.
    pub write: Duration,
    /// From the request to the message.
    pub read: Duration,
}

/// What the proof of the data path came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPath {
    /// For each stream how long its leader took to answer a publish, or what is wrong.
    pub streams: BTreeMap<String, Result<Duration, String>>,
    /// The probe's own stream, or what is wrong with it.
    pub probe: Result<Probe, String>,
}

/// Tries every stream by the queue that is given for it, and the probe, all at once.
pub async fn data_path(
    client: &Client,
    queues: &BTreeMap<String, String>,
    deadline: Instant,
) -> DataPath {
    let streams = join_all(queues.iter().map(|(name, subject)| async move {
        (name.clone(), stream(client, name, subject, deadline).await)
    }));
    let (streams, probe) = tokio::join!(streams, probe(client, deadline));
    DataPath {
        streams: streams.into_iter().collect(),
        probe,
    }
}

async fn stream(
    client: &Client,
    name: &str,
    subject: &str,
    deadline: Instant,
) -> Result<Duration, String> {
    let mut headers = HeaderMap::new();
    headers.insert(EXPECTED_STREAM_HEADER, NO_SUCH_STREAM);
    let (ack, took) = publish(client, subject, headers, String::new(), deadline).await?;
    match ack.error {
        Some(error) if error.err_code == EXPECTED_STREAM && ack.stream == name => {}
        Some(error) if error.err_code == EXPECTED_STREAM => {
            return Err(format!("{subject} is answered by stream {:?}", ack.stream));
        }
        Some(error) => return Err(error.to_string()),
        None => return Err("a publish for another stream was not refused".to_owned()),
    }
    majority(client, name, deadline).await?;
    Ok(took)
}

#[derive(Deserialize)]
struct StreamInfo {
    config: Replicas,
    cluster: Option<Cluster>,
}

#[derive(Deserialize)]
struct Replicas {
    num_replicas: usize,
}

async fn majority(client: &Client, name: &str, deadline: Instant) -> Result<(), String> {
    let subject = format!("$JS.API.STREAM.INFO.{name}");
    let info: StreamInfo = request(client, &subject, &Value::Null, deadline)
        .await
        .map_err(|why| why.to_string())?;
    let replicas = info.config.num_replicas;
    // A server alone reports no cluster; it answered, so it is there.
    let current = info.cluster.map_or(1, |cluster| {
        let followers = cluster
            .replicas
            .iter()
            .filter(|replica| replica.is_current());
        usize::from(!cluster.leader.is_empty()) + followers.count()
    });
    if current > replicas / 2 {
        Ok(())
    } else {
        Err(format!(
            "{current} of {replicas} servers are current, no majority"
        ))
    }
}

async fn probe(client: &Client, deadline: Instant) -> Result<Probe, String> {
    let random = getrandom::u64().map_err(|why| why.to_string())?;
    let written = format!("{random:016x}");
    let (ack, write) = publish(
        client,
        PROBE_SUBJECT,
        HeaderMap::new(),
        written.clone(),
        deadline,
    )
    .await?;
    if let Some(error) = ack.error {
        return Err(error.to_string());
    }
    let began = Instant::now();
    let subject = format!("$JS.API.STREAM.MSG.GET.{PROBE_STREAM}");
    let got: Got = request(client, &subject, &json!({"seq": ack.seq}), deadline)
        .await
        .map_err(|why| why.to_string())?;
    let read = began.elapsed();
    if got.message.data == BASE64.encode(&written) {
        Ok(Probe { write, read })
    } else {
        Err(format!(
            "message {} is not the one that was written",
            ack.seq
        ))
    }
}

#[derive(Deserialize)]
struct Got {
    message: Stored,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    data: String,
}

/// The answer to a publish.
#[derive(Deserialize)]
struct Ack {
    error: Option<ServerError>,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
}

/// Publishes, and says how long the answer took. That nobody takes it is waited out: right after a
/// stream was made, or while it elects a leader, a server may not have heard of one.
async fn publish(
    client: &Client,
    subject: &str,
    headers: HeaderMap,
    payload: String,
    deadline: Instant,
) -> Result<(Ack, Duration), String> {
    let late = || "a publish was not answered in time".to_owned();
    let mut wait = FIRST_WAIT;
    loop {
        let asked = Request::new()
            .headers(headers.clone())
            .payload(payload.clone().into())
            .timeout(None);
        let began = Instant::now();
        let answered = timeout_at(deadline, client.send_request(subject.to_owned(), asked))
            .await
            .map_err(|_| late())?;
        let next = Instant::now() + wait;
        match answered {
            Ok(message) => {
                let ack = serde_json::from_slice(&message.payload);
                return ack
                    .map(|ack| (ack, began.elapsed()))
                    .map_err(|why| format!("its answer: {why}"));
            }
            Err(why) if why.kind() != RequestErrorKind::NoResponders => {
                return Err(match why.kind() {
                    RequestErrorKind::TimedOut => late(),
                    _ => why.to_string(),
                });
            }
            Err(_) if next >= deadline => return Err(format!("no stream takes {subject}")),
            Err(_) => sleep_until(next).await,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
