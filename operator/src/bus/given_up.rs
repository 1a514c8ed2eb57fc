//! Messages that durables gave up: delivered as often as the durable allows, and never acknowledged.
//!
//! In: the servers' advisories, from the moment of listening on. Out: how many there were of each
//! consumer. An advisory of a moment without a connection is not heard; the message itself stays stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::{Client, SubscribeError};
use futures::StreamExt;
use svom_plan::queues::ConsumerId;
use tokio::task::JoinHandle;

/// One advisory for each message that is given up; the stream's and the consumer's name come last.
/// Source: `JSAdvisoryConsumerMaxDeliveryExceedPre` of nats-server.
const ADVISORIES: &str = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES";

type Counts = Arc<Mutex<BTreeMap<ConsumerId, u64>>>;

/// Counts messages that are given up, as long as it is kept.
pub struct GivenUp {
    counts: Counts,
    listens: JoinHandle<()>,
}

impl GivenUp {
    /// Listens through the operator's connection in the JetStream account; that it comes back is the
    /// client's affair.
    ///
    /// # Errors
    /// The connection is closed for good.
    pub async fn listen(jetstream: &Client) -> Result<Self, SubscribeError> {
        let mut advisories = jetstream.subscribe(format!("{ADVISORIES}.*.*")).await?;
        let counts = Counts::default();
        let kept = Arc::clone(&counts);
        let listens = tokio::spawn(async move {
            while let Some(advisory) = advisories.next().await {
                if let Some(consumer) = consumer(&advisory.subject) {
                    let mut counts = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    *counts.entry(consumer).or_default() += 1;
                }
            }
        });
        Ok(Self { counts, listens })
    }

    /// How many messages a durable gave up.
    pub fn of(&self, consumer: &ConsumerId) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(consumer).copied().unwrap_or(0)
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.listens.abort();
    }
}

/// Whom an advisory is about.
fn consumer(subject: &str) -> Option<ConsumerId> {
    let names = subject.strip_prefix(ADVISORIES)?.strip_prefix('.')?;
    let (stream, consumer) = names.split_once('.')?;
    Some(ConsumerId {
        stream: stream.to_owned(),
        consumer: consumer.to_owned(),
    })
}
