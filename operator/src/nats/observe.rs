//! What the servers say about themselves, in our own types.
//!
//! In: a client in the system account, and the names of the servers. Out: for each server that
//! answered its version, configuration, certificate, health and view of the meta group, and every
//! stream and consumer as its leader sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use svom_plan::UnixSeconds;
use svom_plan::names::JETSTREAM_ACCOUNT;
use svom_plan::queues::ConsumerId;
use tokio::time::Instant;

use super::request::unix_seconds;
use super::system::{Question, Reply, Server, SystemError, ask_all};

/// A follower that its leader heard of within this time is there: they speak every second.
const RECENT: Duration = Duration::from_secs(4);
/// A follower that lacks at most this many entries of what a majority has is keeping up. The servers
/// call it current only when it lacks none, which under a steady stream of messages is hardly ever.
const UNDER_WAY: u64 = 1_000;

/// One server, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSeen {
    /// Its name, id and version.
    pub server: Server,
    /// Digest of the configuration that is in force.
    pub config_digest: String,
    /// When the certificate that clients see ends.
    pub certificate_ends: Option<UnixSeconds>,
    /// Why it is not healthy, in its own words; absent where it is.
    pub unhealthy: Option<String>,
    /// The meta group as it sees it; absent where there is none.
    pub meta: Option<MetaSeen>,
    /// The streams that it leads.
    pub leads: BTreeSet<String>,
}

/// The meta group, as one server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaSeen {
    /// Name of its leader.
    pub leader: Option<String>,
    /// How many servers it counts.
    pub size: usize,
}

/// The servers that keep a stream or consumer, as its leader sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Name of the leader.
    pub leader: Option<String>,
    /// The other servers, and whether each is current.
    pub followers: BTreeMap<String, bool>,
}

impl Group {
    /// How many servers keep it, the leader among them.
    pub fn size(&self) -> usize {
        usize::from(self.leader.is_some()) + self.followers.len()
    }

    /// How many of them are current.
    pub fn current(&self) -> usize {
        usize::from(self.leader.is_some())
            + self.followers.values().filter(|current| **current).count()
    }
}

/// All that was seen at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The servers that answered, by name.
    pub servers: BTreeMap<String, ServerSeen>,
    /// Streams of the JetStream account, by name.
    pub streams: BTreeMap<String, Group>,
    /// Consumers of the JetStream account.
    pub consumers: BTreeMap<ConsumerId, Group>,
}

impl Seen {
    /// The leader of the meta group, where all servers that answered agree on one.
    pub fn meta_leader(&self) -> Option<&str> {
        let mut leaders = self
            .servers
            .values()
            .map(|server| server.meta.as_ref().and_then(|meta| meta.leader.as_deref()));
        let first = leaders.next()??;
        leaders.all(|leader| leader == Some(first)).then_some(first)
    }
}

/// Asks every server three things at once; returns when all of `expected` have answered all three,
/// or at the deadline with what there is.
pub async fn observe(
    client: &Client,
    expected: &BTreeSet<String>,
    deadline: Instant,
) -> Result<Seen, SystemError> {
    let nothing = json!({});
    let account = json!({"account": JETSTREAM_ACCOUNT, "streams": true, "consumer": true});
    let (varz, healthz, jsz) = tokio::try_join!(
        ask_all(client, Question::Varz, &nothing, expected, deadline),
        ask_all(client, Question::Healthz, &nothing, expected, deadline),
        ask_all(client, Question::Jsz, &account, expected, deadline),
    )?;
    Ok(read(varz, &healthz, &jsz))
}

fn read(
    varz: BTreeMap<String, Reply>,
    healthz: &BTreeMap<String, Reply>,
    jsz: &BTreeMap<String, Reply>,
) -> Seen {
    let mut seen = Seen::default();
    for (name, reply) in varz {
        let varz: Varz = part(&reply.data);
        let jsz: Jsz = jsz
            .get(&name)
            .map(|reply| part(&reply.data))
            .unwrap_or_default();
        for stream in jsz
            .account_details
            .iter()
            .flat_map(|account| &account.stream_detail)
        {
            see_stream(&mut seen, &name, stream);
        }
        seen.servers.insert(
            name.clone(),
            ServerSeen {
                unhealthy: unhealthy(healthz.get(&name)),
                meta: jsz.meta_cluster.map(|meta| MetaSeen {
                    leader: named(meta.leader),
                    size: meta.cluster_size,
                }),
                leads: BTreeSet::new(),
                server: reply.server,
                config_digest: varz.config_digest,
                certificate_ends: unix_seconds(&varz.tls_cert_not_after),
            },
        );
    }
    for (stream, group) in &seen.streams {
        let leader = group
            .leader
            .as_ref()
            .and_then(|leader| seen.servers.get_mut(leader));
        if let Some(leader) = leader {
            leader.leads.insert(stream.clone());
        }
    }
    seen
}

/// Takes a leader's word for its own streams and consumers; from the others only that they exist.
fn see_stream(seen: &mut Seen, server: &str, stream: &StreamDetail) {
    see(
        seen.streams.entry(stream.name.clone()).or_default(),
        server,
        stream.cluster.as_ref(),
    );
    for consumer in &stream.consumer_detail {
        let id = ConsumerId {
            stream: stream.name.clone(),
            consumer: consumer.name.clone(),
        };
        see(
            seen.consumers.entry(id).or_default(),
            server,
            consumer.cluster.as_ref(),
        );
    }
}

fn see(group: &mut Group, server: &str, cluster: Option<&Cluster>) {
    let Some(cluster) = cluster else {
        // A server that is no cluster keeps everything itself.
        group.leader = Some(server.to_owned());
        return;
    };
    if cluster.leader == server {
        group.leader = Some(server.to_owned());
        group.followers = cluster
            .replicas
            .iter()
            .map(|replica| (replica.name.clone(), replica.is_current()))
            .collect();
    }
}

fn unhealthy(reply: Option<&Reply>) -> Option<String> {
    let Some(reply) = reply else {
        return Some("it does not say whether it is healthy".to_owned());
    };
    let health: Health = part(&reply.data);
    match (health.status.as_str(), health.error.is_empty()) {
        ("ok", _) => None,
        (_, false) => Some(health.error),
        (status, true) => Some(format!("status {status:?}")),
    }
}

fn named(name: String) -> Option<String> {
    Some(name).filter(|name| !name.is_empty())
}

/// What is missing or of another kind counts as not said: the checks that need it then fail.
fn part<T: DeserializeOwned + Default>(data: &Value) -> T {
    T::deserialize(data).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Varz {
    config_digest: String,
    tls_cert_not_after: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Health {
    status: String,
    error: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Jsz {
    meta_cluster: Option<Meta>,
    account_details: Vec<AccountDetail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    leader: String,
    cluster_size: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccountDetail {
    stream_detail: Vec<StreamDetail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StreamDetail {
    name: String,
    cluster: Option<Cluster>,
    consumer_detail: Vec<ConsumerDetail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConsumerDetail {
    name: String,
    cluster: Option<Cluster>,
}

/// Who keeps a stream or consumer, as the servers write it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub(super) leader: String,
    pub(super) replicas: Vec<Replica>,
}

/// A follower, as its leader writes it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Replica {
    name: String,
    current: bool,
    offline: bool,
    /// Entries that it lacks; nothing where its leader does not know.
    lag: u64,
    /// Nanoseconds since the leader last heard of it.
    active: u64,
}

impl Replica {
    /// The server's own word holds for ten seconds after a follower fell silent; this one for four.
    pub(super) fn is_current(&self) -> bool {
        let keeps_up = self.current || (1..=UNDER_WAY).contains(&self.lag);
        keeps_up && !self.offline && Duration::from_nanos(self.active) < RECENT
    }
}

#[cfg(test)]
mod tests;
