//! A resource whose every rule holds, in types that cannot say anything else. What builds from it
//! never looks at the raw resource again. It can be written down, so that what is in force is known
//! to the next run.

mod check;
#[cfg(test)]
pub(crate) mod fixtures;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use check::{expand, room_for_messages, validate};
pub use svom_crds::spec::{Deliver, Discard, OnDelete};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Wraps a name that the resource's own rules let through.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Name of a domain: a letter, then lower-case letters, digits, `-` and `_`.
    DomainName
);
name!(
    /// Name of a user: a DNS label.
    UserName
);
name!(
    /// Name of a durable subscription: a DNS label.
    DurableName
);

/// A queue that the resource declares; its text, `domain.program`, is its subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Queue {
    /// Domain of the queue.
    pub domain: DomainName,
    /// Program of the queue.
    pub program: String,
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.domain, self.program)
    }
}

/// When a server makes sure that messages are on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sync {
    /// Before it acknowledges them.
    Always,
    /// At this interval.
    Every(Duration),
}

/// Who signs the certificates that clients see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Issuer {
    /// An authority that is made and kept for this bus.
    Managed {
        /// How long the authority is valid when it is made.
        ca_validity: Duration,
    },
    /// The authority in the Secret of this name.
    Brought {
        /// Name of the Secret.
        secret: String,
    },
}

/// Certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Who signs.
    pub issuer: Issuer,
    /// How long a leaf is valid. (For a brought authority: the default of a managed one.)
    pub validity: Duration,
    /// How long before its end a leaf is renewed.
    pub renew_before: Duration,
    /// Further DNS names of the servers, sorted.
    pub extra_dns_names: BTreeSet<String>,
    /// Whether clients must show a certificate.
    pub client_certificates: bool,
}

/// A domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Programs; never empty.
    pub programs: BTreeSet<String>,
    /// On how many servers each message is kept: 1, 3 or 5, at most the number of servers.
    pub replicas: u8,
    /// How long a message is kept.
    pub max_age: Duration,
    /// How many bytes the stream may take on each server that keeps it.
    pub max_bytes: u64,
    /// How many messages each queue keeps.
    pub max_messages_per_queue: u64,
    /// What a full stream or queue does with the next message.
    pub discard: Discard,
    /// How long ids are remembered; at most `max_age`.
    pub duplicate_window: Duration,
    /// What becomes of its messages when it is removed from the resource.
    pub on_delete: OnDelete,
}

/// A right to subscribe, as it was written: what the client may subscribe to in one go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pattern(pub String);

/// A durable subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durable {
    /// Domain that it reads.
    pub domain: DomainName,
    /// Queues that it reads, all of the domain; never empty.
    pub queues: BTreeSet<Queue>,
    /// How long a reader may take to acknowledge.
    pub ack_wait: Duration,
    /// How often a message is delivered at most.
    pub max_deliver: u32,
    /// How many messages may be under way without acknowledgement.
    pub max_ack_pending: u32,
    /// Where it begins when it is first made.
    pub deliver: Deliver,
}

/// How a user proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authentication {
    /// A name and a password.
    Password,
    /// A key pair.
    Nkey,
}

/// A user with its rights, expanded to the queues that the resource declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Queues that it may publish to.
    pub publish: BTreeSet<Queue>,
    /// Queues that it may subscribe to live.
    pub subscribe: BTreeSet<Queue>,
    /// The same right as it was written, wildcards and all.
    pub subscribe_patterns: BTreeSet<Pattern>,
    /// Durable subscriptions.
    pub durables: BTreeMap<DurableName, Durable>,
    /// How it proves who it is.
    pub authentication: Authentication,
    /// Name of the Secret with the credentials it brings.
    pub secret: Option<String>,
}

/// Something that a change may lose, as the allow-loss annotation names it: `domain/data` or
/// `durable/pipeline.ingest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MayLose {
    /// Messages of the domain.
    Domain(DomainName),
    /// Position of the user's durable subscription.
    Durable(UserName, DurableName),
}

/// A resource whose every rule holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Valid {
    /// Name of the resource, and of the cluster.
    pub name: String,
    /// Generation of the resource; 0 where it has none (a file).
    pub generation: i64,
    /// Version of nats-server that is asked for.
    pub version: Option<String>,
    /// Number of servers: 1, 3 or 5.
    pub replicas: u8,
    /// Size of each server's volume, bytes.
    pub storage_size: u64,
    /// When messages are on the disk.
    pub sync: Sync,
    /// What becomes of volumes and credentials when the resource is deleted.
    pub on_delete: OnDelete,
    /// Certificates.
    pub tls: Tls,
    /// Whether the servers listen for websockets. What was written down before this could be asked for
    /// does not say it: off.
    #[serde(default)]
    pub websocket: bool,
    /// Domains; never empty.
    pub domains: BTreeMap<DomainName, Domain>,
    /// Users.
    pub users: BTreeMap<UserName, User>,
    /// How long a restarted server may take until it is whole again.
    pub max_wait_per_server: Duration,
    /// Observe and report, change nothing.
    pub paused: bool,
    /// What a change may lose.
    pub may_lose: BTreeSet<MayLose>,
    /// Fields that are set and concern Kubernetes alone, for the local runner to name.
    pub kubernetes_only: Vec<String>,
}

impl Valid {
    /// Every queue that is declared, in order.
    pub fn queues(&self) -> impl Iterator<Item = Queue> + '_ {
        self.domains.iter().flat_map(|(name, domain)| {
            domain.programs.iter().map(move |program| Queue {
                domain: name.clone(),
                program: program.clone(),
            })
        })
    }
}
