//! Messages under way while something happens to the bus, and what became of each, by id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::bus::Credentials;
use crate::client::{Acknowledged, Call, Client, Event, Library, messages};
use crate::poll;

const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(120);

/// A publisher that gives each message an id, and tries each until it is acknowledged.
#[derive(Debug)]
pub struct Publisher {
    /// Its client.
    pub client: Client,
    prefix: String,
    running: Call,
}

impl Publisher {
    /// Begins to publish to these queues, in turn.
    ///
    /// # Errors
    /// When the user may not connect.
    pub fn begin(
        library: Library,
        credentials: &Credentials,
        queues: &[&str],
        prefix: &str,
    ) -> Result<Self> {
        let client = Client::connect(library, credentials)?;
        let running = client
            .begin(json!({"op": "load", "subjects": queues, "prefix": prefix, "pause_ms": 2}))?;
        Ok(Self {
            client,
            prefix: prefix.to_owned(),
            running,
        })
    }

    /// How many messages were acknowledged so far.
    pub fn count(&self) -> usize {
        self.client.acknowledged().len()
    }

    /// Waits until so many more messages are acknowledged.
    ///
    /// # Errors
    /// When they are not.
    pub fn wait_for_more(&self, more: usize) -> Result<()> {
        let enough = self.count() + more;
        poll::until(
            &format!("{more} more acknowledged messages"),
            ACKNOWLEDGED_WITHIN,
            || Ok((self.count() >= enough).then_some(())),
        )
    }

    /// Stops and returns every acknowledgement.
    ///
    /// # Errors
    /// When the publisher failed on the way.
    pub fn end(self) -> Result<Vec<Acknowledged>> {
        self.client
            .call(json!({"op": "stop_load", "prefix": self.prefix}))?;
        if let Err(refusal) = self.client.answer(self.running)? {
            anyhow::bail!("the publisher of {} failed: {refusal}", self.prefix);
        }
        Ok(self.client.acknowledged())
    }
}

/// The ids of acknowledged messages.
pub fn ids(acknowledged: &[Acknowledged]) -> BTreeSet<String> {
    acknowledged
        .iter()
        .map(|message| message.id.clone())
        .collect()
}

/// How often each message came on this subscription.
pub fn received(events: &[Event], subscription: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in messages(events).filter(|message| message.subscription == subscription) {
        *counts.entry(message.data.clone()).or_default() += 1;
    }
    counts
}

/// Adds up what several readers received.
pub fn together(
    counts: impl IntoIterator<Item = BTreeMap<String, usize>>,
) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for (id, count) in counts.into_iter().flatten() {
        *all.entry(id).or_default() += count;
    }
    all
}

/// Waits until the readers together have every one of these messages; returns how often each came.
///
/// # Errors
/// When some do not come; with their number and the first of them.
pub fn wait_for_all(
    readers: &[&Client],
    subscription: &str,
    wanted: &BTreeSet<String>,
    limit: Duration,
) -> Result<BTreeMap<String, usize>> {
    let collect = || {
        together(
            readers
                .iter()
                .map(|reader| received(&reader.events(), subscription)),
        )
    };
    let missing = |got: &BTreeMap<String, usize>| -> Vec<String> {
        wanted
            .iter()
            .filter(|id| !got.contains_key(*id))
            .cloned()
            .collect()
    };
    let waited = poll::until("every acknowledged message", limit, || {
        let got = collect();
        Ok(missing(&got).is_empty().then_some(got))
    });
    waited.or_else(|_| {
        let lost = missing(&collect());
        ensure!(
            lost.is_empty(),
            "{} of {} acknowledged messages are lost on {subscription}, the first: {:?}",
            lost.len(),
            wanted.len(),
            lost.iter().take(5).collect::<Vec<_>>()
        );
        Ok(collect())
    })
}

/// How many messages came more than once, for printing.
pub fn redelivered(counts: &BTreeMap<String, usize>) -> usize {
    counts.values().filter(|count| **count > 1).count()
}
