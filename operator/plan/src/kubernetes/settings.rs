//! What a resource says for Kubernetes alone, checked: beside [`Valid`](crate::Valid), since on one
//! machine none of it matters. It can be written down, so that what is in force is known to the next
//! run.

mod check;
mod grammar;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Deserialize, Serialize};

pub use check::settings;
pub use svom_crds::spec::{ExternalType, PullPolicy};

/// Version of nats-server that this release was tested with: what a resource gets that names none.
pub const TESTED_VERSION: &str = "2.15.1";

/// What a resource says for Kubernetes alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Storage class of the volumes; absent: the cluster's default class.
    pub storage_class: Option<String>,
    /// Image of nats-server.
    pub image: Image,
    /// Access from outside, where it is wanted.
    pub external: Option<External>,
    /// The servers' pods.
    pub pod: Pod,
}

/// Image of nats-server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Repository, with its registry.
    pub repository: String,
    /// Which image of the repository.
    pub pin: Pin,
    /// When it is pulled; absent: as Kubernetes decides by the tag.
    pub pull_policy: Option<PullPolicy>,
    /// Secrets with which it is pulled.
    pub pull_secrets: Vec<String>,
}

/// Which image of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pin {
    /// The one that is tagged with the version of nats-server.
    Version,
    /// The one with this tag.
    Tag(String),
    /// The one with this digest.
    Digest(String),
}

impl Image {
    /// The image for this version of nats-server, as a container names it.
    pub fn reference(&self, version: &str) -> String {
        let repository = &self.repository;
        match &self.pin {
            Pin::Version => format!("{repository}:{version}"),
            Pin::Tag(tag) => format!("{repository}:{tag}"),
            Pin::Digest(digest) => format!("{repository}@{digest}"),
        }
    }
}

/// Access from outside the Kubernetes cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// By an address of its own, or by a port on every node.
    pub kind: ExternalType,
    /// Annotations of the Service.
    pub annotations: BTreeMap<String, String>,
    /// Networks that may connect; empty: all.
    pub source_ranges: BTreeSet<String>,
    /// DNS names under which it is reached.
    pub dns_names: BTreeSet<String>,
    /// Addresses under which it is reached, of those that the resource names.
    pub addresses: BTreeSet<IpAddr>,
}

/// The servers' pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// What is set aside for a server.
    pub requests: BTreeMap<String, Quantity>,
    /// What a server may take at most.
    pub limits: BTreeMap<String, Quantity>,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// Further annotations.
    pub annotations: BTreeMap<String, String>,
    /// On which nodes.
    pub placement: Placement,
}

/// On which nodes servers may run. It is looked at when a pod is placed, and never again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated.
    pub tolerations: Vec<Toleration>,
    /// Affinity besides the rule that no two servers share a node.
    pub affinity: Option<Affinity>,
    /// Spread over zones.
    pub spread: Vec<TopologySpreadConstraint>,
    /// Priority class.
    pub priority_class: Option<String>,
}
