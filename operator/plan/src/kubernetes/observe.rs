//! What is seen of a bus's objects, judged.
//!
//! In: the StatefulSet, pods and volume claims as the API server has them. Out: for each server what is
//! wrong with it in words that say what to do, and what to do about a StatefulSet that is not as it is
//! wanted. Events are not read: everything told here stands in the objects' own status. Nodes and
//! storage classes are not read either, since they belong to no namespace.

mod pods;
mod volumes;
mod workload;

#[cfg(test)]
mod tests;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

use super::{Bus, names};
use crate::names::server;

pub use volumes::never_bound;
pub use workload::{Difference, Way, differences, pods_to_remake};

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The StatefulSet, where there is one.
    pub stateful_set: Option<&'a StatefulSet>,
    /// Pods of the namespace.
    pub pods: &'a [Pod],
    /// Volume claims of the namespace.
    pub claims: &'a [PersistentVolumeClaim],
}

/// A server as Kubernetes sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Name of the server.
    pub name: String,
    /// Node that its pod was placed on.
    pub node: Option<String>,
    /// Why it cannot serve, as far as Kubernetes knows; absent where it can.
    pub trouble: Option<Trouble>,
}

/// Why a server cannot serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Why, as one word.
    pub reason: Reason,
    /// Why, for people, with what to do.
    pub message: String,
}

impl Trouble {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Why a server cannot serve, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its pod is not there.
    PodMissing,
    /// Its pod or volume claim is somebody else's.
    NameTaken,
    /// No node takes its pod.
    Unschedulable,
    /// Its volume claim has no volume.
    VolumePending,
    /// Its volume is gone, or smaller than it was asked for.
    VolumeUnfit,
    /// Its image cannot be pulled.
    ImageNotPulled,
    /// Its container cannot be made.
    ContainerNotMade,
    /// Its server ends again and again.
    CrashLoop,
    /// Its node does not report.
    NodeNotReady,
    /// It starts.
    Starting,
    /// It runs and is not ready.
    NotReady,
    /// Its pod ends.
    Leaving,
}

impl Reason {
    /// The reason as one word, the same for ever: it is in conditions and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PodMissing => "PodMissing",
            Self::NameTaken => "NameTaken",
            Self::Unschedulable => "Unschedulable",
            Self::VolumePending => "VolumePending",
            Self::VolumeUnfit => "VolumeUnfit",
            Self::ImageNotPulled => "ImageNotPulled",
            Self::ContainerNotMade => "ContainerNotMade",
            Self::CrashLoop => "CrashLoop",
            Self::NodeNotReady => "NodeNotReady",
            Self::Starting => "Starting",
            Self::NotReady => "NotReady",
            Self::Leaving => "Leaving",
        }
    }
}

/// Every server of the bus, in order.
pub fn servers(bus: &Bus<'_>, observed: &Observed<'_>) -> Vec<Seen> {
    (0..bus.valid.replicas)
        .map(|number| seen(bus, observed, server(&bus.identity.name, number)))
        .collect()
}

fn seen(bus: &Bus<'_>, observed: &Observed<'_>, name: String) -> Seen {
    let named = |object: Option<&String>, wanted: &str| object.is_some_and(|name| name == wanted);
    let pod = observed
        .pods
        .iter()
        .find(|pod| named(pod.metadata.name.as_ref(), &name));
    let claim_name = names::claim(&name);
    let claim = observed
        .claims
        .iter()
        .find(|claim| named(claim.metadata.name.as_ref(), &claim_name));
    // A volume that is lost or foreign is the cause of whatever else is wrong; one that is too small
    // is told where nothing else is.
    let trouble = claim
        .and_then(|claim| volumes::trouble(bus, claim))
        .or_else(|| match pod {
            Some(pod) => pods::trouble(bus, pod, claim),
            None => Some(pods::missing(bus, observed.stateful_set.is_some())),
        })
        .or_else(|| volumes::too_small(bus, claim?));
    Seen {
        node: pod.and_then(|pod| pod.spec.as_ref()?.node_name.clone()),
        trouble,
        name,
    }
}
