//! Storage and rollout.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Size, Span};

/// What becomes of stored messages (and, for the whole bus, of volumes and credentials) when their
/// owner is removed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum OnDelete {
    /// Kept, and taken up again by a domain or resource of the same name.
    #[default]
    Retain,
    /// Deleted with its owner.
    Delete,
}

/// Where and how durably messages are kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Size of each server's volume. It can grow, never shrink. Three quarters of it hold messages;
    /// the rest is room for the servers' own logs and for compaction.
    #[serde(default = "ten_gibibytes")]
    #[x_kube(validation = Rule::new(crate::units::SIZE_RULE).message(crate::units::SIZE_HINT))]
    pub size: Size,

    /// Storage class of the volumes on Kubernetes. Left out: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,

    /// When a server makes sure that messages are on the disk. `Always`: before it acknowledges
    /// them, so that a power cut loses nothing that was acknowledged. A length of time: at that
    /// interval, which is faster and loses up to that much when all servers lose power at once, and may leave
    /// servers that wait for one another's lost messages for ever.
    #[serde(default = "always")]
    #[schemars(length(min = 2, max = 24))]
    #[x_kube(validation = Rule::new("self == 'Always' || (self.matches('^([1-9][0-9]{0,6}h)?([1-9][0-9]{0,6}m)?([1-9][0-9]{0,6}s)?$') && size(self) > 1)").message("write Always, or a length of time such as 10s or 2m"))]
    pub sync: String,

    /// What becomes of volumes, authorities and credentials when the resource is deleted. `Retain`:
    /// they are kept, and taken up again by a resource of the same name. `Delete`: they are deleted.
    #[serde(default)]
    pub on_delete: OnDelete,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: ten_gibibytes(),
            storage_class_name: None,
            sync: always(),
            on_delete: OnDelete::Retain,
        }
    }
}

fn ten_gibibytes() -> Size {
    Size::from("10Gi")
}

fn always() -> String {
    "Always".to_owned()
}

/// How servers are restarted, one after another.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// How long a restarted server may take until it is whole again (healthy, every replica
    /// current) before the rollout stops and says so.
    #[serde(default = "ten_minutes")]
    #[x_kube(validation = Rule::new(crate::units::SPAN_RULE).message(crate::units::SPAN_HINT))]
    pub max_wait_per_server: Span,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            max_wait_per_server: ten_minutes(),
        }
    }
}

fn ten_minutes() -> Span {
    Span::from("10m")
}
