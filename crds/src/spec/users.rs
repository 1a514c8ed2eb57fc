//! Users and their rights.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretRef;
use crate::units::Span;

/// How a user proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Authentication {
    /// A name and a password.
    #[default]
    Password,
    /// A key pair: the server knows only the public key.
    #[serde(rename = "NKey")]
    NKey,
}

/// Where a durable subscription begins when it is first made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Deliver {
    /// With the oldest message that is kept.
    #[default]
    All,
    /// With the newest message of the stream's queues it reads.
    Last,
    /// With the first message that comes after.
    New,
}

/// A user of the bus: one service, with its rights and its credentials.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Name of the user, also the name it connects with.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("write a DNS label that starts with a letter: lower-case letters, digits and '-', such as vhf-listener"))]
    pub name: String,

    /// Queues it may publish to: `data.vhf`, all of a domain (`data.*`), or one program of every
    /// domain (`*.too`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40), inner(length(min = 1, max = 65)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(q, q.matches('^([a-z][-_a-z0-9]*[.]([*]|[a-z0-9][-_a-z0-9]*)|[*][.][a-z0-9][-_a-z0-9]*)$'))").message("write queues such as data.vhf, data.* or *.too; *.* and > are not granted: name what is needed"))]
    pub publish: Vec<String>,

    /// Queues it may subscribe to live, in the same form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40), inner(length(min = 1, max = 65)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(q, q.matches('^([a-z][-_a-z0-9]*[.]([*]|[a-z0-9][-_a-z0-9]*)|[*][.][a-z0-9][-_a-z0-9]*)$'))").message("write queues such as data.vhf, data.* or *.too; *.* and > are not granted: name what is needed"))]
    pub subscribe: Vec<String>,

    /// Durable subscriptions: they keep their position while nobody reads and when a server falls.
    /// They are made for the user; the user cannot make any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub durables: Vec<Durable>,

    /// How the user proves who it is. `Password`: a name and a password. `NKey`: a key pair, of which
    /// the server knows only the public key.
    #[serde(default)]
    pub authentication: Authentication,

    /// Credentials of one's own: a Secret with `password`, or with `nkey.pub` (the public key, so
    /// that the seed stays with its owner) or `nkey.seed`. Left out: they are generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// A durable subscription: a push consumer with a deliver group, shared by all readers of the user.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Durable {
    /// Name of the subscription; the consumer is named `USER_NAME`.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("write a DNS label that starts with a letter: lower-case letters, digits and '-', such as ingest"))]
    pub name: String,

    /// Queues it reads, all of one domain and within what the user may subscribe to.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 65)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(q, q.matches('^[-_a-z0-9]+[.]([*]|[-_a-z0-9]+)$'))").message("write queues of one domain, such as data.vhf or data.*; a durable cannot span domains"))]
    pub queues: Vec<String>,

    /// How long a reader may take to acknowledge a message before it is delivered again.
    #[serde(default = "thirty_seconds")]
    #[x_kube(validation = Rule::new(crate::units::SPAN_RULE).message(crate::units::SPAN_HINT))]
    pub ack_wait: Span,

    /// How often a message is delivered at most. After that it is left behind and counted.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_deliver: i32,

    /// How many messages may be under way to the readers without acknowledgement.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_ack_pending: i32,

    /// Where it begins when it is first made. `All`: with the oldest message that is kept. `Last`:
    /// with the newest one of its queues. `New`: with the first one that comes after.
    #[serde(default)]
    pub deliver: Deliver,
}

fn thirty_seconds() -> Span {
    Span::from("30s")
}

fn five() -> i32 {
    5
}

fn thousand() -> i32 {
    1000
}
