//! Queues: domains with programs.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OnDelete;
use crate::units::{Size, Span};

/// What a full stream does with the next message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Discard {
    /// Takes it and drops the oldest.
    #[default]
    Old,
    /// Refuses it, and the publisher is told so.
    New,
}

/// A domain: a group of queues that are kept in one stream, so that one durable subscription can
/// span them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    /// Name of the domain; the stream is named like it in capitals.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-_a-z0-9]*[a-z0-9])?$') && !(self in ['live', 'pub', 'deliver', 'svom'])").message("write a name that starts with a letter and holds lower-case letters, digits, '-' and '_'; live, pub, deliver and svom are reserved"))]
    pub name: String,

    /// Programs of the domain; each is a queue `domain.program`.
    #[schemars(length(min = 1, max = 24), inner(length(min = 1, max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(p, p.matches('^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$'))").message("write programs in lower-case letters, digits, '-' and '_', such as core_program"))]
    pub programs: Vec<String>,

    /// On how many servers each message is kept: 1, 3 or 5. Left out: 3, or 1 on a single server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self in [1, 3, 5]").message("write 1, 3 or 5"))]
    pub replicas: Option<i32>,

    /// How long a message is kept.
    #[serde(default = "a_week")]
    #[x_kube(validation = Rule::new(crate::units::SPAN_RULE).message(crate::units::SPAN_HINT))]
    pub max_age: Span,

    /// How much room the domain's messages may take on each server that keeps them.
    #[serde(default = "one_gibibyte")]
    #[x_kube(validation = Rule::new(crate::units::SIZE_RULE).message(crate::units::SIZE_HINT))]
    pub max_bytes: Size,

    /// How many messages each queue keeps.
    #[serde(default = "hundred_thousand")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_messages_per_queue: i64,

    /// What a full domain or queue does with the next message. `Old`: takes it and drops the oldest.
    /// `New`: refuses it, and the publisher is told so.
    #[serde(default)]
    pub discard: Discard,

    /// For how long a message with an id that was seen before is recognised as a duplicate. At most
    /// `maxAge`.
    #[serde(default = "two_minutes")]
    #[x_kube(validation = Rule::new(crate::units::SPAN_RULE).message(crate::units::SPAN_HINT))]
    pub duplicate_window: Span,

    /// What becomes of the domain's messages when it is removed from the resource. `Retain`: they
    /// are kept, and taken up again by a domain of the same name. `Delete`: they are deleted.
    #[serde(default)]
    pub on_delete: OnDelete,
}

impl Domain {
    /// A domain with these programs and every other field at its default.
    pub fn new(name: &str, programs: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            programs: programs
                .iter()
                .map(|program| (*program).to_owned())
                .collect(),
            replicas: None,
            max_age: a_week(),
            max_bytes: one_gibibyte(),
            max_messages_per_queue: hundred_thousand(),
            discard: Discard::Old,
            duplicate_window: two_minutes(),
            on_delete: OnDelete::Retain,
        }
    }
}

/// The mission's predefined queues: what a resource without `domains` means.
pub fn mission_domains() -> Vec<Domain> {
    const OBSERVATION: [&str; 5] = [
        "calibration",
        "core_program",
        "general_program",
        "infrastructure",
        "too",
    ];
    vec![
        Domain::new("activity", &OBSERVATION),
        Domain::new("science", &OBSERVATION),
        Domain::new("data", &["mdb", "vhf", "xband"]),
    ]
}

fn a_week() -> Span {
    Span::from("168h")
}

fn one_gibibyte() -> Size {
    Size::from("1Gi")
}

fn hundred_thousand() -> i64 {
    100_000
}

fn two_minutes() -> Span {
    Span::from("2m")
}
