//! A bus on Kubernetes: from the resource to the objects that make it, and from what is seen of them to
//! words.
//!
//! In: the resource, what it says for Kubernetes alone, which resource it is, where its servers stand,
//! and what was minted; for judgement, objects as they were observed. Out: objects as typed values, in
//! the order in which they are written, the same bytes for the same input; whose a found object is;
//! what is wrong with a server's pod or volume, and what to do. Talks to no API server.

pub mod applied;
pub mod change;
mod identity;
mod in_force;
pub mod labels;
pub mod names;
pub mod network_policy;
mod objects;
pub mod observe;
pub mod pod_disruption_budget;
pub mod quantity;
pub mod secrets;
pub mod services;
pub mod settings;
pub mod stateful_set;
mod topology;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::Valid;
use crate::valid::Issuer;
use labels::Component;

pub use identity::{Identity, Ownership, foreign_claim, labelled_otherwise, ours};
pub use in_force::InForce;
pub use objects::{Object, Objects, around, no_longer_wanted, objects};
pub use settings::{External, Settings, settings};
pub use topology::{
    CLIENT_PORT, MONITOR_PORT, Outside, Place, ROUTE_PORT, WEBSOCKET_PORT, external_url,
    external_websocket_url, outside, topology,
};

/// A bus as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Bus<'a> {
    /// Which resource it is.
    pub identity: &'a Identity,
    /// The resource.
    pub valid: &'a Valid,
    /// What it says for Kubernetes alone.
    pub settings: &'a Settings,
    /// The version of nats-server that it has, chosen once where the resource names none.
    pub version: &'a str,
}

impl Bus<'_> {
    fn owned(&self, name: impl Fn(&str) -> String, component: Component) -> ObjectMeta {
        self.identity.owned(name(&self.identity.name), component)
    }

    fn kept(&self, name: impl Fn(&str) -> String, component: Component) -> ObjectMeta {
        let name = name(&self.identity.name);
        self.identity.kept(name, component, self.valid.on_delete)
    }

    fn brings_authority(&self) -> bool {
        matches!(self.valid.tls.issuer, Issuer::Brought { .. })
    }
}
