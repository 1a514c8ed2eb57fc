//! Whether a bus is whole: every server there, healthy and with the configuration it should have,
//! one meta group of all of them, and every replica of every stream and consumer current.
//!
//! In: what is expected and what was observed. Out: what is missing, in words; nothing when the bus
//! is whole. That something is missing is a result, not an error.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::Client;
use svom_plan::queues::ConsumerId;
use tokio::time::{Instant, sleep_until};

use super::observe::{Group, Seen, ServerSeen, observe};
use super::system::SystemError;

/// How long the first look may take, since a server that is not there is waited for; each further one
/// twice as long, since one that is busy should not be taken for missing for ever.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// The longest that a look may take.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// The first wait between two looks; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// The longest wait between two looks.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What a whole bus consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The servers, each with the digest of the configuration it should have; absent where any will
    /// do.
    pub servers: BTreeMap<String, Option<String>>,
    /// Streams that must be there, each with the number of servers that keep it. Those that are
    /// there besides must be current too.
    pub streams: BTreeMap<String, usize>,
    /// Consumers that must be there, likewise.
    pub consumers: BTreeMap<ConsumerId, usize>,
}

/// What is missing, in words; nothing when the bus is whole. That a server which does not answer is
/// not current either goes without saying.
pub fn missing(expected: &Expected, seen: &Seen) -> Vec<String> {
    let Expected {
        servers,
        streams,
        consumers,
    } = expected;
    let mut missing = Vec::new();
    for (name, digest) in servers {
        match seen.servers.get(name) {
            None => missing.push(format!("server {name} does not answer")),
            Some(server) => missing.extend(server_lacks(name, digest.as_deref(), server)),
        }
    }
    missing.extend(meta_lacks(servers.len(), seen));
    let silent: BTreeSet<&String> = servers
        .keys()
        .filter(|name| !seen.servers.contains_key(*name))
        .collect();
    let names: BTreeSet<&String> = streams.keys().chain(seen.streams.keys()).collect();
    for name in names {
        let lack = group_lacks(streams.get(name).copied(), seen.streams.get(name), &silent);
        missing.extend(lack.map(|lack| format!("stream {name} {lack}")));
    }
    let ids: BTreeSet<&ConsumerId> = consumers.keys().chain(seen.consumers.keys()).collect();
    for id in ids {
        let lack = group_lacks(consumers.get(id).copied(), seen.consumers.get(id), &silent);
        let ConsumerId { stream, consumer } = id;
        missing.extend(lack.map(|lack| format!("consumer {consumer} of stream {stream} {lack}")));
    }
    missing
}

fn server_lacks(name: &str, digest: Option<&str>, server: &ServerSeen) -> Vec<String> {
    let mut lacks = Vec::new();
    if let Some(why) = &server.unhealthy {
        lacks.push(format!("server {name} is not healthy: {why}"));
    }
    if digest.is_some_and(|digest| digest != server.config_digest) {
        lacks.push(format!(
            "server {name} has not taken up its new configuration"
        ));
    }
    lacks
}

/// A server alone has no meta group.
fn meta_lacks(servers: usize, seen: &Seen) -> Option<String> {
    if servers < 2 || seen.servers.is_empty() {
        return None;
    }
    if seen.meta_leader().is_none() {
        return Some("the servers have not agreed on a leader of the meta group".to_owned());
    }
    let sizes = seen
        .servers
        .values()
        .filter_map(|server| server.meta.as_ref());
    let wrong = sizes.map(|meta| meta.size).find(|size| *size != servers);
    wrong.map(|size| format!("the meta group counts {size} servers instead of {servers}"))
}

fn group_lacks(
    replicas: Option<usize>,
    group: Option<&Group>,
    silent: &BTreeSet<&String>,
) -> Option<String> {
    let Some(group) = group else {
        return Some("is not there".to_owned());
    };
    if group.leader.is_none() {
        return Some("has no leader".to_owned());
    }
    let size = group.size();
    if let Some(replicas) = replicas.filter(|replicas| *replicas != size) {
        return Some(format!("is kept on {size} servers instead of {replicas}"));
    }
    let behind: Vec<&str> = group
        .followers
        .iter()
        .filter(|(name, current)| !**current && !silent.contains(name))
        .map(|(name, _)| name.as_str())
        .collect();
    (!behind.is_empty()).then(|| format!("is not current on {}", behind.join(", ")))
}

/// What came of waiting for a whole bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// What is still missing; nothing when the bus is whole.
    pub missing: Vec<String>,
    /// What was seen last.
    pub seen: Seen,
}

/// Looks until the bus is whole or the deadline passes. `told` hears what is missing whenever that
/// changes.
pub async fn wait_until_whole(
    client: &Client,
    expected: &Expected,
    deadline: Instant,
    told: &mut (dyn FnMut(&[String]) + Send),
) -> Result<Waited, SystemError> {
    let names: BTreeSet<String> = expected.servers.keys().cloned().collect();
    let (mut look, mut wait) = (FIRST_LOOK, FIRST_WAIT);
    let mut before = Vec::new();
    loop {
        let seen = observe(client, &names, deadline.min(Instant::now() + look)).await?;
        let missing = missing(expected, &seen);
        let next = Instant::now() + wait;
        if missing.is_empty() || next >= deadline {
            return Ok(Waited { missing, seen });
        }
        if missing != before {
            told(&missing);
            before = missing;
        }
        sleep_until(next).await;
        wait = (wait * 2).min(LONGEST_WAIT);
        look = (look * 2).min(LONGEST_LOOK);
    }
}

#[cfg(test)]
mod tests;
