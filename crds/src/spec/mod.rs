//! What can be asked for. Every field works; what does not work yet is absent.

mod domains;
mod pod;
mod storage;
mod tls;
mod users;
mod websocket;

pub use domains::{Discard, Domain, mission_domains};
pub use pod::{External, ExternalType, Image, PodOptions, PullPolicy, Resources, SecretRef};
pub use storage::{OnDelete, Rollout, Storage};
pub use tls::{ClientCertificates, Issuer, Managed, Tls};
pub use users::{Authentication, Deliver, Durable, User};
pub use websocket::Websocket;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::status::SvomMessagingStatus;

/// A TLS-enabled JetStream cluster with the mission's queues and access-controlled users.
///
/// The smallest one names its users; everything else has a default:
/// three servers, the mission's thirteen queues, durable storage.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "messaging.svom.eu",
    version = "v1alpha1",
    kind = "SvomMessaging",
    plural = "svommessagings",
    singular = "svommessaging",
    shortname = "svm",
    category = "svom",
    namespaced,
    status = "SvomMessagingStatus",
    derive = "PartialEq",
    doc = "A TLS-enabled NATS JetStream cluster with the SVOM mission's queues as replicated streams and access-controlled users.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "True when this generation has converged and was proven"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Why it is ready or not"),
    printcolumn(name = "Servers", type_ = "integer", json_path = ".status.readyReplicas", description = "Servers that are ready"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", description = "Version of nats-server in force"),
    printcolumn(name = "Leader", type_ = "string", json_path = ".status.metaLeader", description = "Server that leads the JetStream meta group"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Age of the resource"),
    validation = Rule::new("size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name must start with a letter, hold only lower-case letters, digits and '-', and be at most 40 characters long, since the names of servers and Secrets are made from it"),
    validation = Rule::new("!self.metadata.name.matches('-(servers|external)$|-user(-|$)')").message("metadata.name must not end with -servers or -external and have no part -user: Services and Secrets that are named from it could be those of another resource")
)]
#[serde(rename_all = "camelCase")]
pub struct SvomMessagingSpec {
    /// Version of nats-server. Left out: the version this release was tested with, chosen once at
    /// creation and kept. This release supports 2.15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^2[.]15[.][0-9]{1,3}$')").message("write a version of nats-server that this release supports: 2.15.x, such as 2.15.1"))]
    pub version: Option<String>,

    /// Image of nats-server on Kubernetes. Left out: the official image of the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,

    /// Number of servers: 1, 3 or 5. With 1 there is no protection against its fall.
    #[serde(default = "three")]
    #[x_kube(validation = Rule::new("self in [1, 3, 5]").message("write 1, 3 or 5: an even number of servers survives no more falls than the odd number below it"))]
    pub replicas: i32,

    /// Where and how durably messages are kept.
    #[serde(default)]
    pub storage: Storage,

    /// Certificates. TLS itself cannot be switched off.
    #[serde(default)]
    pub tls: Tls,

    /// Access from outside the Kubernetes cluster. Left out: from inside only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,

    /// Access by websocket, for browsers and for clients behind proxies that let nothing else through:
    /// a second port of every server, with the same users, rights and certificates. TLS only (`wss`);
    /// where clients must show a certificate, they must here too. Pages of every origin may connect:
    /// who connects proves itself with a user's credentials, never with a browser's cookie, so that a
    /// page of somebody else has nothing to ride on. Left out: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<Websocket>,

    /// The queues, as domains with programs; a queue is `domain.program`. Left out: the mission's
    /// thirteen queues. Present: exactly these; the messages of a domain that is no longer named are
    /// kept unless its `onDelete` said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub domains: Option<Vec<Domain>>,

    /// Who may do what. A user that is not named here cannot connect.
    #[serde(default)]
    #[schemars(length(max = 300))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub users: Vec<User>,

    /// How servers are restarted, one after another.
    #[serde(default)]
    pub rollout: Rollout,

    /// Settings of the servers' pods on Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodOptions>,

    /// Observe and report, change nothing.
    #[serde(default)]
    pub paused: bool,
}

fn three() -> i32 {
    3
}
