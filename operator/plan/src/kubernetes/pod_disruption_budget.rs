//! One server at a time may be taken away for the upkeep of nodes.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::identity::Identity;
use super::labels::{self, Component};
use super::names;

/// The budget.
pub fn pod_disruption_budget(identity: &Identity) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: identity.owned(names::bus(&identity.name), Component::Server),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            min_available: None,
            selector: Some(labels::selector(&identity.name)),
            // A server that does not get ready keeps no node from being emptied: it serves nobody.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
        }),
        status: None,
    }
}
