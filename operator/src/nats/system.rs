//! Requests of the system account: to all servers at once, and to one.
//!
//! In: a client in the system account. Out: what each server answered, as soon as all that are
//! waited for have, or when the time is over. Who did not answer is simply not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::Client;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

/// What every server answers for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Version, digest of the configuration, certificates.
    Varz,
    /// Whether it is healthy: its meta group, and each replica that it holds.
    Healthz,
    /// The meta group, and every stream and consumer of the account.
    Jsz,
}

impl Question {
    fn subject(self) -> &'static str {
        match self {
            Self::Varz => "$SYS.REQ.SERVER.PING.VARZ",
            Self::Healthz => "$SYS.REQ.SERVER.PING.HEALTHZ",
            Self::Jsz => "$SYS.REQ.SERVER.PING.JSZ",
        }
    }
}

/// Why a request of the system account failed.
#[derive(Debug, Error)]
pub enum SystemError {
    /// The connection does not take requests.
    #[error("the connection to the servers is closed")]
    Closed,
    /// One server did not answer.
    #[error("server {server} did not answer {what} within {} s", .patience.as_secs_f32())]
    Silent {
        /// Name of the server.
        server: String,
        /// What it was asked.
        what: &'static str,
        /// For how long it was waited for.
        patience: Duration,
    },
    /// One server refused.
    #[error("server {server} refuses {what}: {why}")]
    Refused {
        /// Name of the server.
        server: String,
        /// What it was asked.
        what: &'static str,
        /// Its own words.
        why: String,
    },
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Server {
    /// Id, which changes with each start.
    pub id: String,
    /// Name.
    pub name: String,
    /// Version.
    #[serde(rename = "ver")]
    pub version: String,
}

/// One server's answer.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// Who answers.
    pub server: Server,
    /// What was asked for.
    #[serde(default)]
    pub data: Value,
    /// Why there is nothing.
    #[serde(default)]
    pub error: Option<Value>,
}

/// Asks all servers, and collects their answers by name until every one of `expected` has answered
/// or the deadline passes. Answers of others, and those that cannot be read, do not count.
pub async fn ask_all(
    client: &Client,
    question: Question,
    body: &Value,
    expected: &BTreeSet<String>,
    deadline: Instant,
) -> Result<BTreeMap<String, Reply>, SystemError> {
    let mut replies = BTreeMap::new();
    let asked = async {
        let inbox = client.new_inbox();
        let closed = |_| SystemError::Closed;
        let mut answers = client.subscribe(inbox.clone()).await.map_err(closed)?;
        client
            .publish_with_reply(question.subject(), inbox, body.to_string().into())
            .await
            .map_err(|_| SystemError::Closed)?;
        while !expected.iter().all(|name| replies.contains_key(name)) {
            let Some(message) = answers.next().await else {
                break;
            };
            if let Ok(reply) = serde_json::from_slice::<Reply>(&message.payload) {
                replies.insert(reply.server.name.clone(), reply);
            }
        }
        Ok(())
    };
    // All of it: without a connection even what is only sent waits, once much has been sent.
    match timeout_at(deadline, asked).await {
        Ok(Err(closed)) => Err(closed),
        // Dropping the subscription ends it.
        Ok(Ok(())) | Err(_) => Ok(replies),
    }
}

/// Whether a configuration has accounts that the one before it had not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accounts {
    /// All were there before.
    Known,
    /// Some are new: users were added.
    Added,
}

/// Has one server read its configuration again. It takes all of it or nothing; its refusal is an
/// error with its own words. Which configuration is then in force, its digest tells.
///
/// A server that reloads sets up the service imports only of accounts that it knew before: what a new
/// user publishes, nobody takes, until the next reload. So where accounts were added it reloads twice.
pub async fn reload(
    client: &Client,
    server: &Server,
    accounts: Accounts,
    patience: Duration,
) -> Result<(), SystemError> {
    reload_once(client, server, patience).await?;
    match accounts {
        Accounts::Known => Ok(()),
        Accounts::Added => reload_once(client, server, patience).await,
    }
}

async fn reload_once(
    client: &Client,
    server: &Server,
    patience: Duration,
) -> Result<(), SystemError> {
    let what = "to reload its configuration";
    let name = || server.name.clone();
    let subject = format!("$SYS.REQ.SERVER.{}.RELOAD", server.id);
    let silent = || SystemError::Silent {
        server: name(),
        what,
        patience,
    };
    super::leaves(&subject);
    let answered = timeout(patience, client.request(subject.clone(), "".into())).await;
    super::is_answered(&subject);
    let message = answered.map_err(|_| silent())?.map_err(|_| silent())?;
    let refused = |why: String| SystemError::Refused {
        server: name(),
        what,
        why,
    };
    let reply: Reply =
        serde_json::from_slice(&message.payload).map_err(|why| refused(why.to_string()))?;
    match reply.error {
        None => Ok(()),
        Some(error) => Err(refused(words(&error))),
    }
}

/// The text of an error as the servers write it: `{"code":500,"description":"..."}`.
fn words(error: &Value) -> String {
    error
        .get("description")
        .and_then(Value::as_str)
        .map_or_else(|| error.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_in_the_servers_words() {
        let error = serde_json::json!({"code": 500, "description": "cannot change it"});
        assert_eq!(words(&error), "cannot change it");
        assert_eq!(words(&Value::from(7)), "7");
    }
}
