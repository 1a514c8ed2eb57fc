//! One request to JetStream, asked until it is answered.
//!
//! In: a subject, a body, and until when. Out: the answer, or why there is none. While a cluster
//! elects a leader its servers say nothing, or that they are not ready: that is waited out. What
//! they refuse for a reason of its own is handed back at once.

use std::time::Duration;

use async_nats::{Client, Request, RequestErrorKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use svom_plan::UnixSeconds;
use thiserror::Error;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a single answer is waited for. A busy leader has taken over a second.
const ANSWER: Duration = Duration::from_secs(3);
/// The first wait before a request is repeated; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait before a request is repeated.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// "JetStream system temporarily unavailable": the cluster has no leader, or this server has not
/// heard of one.
const CLUSTER_NOT_AVAILABLE: u64 = 10008;
/// "JetStream not enabled" and "not enabled for account": said while a server starts or reloads.
const NOT_ENABLED: [u64; 2] = [10076, 10039];

/// Why a request came to nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// The servers refuse it.
    #[error("{0}")]
    Refused(ServerError),
    /// Nobody answered in time.
    #[error("no answer in time: {0}")]
    Unanswered(String),
    /// The answer is not what the server's API says it is.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

/// An error as JetStream reports it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Error)]
#[error("{description} (error {err_code})")]
pub struct ServerError {
    /// What went wrong, by number.
    #[serde(default)]
    pub err_code: u64,
    /// What went wrong, in the server's words.
    #[serde(default)]
    pub description: String,
}

impl ServerError {
    fn passes(&self) -> bool {
        self.err_code == CLUSTER_NOT_AVAILABLE || NOT_ENABLED.contains(&self.err_code)
    }
}

/// An answer: an error, or what was asked for.
#[derive(Deserialize)]
struct Answer {
    error: Option<ServerError>,
    #[serde(flatten)]
    rest: Value,
}

/// Asks until there is an answer or the deadline passes. A request may have been carried out
/// although its answer was lost: whoever creates or deletes must take the second answer for that.
pub async fn request<T: DeserializeOwned>(
    client: &Client,
    subject: &str,
    body: &Value,
    deadline: Instant,
) -> Result<T, RequestError> {
    let mut wait = FIRST_WAIT;
    loop {
        let failed = match once(client, subject, body, deadline).await {
            Ok(rest) => {
                return serde_path_to_error::deserialize(rest)
                    .map_err(|why| RequestError::Unreadable(why.to_string()));
            }
            Err(RequestError::Refused(error)) if error.passes() => {
                RequestError::Unanswered(error.to_string())
            }
            Err(why @ RequestError::Unanswered(_)) => why,
            Err(why) => return Err(why),
        };
        let next = Instant::now() + wait;
        if next >= deadline {
            return Err(failed);
        }
        sleep_until(next).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn once(
    client: &Client,
    subject: &str,
    body: &Value,
    deadline: Instant,
) -> Result<Value, RequestError> {
    let payload = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let asked = Request::new().payload(payload.into()).timeout(Some(ANSWER));
    super::leaves(subject);
    let answered = timeout_at(deadline, client.send_request(subject.to_owned(), asked)).await;
    super::is_answered(subject);
    let answered =
        answered.map_err(|_| RequestError::Unanswered("nothing was heard of it".to_owned()))?;
    let message = answered.map_err(|why| {
        RequestError::Unanswered(match why.kind() {
            RequestErrorKind::NoResponders => "no server takes such requests".to_owned(),
            RequestErrorKind::TimedOut => "nothing was heard of it".to_owned(),
            _ => why.to_string(),
        })
    })?;
    let answer: Answer = serde_json::from_slice(&message.payload)
        .map_err(|why| RequestError::Unreadable(why.to_string()))?;
    match answer.error {
        Some(error) => Err(RequestError::Refused(error)),
        None => Ok(answer.rest),
    }
}

/// Reads a server's time stamp. The zero time, which stands for "never", is none.
pub fn unix_seconds(text: &str) -> Option<UnixSeconds> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(stamp.as_second()).filter(|seconds| *seconds > 0)
}
