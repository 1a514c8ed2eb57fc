//! Reads every stream and consumer of the account.
//!
//! The names come first, from the meta group's leader, then each stream's own report: a list of
//! reports leaves out streams whose leader is slow, and what is left out would look as if it were
//! not there.

use std::collections::BTreeMap;

use async_nats::Client;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use svom_plan::queues::{
    ConsumerConfig, ConsumerId, ObservedConsumer, ObservedQueues, ObservedStream, StreamConfig,
};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::nats::request::{RequestError, request, unix_seconds};

/// How many streams are asked about at once.
const AT_ONCE: usize = 8;
/// "stream not found".
const NO_SUCH_STREAM: u64 = 10059;
/// How long to wait before consumers that were left out are asked for again.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

/// Why it is not known what is there.
#[derive(Debug, Error)]
#[error("{what} cannot be read: {why}")]
pub struct ObserveError {
    /// What was asked for: "the list of streams", "stream DATA".
    pub what: String,
    /// Why there is no answer.
    pub why: RequestError,
}

/// Reads all of it, or says what could not be read by the deadline.
pub async fn observe(client: &Client, deadline: Instant) -> Result<ObservedQueues, ObserveError> {
    let names = names(client, deadline).await?;
    let read = stream::iter(names)
        .map(|name| async move { one(client, name, deadline).await })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let mut observed = ObservedQueues::default();
    for (name, stream, consumers) in read.into_iter().flatten() {
        observed.consumers.extend(consumers);
        observed.streams.insert(name, stream);
    }
    Ok(observed)
}

#[derive(Deserialize)]
struct Names {
    total: usize,
    // The server says `null` for none.
    streams: Option<Vec<String>>,
}

async fn names(client: &Client, deadline: Instant) -> Result<Vec<String>, ObserveError> {
    let mut names = Vec::new();
    loop {
        let body = json!({"offset": names.len()});
        let page: Names = request(client, "$JS.API.STREAM.NAMES", &body, deadline)
            .await
            .map_err(|why| ObserveError {
                what: "the list of streams".to_owned(),
                why,
            })?;
        let found = page.streams.unwrap_or_default();
        let last = found.is_empty();
        names.extend(found);
        if last || names.len() >= page.total {
            return Ok(names);
        }
    }
}

type Consumers = BTreeMap<ConsumerId, ObservedConsumer>;

/// One stream with its consumers; none where it was deleted meanwhile.
async fn one(
    client: &Client,
    name: String,
    deadline: Instant,
) -> Result<Option<(String, ObservedStream, Consumers)>, ObserveError> {
    let stream = match info(client, &name, deadline).await {
        Ok(stream) => stream,
        Err(RequestError::Refused(error)) if error.err_code == NO_SUCH_STREAM => return Ok(None),
        Err(why) => {
            return Err(ObserveError {
                what: format!("stream {name}"),
                why,
            });
        }
    };
    let consumers = consumers(client, &name, deadline)
        .await
        .map_err(|why| ObserveError {
            what: format!("the consumers of stream {name}"),
            why,
        })?;
    Ok(Some((name, stream, consumers)))
}

#[derive(Deserialize)]
struct StreamInfo {
    config: StreamConfig,
    state: State,
}

#[derive(Deserialize)]
struct State {
    messages: u64,
    bytes: u64,
    #[serde(default)]
    first_ts: String,
    #[serde(default)]
    subjects: BTreeMap<String, u64>,
}

async fn info(
    client: &Client,
    name: &str,
    deadline: Instant,
) -> Result<ObservedStream, RequestError> {
    let subject = format!("$JS.API.STREAM.INFO.{name}");
    let body = json!({"subjects_filter": ">"});
    let info: StreamInfo = request(client, &subject, &body, deadline).await?;
    let State {
        messages,
        bytes,
        first_ts,
        subjects,
    } = info.state;
    Ok(ObservedStream {
        config: info.config,
        messages,
        bytes,
        oldest: unix_seconds(&first_ts).filter(|_| messages > 0),
        subjects,
    })
}

#[derive(Deserialize)]
struct ConsumerPage {
    total: usize,
    consumers: Option<Vec<ConsumerInfo>>,
    /// Those whose leader did not answer in time.
    #[serde(default)]
    missing: Vec<String>,
    /// Those that this version of the server cannot run, and why.
    #[serde(default)]
    offline: Map<String, Value>,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    name: String,
    config: ConsumerConfig,
    num_pending: u64,
    num_ack_pending: u64,
}

async fn consumers(
    client: &Client,
    stream: &str,
    deadline: Instant,
) -> Result<Consumers, RequestError> {
    let subject = format!("$JS.API.CONSUMER.LIST.{stream}");
    let mut consumers = Consumers::new();
    let mut offset = 0;
    loop {
        let body = json!({"offset": offset});
        let page: ConsumerPage = request(client, &subject, &body, deadline).await?;
        if let Some((name, why)) = page.offline.iter().next() {
            return Err(RequestError::Unreadable(format!(
                "{name} is offline: {why}"
            )));
        }
        if !page.missing.is_empty() {
            if Instant::now() + AGAIN >= deadline {
                let missing = page.missing.join(", ");
                return Err(RequestError::Unanswered(format!(
                    "{missing} did not report"
                )));
            }
            sleep(AGAIN).await;
            continue;
        }
        let found = page.consumers.unwrap_or_default();
        offset += found.len();
        let last = found.is_empty() || offset >= page.total;
        consumers.extend(found.into_iter().map(|info| {
            let id = ConsumerId {
                stream: stream.to_owned(),
                consumer: info.name,
            };
            let observed = ObservedConsumer {
                config: info.config,
                unread: info.num_pending,
                unacknowledged: info.num_ack_pending,
            };
            (id, observed)
        }));
        if last {
            return Ok(consumers);
        }
    }
}
