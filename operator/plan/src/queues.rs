//! Streams and consumers: what is wanted, and the steps from what is there to it.
//!
//! In: a valid resource, and what the servers report. Out: the whole configuration of every stream
//! and consumer, and the steps to it in an order that is safe. It never asks for a step by which
//! messages or a reader's position are lost, unless the resource says that they may be; what it does
//! not do for that reason it says in words.

mod consumer;
#[cfg(test)]
pub(crate) mod fixtures;
mod guard;
mod plan;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use consumer::{ConsumerConfig, DURABLE_KEY, USER_KEY};
pub(crate) use guard::{Limit, LimitChange, Limited, limit_change, unread_words};
pub use plan::queue_plan;
pub use stream::{ConsumerLimits, DOMAIN_KEY, ON_DELETE_KEY, PROBE_KEY, Republish, StreamConfig};

use crate::UnixSeconds;
use crate::change::Change;
use crate::names::{PROBE_STREAM, consumer as consumer_name, stream as stream_name};
use crate::valid::{DomainName, DurableName, UserName, Valid};

/// What the metadata begins with that the server adds by itself.
const SERVER_METADATA: &str = "_nats.";

/// One consumer of one stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId {
    /// Stream that it reads.
    pub stream: String,
    /// Its name.
    pub consumer: String,
}

impl ConsumerId {
    /// The consumer of a durable subscription.
    pub fn new(domain: &DomainName, user: &UserName, durable: &DurableName) -> Self {
        Self {
            stream: stream_name(domain),
            consumer: consumer_name(user, durable),
        }
    }
}

/// A stream as the servers report it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedStream {
    /// Its configuration.
    pub config: StreamConfig,
    /// Messages that it holds.
    pub messages: u64,
    /// Bytes that it holds.
    pub bytes: u64,
    /// When the oldest of them was stored; absent where there is none.
    pub oldest: Option<UnixSeconds>,
    /// How many messages it holds of each subject.
    pub subjects: BTreeMap<String, u64>,
}

/// A consumer as the servers report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedConsumer {
    /// Its configuration.
    pub config: ConsumerConfig,
    /// Messages that were not delivered yet.
    pub unread: u64,
    /// Messages that were delivered and not acknowledged.
    pub unacknowledged: u64,
}

/// Everything that the JetStream account holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedQueues {
    /// Streams by name.
    pub streams: BTreeMap<String, ObservedStream>,
    /// Consumers by stream and name.
    pub consumers: BTreeMap<ConsumerId, ObservedConsumer>,
}

/// One request to the servers.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueStep {
    /// Make a stream that is not there.
    CreateStream(StreamConfig),
    /// Give a stream another configuration.
    UpdateStream(StreamConfig),
    /// Delete a stream and its messages.
    DeleteStream {
        /// Name of the stream.
        stream: String,
    },
    /// Make a consumer that is not there.
    CreateConsumer {
        /// The consumer.
        id: ConsumerId,
        /// Its configuration.
        config: ConsumerConfig,
    },
    /// Give a consumer another configuration; it keeps its position.
    UpdateConsumer {
        /// The consumer.
        id: ConsumerId,
        /// Its configuration.
        config: ConsumerConfig,
    },
    /// Delete a consumer and make it anew; its position is lost.
    ReplaceConsumer {
        /// The consumer.
        id: ConsumerId,
        /// Its configuration.
        config: ConsumerConfig,
    },
    /// Delete a consumer and its position.
    DeleteConsumer {
        /// The consumer.
        id: ConsumerId,
    },
}

/// The way from what is there to what is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueuePlan {
    /// Steps, in their order.
    pub steps: Vec<QueueStep>,
    /// What is not done, or kept although the resource no longer names it, by path.
    pub held: Vec<Change>,
}

/// Every stream that the resource wants, by name: one for each domain, and the probe's.
pub fn streams(valid: &Valid) -> BTreeMap<String, StreamConfig> {
    let mut streams: BTreeMap<String, StreamConfig> = valid
        .domains
        .iter()
        .map(|(name, domain)| (stream_name(name), StreamConfig::of_domain(name, domain)))
        .collect();
    streams.insert(
        PROBE_STREAM.to_owned(),
        StreamConfig::of_probe(valid.replicas),
    );
    streams
}

/// Every consumer that the resource wants: one for each durable subscription.
pub fn consumers(valid: &Valid) -> BTreeMap<ConsumerId, ConsumerConfig> {
    let mut consumers = BTreeMap::new();
    for (user_name, user) in &valid.users {
        for (name, durable) in &user.durables {
            // A durable's domain is always declared; a resource that says otherwise is not valid.
            let Some(domain) = valid.domains.get(&durable.domain) else {
                continue;
            };
            consumers.insert(
                ConsumerId::new(&durable.domain, user_name, name),
                ConsumerConfig::of_durable(user_name, name, durable, domain.replicas),
            );
        }
    }
    consumers
}

/// The server counts time in nanoseconds, 64 bits of them: 292 years.
fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}
