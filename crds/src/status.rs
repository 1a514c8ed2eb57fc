//! What is told about a bus. On Kubernetes it is the resource's status; the local runner prints the
//! same words.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `True`, `False` or `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It could not be found out.
    Unknown,
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// One thing that is or is not so, in the form that Kubernetes tools understand.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is told: `Ready`, `Reconciling`, `Stalled`, `ClusterFormed`, `QuorumAvailable`,
    /// `Settled`, `TLSReady`, `QueuesSynced`, `UsersSynced`, `AccessVerified`, `DataPathVerified`
    /// or `Paused`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it is so.
    pub status: Truth,
    /// Why, as one word.
    pub reason: String,
    /// Why, for people, with what to do.
    pub message: String,
    /// When `status` last changed, RFC 3339.
    pub last_transition_time: String,
    /// The generation of the resource that this was found for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Where clients connect.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// From inside: the servers' URLs, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<String>,
    /// From outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    /// By websocket from inside, where the resource enables it: the servers' URLs, separated by
    /// commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<String>,
    /// By websocket from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket_external: Option<String>,
    /// Where the authority's certificate lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<String>,
}

/// One server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// Name of the server.
    pub name: String,
    /// Whether it answers and says that it is healthy.
    pub ready: bool,
    /// Version of nats-server that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Node that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Digest of the configuration that it has in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_digest: Option<String>,
    /// Streams that it leads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leader_of: Vec<String>,
    /// Whether every replica on it is current and it runs the configuration that is wanted.
    pub current: bool,
}

/// One domain and its stream.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DomainStatus {
    /// Name of the domain.
    pub name: String,
    /// Name of its stream.
    pub stream: String,
    /// Server that leads the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Replicas that hold everything.
    #[serde(default)]
    pub replicas_current: i32,
    /// Whether it is as wanted and can be written to.
    pub ready: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One durable subscription.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DurableStatus {
    /// Name of the durable subscription.
    pub name: String,
    /// Stream that it reads.
    pub stream: String,
    /// Whether it is as wanted.
    pub ready: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One user.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// Name of the user.
    pub name: String,
    /// Where its credentials lie: the Secret's name, or the folder on one machine.
    pub secret_name: String,
    /// Whether its rights are in force and proven.
    pub ready: bool,
    /// When its credentials were last made anew, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<String>,
    /// Why it is not ready, or what could not be proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its durable subscriptions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub durables: Vec<DurableStatus>,
}

/// One certificate.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// Name of the certificate.
    pub name: String,
    /// When it ends, RFC 3339.
    pub not_after: String,
    /// When it is renewed, RFC 3339; absent where that is the owner's affair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<String>,
}

/// What was proven, and since when it holds.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Whether it was proven for what is in force now.
    pub verified: bool,
    /// Since when, RFC 3339; written when it changes, not when it is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What did not hold, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// What was found out about a bus, for the generation that it names.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SvomMessagingStatus {
    /// The generation of the resource that this was found for; -1 before anything was.
    #[serde(default)]
    pub observed_generation: i64,
    /// What is and is not so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Number of servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Number of servers that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Label selector of the servers' pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Version of nats-server in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where clients connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// The servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerStatus>,
    /// Server that leads the JetStream meta group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_leader: Option<String>,
    /// The domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<DomainStatus>,
    /// The users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserStatus>,
    /// The certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateStatus>,
    /// Every user's rights, proven against the live servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Proof>,
    /// The way of a message, proven against the live servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_path: Option<Proof>,
}
