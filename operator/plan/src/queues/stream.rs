//! Streams as the server knows them.
//!
//! In: a domain, or the data-path probe. Out: the whole configuration of its stream. Every field of
//! the server's is here and is sent, so that no default of a server decides anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SERVER_METADATA, nanos};
use crate::names::{PROBE_STREAM, PROBE_SUBJECT, stream};
use crate::valid::{Discard, Domain, DomainName, OnDelete};

/// Metadata key with the domain that a stream holds.
pub const DOMAIN_KEY: &str = "svom.eu/domain";
/// Metadata key with what becomes of the stream when its domain is removed: the domain is gone by
/// then, so only the stream still knows.
pub const ON_DELETE_KEY: &str = "svom.eu/on-delete";
/// Metadata key of the stream of the data-path probe.
pub const PROBE_KEY: &str = "svom.eu/probe";

const KIBIBYTE: i64 = 1024;
const SECOND: i64 = 1_000_000_000;

/// Configuration of a stream. What we keep constant is text or a raw value, so that a stream that is
/// not ours can be read whatever it says. An absent field reads as the server's own zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamConfig {
    /// Name.
    pub name: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// Subjects that it stores.
    #[serde(default)]
    pub subjects: BTreeSet<String>,
    /// What makes a message go: `limits`.
    pub retention: String,
    /// How many consumers it may have; -1 for any number.
    pub max_consumers: i64,
    /// How many messages it keeps; -1 for any number.
    pub max_msgs: i64,
    /// How many bytes it keeps.
    pub max_bytes: i64,
    /// For how many nanoseconds it keeps a message.
    pub max_age: i64,
    /// How many messages of each subject it keeps.
    pub max_msgs_per_subject: i64,
    /// How large a message may be; -1 leaves that to the server.
    #[serde(default)]
    pub max_msg_size: i64,
    /// What it does with the next message when it is full: `old` or `new`.
    pub discard: String,
    /// Where messages lie: `file`.
    pub storage: String,
    /// On how many servers each message is kept.
    pub num_replicas: u8,
    /// Whether publishers are not answered.
    #[serde(default)]
    pub no_ack: bool,
    /// For how many nanoseconds ids are remembered.
    #[serde(default)]
    pub duplicate_window: i64,
    /// On which servers it may lie.
    #[serde(default)]
    pub placement: Option<Value>,
    /// Stream that it copies.
    #[serde(default)]
    pub mirror: Option<Value>,
    /// Streams that flow into it.
    #[serde(default)]
    pub sources: Option<Vec<Value>>,
    /// Compression of what lies on the disk: `none`.
    pub compression: String,
    /// Number of its first message, where it is not 1.
    #[serde(default)]
    pub first_seq: u64,
    /// Transformation of subjects before a message is stored.
    #[serde(default)]
    pub subject_transform: Option<Value>,
    /// Where a stored message is published once more.
    #[serde(default)]
    pub republish: Option<Republish>,
    /// Whether any replica may answer for single messages.
    pub allow_direct: bool,
    /// The same for a mirror.
    pub mirror_direct: bool,
    /// Whether a full subject refuses the next message too.
    #[serde(default)]
    pub discard_new_per_subject: bool,
    /// Whether nothing gets in or out any more.
    pub sealed: bool,
    /// Whether single messages cannot be deleted.
    pub deny_delete: bool,
    /// Whether it cannot be purged.
    pub deny_purge: bool,
    /// Whether a header of a message may delete those before it.
    pub allow_rollup_hdrs: bool,
    /// Limits that its consumers inherit.
    #[serde(default)]
    pub consumer_limits: ConsumerLimits,
    /// Whether a header may say how long a message is kept.
    pub allow_msg_ttl: bool,
    /// For how many nanoseconds a mark of a deletion is kept.
    #[serde(default)]
    pub subject_delete_marker_ttl: i64,
    /// Whether it counts instead of storing.
    #[serde(default)]
    pub allow_msg_counter: bool,
    /// Whether several messages may be published as one.
    #[serde(default)]
    pub allow_atomic: bool,
    /// Whether a header may publish a message later.
    #[serde(default)]
    pub allow_msg_schedules: bool,
    /// Whether the server may acknowledge before it wrote: `default` is that it may not.
    #[serde(default = "default_persist_mode")]
    pub persist_mode: String,
    /// Whether messages may be published in fast batches.
    #[serde(default)]
    pub allow_batched: bool,
    /// What the owner notes; ours begins with `svom.eu/`.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Where a stored message is published once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Republish {
    /// Subjects that are.
    pub src: String,
    /// Subject that they get.
    pub dest: String,
    /// Whether only headers are.
    #[serde(default)]
    pub headers_only: bool,
}

/// Limits that consumers inherit; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerLimits {
    /// Nanoseconds after which an unused consumer is deleted.
    #[serde(default)]
    pub inactive_threshold: i64,
    /// Messages under way without acknowledgement.
    #[serde(default)]
    pub max_ack_pending: i64,
}

fn default_persist_mode() -> String {
    "default".to_owned()
}

/// What differs between our streams.
struct Shape {
    name: String,
    description: String,
    subjects: BTreeSet<String>,
    max_msgs: i64,
    max_bytes: i64,
    max_age: i64,
    max_msgs_per_subject: i64,
    discard: Discard,
    num_replicas: u8,
    duplicate_window: i64,
    republish: Option<Republish>,
    metadata: BTreeMap<String, String>,
}

impl StreamConfig {
    /// The stream of a domain.
    pub(super) fn of_domain(name: &DomainName, domain: &Domain) -> Self {
        Self::of(Shape {
            name: stream(name),
            description: format!("Queues of the domain {name}"),
            subjects: domain
                .programs
                .iter()
                .map(|program| format!("{name}.{program}"))
                .collect(),
            max_msgs: -1,
            max_bytes: i64::try_from(domain.max_bytes).unwrap_or(i64::MAX),
            max_age: nanos(domain.max_age),
            max_msgs_per_subject: i64::try_from(domain.max_messages_per_queue).unwrap_or(i64::MAX),
            discard: domain.discard,
            num_replicas: domain.replicas,
            duplicate_window: nanos(domain.duplicate_window),
            republish: Some(Republish {
                src: format!("{name}.*"),
                dest: format!("live.{name}.{{{{wildcard(1)}}}}"),
                headers_only: false,
            }),
            metadata: BTreeMap::from([
                (DOMAIN_KEY.to_owned(), name.to_string()),
                (
                    ON_DELETE_KEY.to_owned(),
                    on_delete_text(domain.on_delete).to_owned(),
                ),
            ]),
        })
    }

    /// The stream of the data-path probe: as many replicas as the bus has servers, and never more
    /// than a few messages.
    pub(super) fn of_probe(replicas: u8) -> Self {
        Self::of(Shape {
            name: PROBE_STREAM.to_owned(),
            description: "Data-path probe of the operator".to_owned(),
            subjects: BTreeSet::from([PROBE_SUBJECT.to_owned()]),
            max_msgs: 16,
            max_bytes: 256 * KIBIBYTE,
            max_age: 3600 * SECOND,
            max_msgs_per_subject: 16,
            discard: Discard::Old,
            num_replicas: replicas,
            duplicate_window: 120 * SECOND,
            republish: None,
            metadata: BTreeMap::from([(PROBE_KEY.to_owned(), "data-path".to_owned())]),
        })
    }

    fn of(shape: Shape) -> Self {
        let Shape {
            name,
            description,
            subjects,
            max_msgs,
            max_bytes,
            max_age,
            max_msgs_per_subject,
            discard,
            num_replicas,
            duplicate_window,
            republish,
            metadata,
        } = shape;
        Self {
            name,
            description,
            subjects,
            retention: "limits".to_owned(),
            max_consumers: -1,
            max_msgs,
            max_bytes,
            max_age,
            max_msgs_per_subject,
            max_msg_size: -1,
            discard: discard_text(discard).to_owned(),
            storage: "file".to_owned(),
            num_replicas,
            no_ack: false,
            duplicate_window,
            placement: None,
            mirror: None,
            sources: None,
            compression: "none".to_owned(),
            first_seq: 0,
            subject_transform: None,
            republish,
            allow_direct: false,
            mirror_direct: false,
            // A full queue is to refuse what a full stream refuses.
            discard_new_per_subject: discard == Discard::New,
            sealed: false,
            deny_delete: false,
            deny_purge: false,
            allow_rollup_hdrs: false,
            consumer_limits: ConsumerLimits::default(),
            allow_msg_ttl: false,
            subject_delete_marker_ttl: 0,
            allow_msg_counter: false,
            allow_atomic: false,
            allow_msg_schedules: false,
            persist_mode: default_persist_mode(),
            allow_batched: false,
            metadata,
        }
    }

    /// Whether this project made the stream. A copy that somebody made under another name took the
    /// metadata along and is not ours.
    pub fn is_ours(&self) -> bool {
        self.domain().is_some()
            || (self.name == PROBE_STREAM && self.metadata.contains_key(PROBE_KEY))
    }

    /// Domain that the stream was made for, where this project made it for one.
    pub fn domain(&self) -> Option<DomainName> {
        let domain = DomainName::new(self.metadata.get(DOMAIN_KEY)?);
        (stream(&domain) == self.name).then_some(domain)
    }

    /// What becomes of the stream when its domain is removed.
    pub fn on_delete(&self) -> OnDelete {
        match self.metadata.get(ON_DELETE_KEY).map(String::as_str) {
            Some("Delete") => OnDelete::Delete,
            _ => OnDelete::Retain,
        }
    }

    /// Whether the server, which reports `observed`, already has this configuration. What the server
    /// adds by itself does not count, else every look would be followed by an update.
    pub fn is_in_force(&self, observed: &Self) -> bool {
        let mut observed = observed.clone();
        observed
            .metadata
            .retain(|key, _| !key.starts_with(SERVER_METADATA));
        *self == observed
    }

    /// Fields that differ and that the server never changes on a stream that exists, in its words.
    pub(super) fn immutable_differences(&self, observed: &Self) -> Vec<&'static str> {
        [
            ("storage", self.storage != observed.storage),
            ("retention", self.retention != observed.retention),
            ("persist_mode", self.persist_mode != observed.persist_mode),
            ("sealed", self.sealed != observed.sealed),
            ("deny_delete", self.deny_delete != observed.deny_delete),
            ("deny_purge", self.deny_purge != observed.deny_purge),
            (
                "allow_msg_ttl",
                self.allow_msg_ttl != observed.allow_msg_ttl,
            ),
            (
                "allow_msg_counter",
                self.allow_msg_counter != observed.allow_msg_counter,
            ),
            (
                "allow_msg_schedules",
                self.allow_msg_schedules != observed.allow_msg_schedules,
            ),
            ("mirror", self.mirror != observed.mirror),
            ("first_seq", self.first_seq != observed.first_seq),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

fn discard_text(discard: Discard) -> &'static str {
    match discard {
        Discard::Old => "old",
        Discard::New => "new",
    }
}

fn on_delete_text(on_delete: OnDelete) -> &'static str {
    match on_delete {
        OnDelete::Retain => "Retain",
        OnDelete::Delete => "Delete",
    }
}
