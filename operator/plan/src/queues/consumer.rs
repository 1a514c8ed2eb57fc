//! Consumers as the server knows them.
//!
//! In: a durable subscription. Out: the whole configuration of its push consumer with a deliver
//! group. Every field of the server's is here and is sent, so that no default of a server decides
//! anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{SERVER_METADATA, nanos};
use crate::names::{consumer, deliver_group, deliver_subject};
use crate::valid::{Deliver, Durable, DurableName, UserName};

/// Metadata key with the user whose durable subscription a consumer is.
pub const USER_KEY: &str = "svom.eu/user";
/// Metadata key with the name of the durable subscription.
pub const DURABLE_KEY: &str = "svom.eu/durable";
/// Configuration of a consumer. An absent field reads as the server's own zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerConfig {
    /// Name, which makes it durable.
    #[serde(default)]
    pub durable_name: String,
    /// The same name.
    #[serde(default)]
    pub name: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// Where it begins: `all`, `last` or `new`.
    pub deliver_policy: String,
    /// Number of the message where it begins.
    #[serde(default)]
    pub opt_start_seq: u64,
    /// Time of the message where it begins.
    #[serde(default)]
    pub opt_start_time: Option<String>,
    /// How messages are acknowledged: `explicit`, each by itself.
    pub ack_policy: String,
    /// Nanoseconds that a reader may take to acknowledge.
    #[serde(default)]
    pub ack_wait: i64,
    /// How often a message is delivered at most.
    #[serde(default)]
    pub max_deliver: i64,
    /// Nanoseconds to wait before each further delivery, instead of `ack_wait`.
    #[serde(default)]
    pub backoff: Option<Vec<i64>>,
    /// The subject that it reads, where it is one.
    #[serde(default)]
    pub filter_subject: String,
    /// Subjects that it reads, where there are several.
    #[serde(default)]
    pub filter_subjects: Option<BTreeSet<String>>,
    /// Whether messages come as fast as they can: `instant`.
    pub replay_policy: String,
    /// Bits per second at most; 0 for any number.
    #[serde(default)]
    pub rate_limit_bps: u64,
    /// Percentage of acknowledgements that are reported.
    #[serde(default)]
    pub sample_freq: String,
    /// Pulls that may wait; a push consumer has none.
    #[serde(default)]
    pub max_waiting: i64,
    /// Messages that may be under way without acknowledgement.
    #[serde(default)]
    pub max_ack_pending: i64,
    /// Whether readers answer to keep the flow going.
    #[serde(default)]
    pub flow_control: bool,
    /// Whether only headers are delivered.
    #[serde(default)]
    pub headers_only: bool,
    /// Messages that one pull may ask for.
    #[serde(default)]
    pub max_batch: i64,
    /// Nanoseconds that a pull may wait.
    #[serde(default)]
    pub max_expires: i64,
    /// Bytes that one pull may ask for.
    #[serde(default)]
    pub max_bytes: i64,
    /// Subject to which it delivers.
    #[serde(default)]
    pub deliver_subject: String,
    /// Group in which readers share the work.
    #[serde(default)]
    pub deliver_group: String,
    /// Nanoseconds between signs of life.
    #[serde(default)]
    pub idle_heartbeat: i64,
    /// Nanoseconds after which it is deleted when nobody reads; 0 for never.
    #[serde(default)]
    pub inactive_threshold: i64,
    /// On how many servers its position is kept.
    pub num_replicas: u8,
    /// Whether its position is kept in memory.
    #[serde(default)]
    pub mem_storage: bool,
    /// Whether it belongs to a stream that copies this one.
    #[serde(default)]
    pub direct: bool,
    /// The same, for streams that flow together.
    #[serde(default)]
    pub sourcing: bool,
    /// What the owner notes; ours begins with `svom.eu/`.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Until when it delivers nothing.
    #[serde(default)]
    pub pause_until: Option<String>,
    /// Groups of pullers.
    #[serde(default)]
    pub priority_groups: Option<Vec<String>>,
    /// How pullers are chosen: `none`.
    #[serde(default = "no_priority")]
    pub priority_policy: String,
    /// Nanoseconds that a chosen puller stays chosen.
    #[serde(default)]
    pub priority_timeout: i64,
}

fn no_priority() -> String {
    "none".to_owned()
}

impl ConsumerConfig {
    /// The consumer of a durable subscription, with as many replicas as its stream.
    pub(super) fn of_durable(
        user: &UserName,
        name: &DurableName,
        durable: &Durable,
        replicas: u8,
    ) -> Self {
        let mut subjects: BTreeSet<String> =
            durable.queues.iter().map(ToString::to_string).collect();
        // Clients that bind to a consumer compare this very field with the subject they ask for.
        let (filter_subject, filter_subjects) = if subjects.len() == 1 {
            (subjects.pop_first().unwrap_or_default(), None)
        } else {
            (String::new(), Some(subjects))
        };
        Self {
            durable_name: consumer(user, name),
            name: consumer(user, name),
            description: format!("Durable subscription {name} of the user {user}"),
            deliver_policy: deliver_policy(durable.deliver).to_owned(),
            opt_start_seq: 0,
            opt_start_time: None,
            ack_policy: "explicit".to_owned(),
            ack_wait: nanos(durable.ack_wait),
            max_deliver: i64::from(durable.max_deliver),
            backoff: None,
            filter_subject,
            filter_subjects,
            replay_policy: "instant".to_owned(),
            rate_limit_bps: 0,
            sample_freq: String::new(),
            max_waiting: 0,
            max_ack_pending: i64::from(durable.max_ack_pending),
            flow_control: false,
            headers_only: false,
            max_batch: 0,
            max_expires: 0,
            max_bytes: 0,
            deliver_subject: deliver_subject(&durable.domain, user, name),
            deliver_group: deliver_group(user, name),
            idle_heartbeat: 0,
            inactive_threshold: 0,
            num_replicas: replicas,
            mem_storage: false,
            direct: false,
            sourcing: false,
            metadata: BTreeMap::from([
                (USER_KEY.to_owned(), user.to_string()),
                (DURABLE_KEY.to_owned(), name.to_string()),
            ]),
            pause_until: None,
            priority_groups: None,
            priority_policy: no_priority(),
            priority_timeout: 0,
        }
    }

    /// User and durable subscription that this project made the consumer for, where it did. A copy
    /// that somebody made under another name took the metadata along and is not ours.
    pub fn durable(&self) -> Option<(UserName, DurableName)> {
        let user = UserName::new(self.metadata.get(USER_KEY)?);
        let durable = DurableName::new(self.metadata.get(DURABLE_KEY)?);
        (consumer(&user, &durable) == self.name).then_some((user, durable))
    }

    /// Whether the server, which reports `observed`, already has this configuration. What the server
    /// adds by itself does not count, nor a pause that a person made: an update never ends it
    /// (measured), so every look would be followed by another update.
    pub fn is_in_force(&self, observed: &Self) -> bool {
        let mut observed = observed.clone();
        observed.pause_until.clone_from(&self.pause_until);
        observed
            .metadata
            .retain(|key, _| !key.starts_with(SERVER_METADATA));
        *self == observed
    }

    /// Fields that differ and that the server never changes on a consumer that exists, in its words.
    pub(super) fn immutable_differences(&self, observed: &Self) -> Vec<&'static str> {
        [
            (
                "deliver_policy",
                self.deliver_policy != observed.deliver_policy,
            ),
            (
                "opt_start_seq",
                self.opt_start_seq != observed.opt_start_seq,
            ),
            (
                "opt_start_time",
                self.opt_start_time != observed.opt_start_time,
            ),
            ("ack_policy", self.ack_policy != observed.ack_policy),
            (
                "replay_policy",
                self.replay_policy != observed.replay_policy,
            ),
            (
                "idle_heartbeat",
                self.idle_heartbeat != observed.idle_heartbeat,
            ),
            ("flow_control", self.flow_control != observed.flow_control),
            ("max_waiting", self.max_waiting != observed.max_waiting),
            ("mem_storage", self.mem_storage != observed.mem_storage),
            ("direct", self.direct != observed.direct),
            ("sourcing", self.sourcing != observed.sourcing),
            // The server changes it only while nobody reads, which nobody can count on.
            (
                "deliver_subject",
                self.deliver_subject != observed.deliver_subject,
            ),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }

    /// This configuration with what the server never changes as it is there.
    pub(super) fn with_immutable_fields_of(self, observed: &Self) -> Self {
        Self {
            deliver_policy: observed.deliver_policy.clone(),
            opt_start_seq: observed.opt_start_seq,
            opt_start_time: observed.opt_start_time.clone(),
            ack_policy: observed.ack_policy.clone(),
            replay_policy: observed.replay_policy.clone(),
            idle_heartbeat: observed.idle_heartbeat,
            flow_control: observed.flow_control,
            max_waiting: observed.max_waiting,
            mem_storage: observed.mem_storage,
            direct: observed.direct,
            sourcing: observed.sourcing,
            deliver_subject: observed.deliver_subject.clone(),
            ..self
        }
    }
}

/// `last` is the one newest message over all the subjects that are read (measured);
/// `last_per_subject` would be one of each.
pub(super) fn deliver_policy(deliver: Deliver) -> &'static str {
    match deliver {
        Deliver::All => "all",
        Deliver::Last => "last",
        Deliver::New => "new",
    }
}
