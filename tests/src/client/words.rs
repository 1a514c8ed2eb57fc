//! The words that a test and a client exchange.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::bus::{Credentials, Proof};

/// A message as the library handed it over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// What was subscribed to: the subject, or a durable's consumer.
    pub subscription: String,
    /// Its subject.
    pub subject: String,
    /// Its reply subject.
    #[serde(default)]
    pub reply: String,
    /// Its text.
    pub data: String,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// An acknowledged publish of a load.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Acknowledged {
    /// Id, which is also the text of the message.
    pub id: String,
    /// Queue.
    pub subject: String,
    /// Position in the stream.
    pub seq: u64,
    /// Whether an earlier try of the same publish had been stored.
    pub duplicate: bool,
    /// How often it was tried.
    pub tries: u32,
}

/// What a client tells without being asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A message came.
    Message(Message),
    /// A message of a load was acknowledged.
    Acknowledged(Acknowledged),
    /// The library reported a problem.
    Error {
        /// In its words.
        text: String,
    },
    /// The connection was lost.
    Disconnected,
    /// The connection is there again.
    Connected,
}

/// A position in a stream, as the server acknowledged a publish.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ack {
    /// Stream that stored the message.
    pub stream: String,
    /// Position in it.
    pub seq: u64,
    /// Whether it was there already.
    pub duplicate: bool,
}

/// State of a durable subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ConsumerInfo {
    /// Messages not yet delivered.
    pub pending: u64,
    /// Messages delivered and not yet acknowledged.
    pub unacknowledged: u64,
    /// Position in the stream up to which messages were delivered.
    pub delivered: u64,
}

/// The messages among what a client told.
pub fn messages(events: &[Event]) -> impl Iterator<Item = &Message> {
    events.iter().filter_map(|event| match event {
        Event::Message(message) => Some(message),
        _ => None,
    })
}

/// The words that connect a user.
///
/// # Errors
/// When the seed of its NKey cannot be read.
pub fn connection(credentials: &Credentials, reconnect: bool) -> Result<Value> {
    let mut words = Map::new();
    words.insert("op".to_owned(), "connect".into());
    words.insert("url".to_owned(), credentials.urls.join(",").into());
    words.insert("reconnect".to_owned(), reconnect.into());
    words.insert("ca".to_owned(), credentials.ca.to_string_lossy().into());
    match &credentials.proof {
        Proof::Password(password) => {
            words.insert("username".to_owned(), credentials.username.clone().into());
            words.insert("password".to_owned(), password.clone().into());
        }
        Proof::Nkey(seed) => {
            let seed = fs::read_to_string(seed)?;
            words.insert("nkey_seed".to_owned(), seed.trim().into());
        }
    }
    if let Some((certificate, key)) = &credentials.certificate {
        words.insert(
            "certificate".to_owned(),
            certificate.to_string_lossy().into(),
        );
        words.insert("key".to_owned(), key.to_string_lossy().into());
    }
    Ok(Value::Object(words))
}

/// The words that publish.
pub(super) fn publish(queue: &str, id: &str, timeout_ms: u64) -> Value {
    json!({"op": "publish", "subject": queue, "id": id, "timeout_ms": timeout_ms})
}

/// The words that bind to a durable.
pub(super) fn bind(stream: &str, consumer: &str, acknowledge: bool, timeout_ms: u64) -> Value {
    json!({"op": "bind", "stream": stream, "consumer": consumer, "acknowledge": acknowledge,
        "timeout_ms": timeout_ms})
}
