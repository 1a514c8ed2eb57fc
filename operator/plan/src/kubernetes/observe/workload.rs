//! What to do about a StatefulSet that is not as it is wanted.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::to_value;

use super::pods;
use crate::kubernetes::applied;

/// Parts of the template that are looked at when a pod is placed or its image pulled, and never again:
/// with `OnDelete` they may change beside running pods.
const AT_PLACEMENT: [&str; 7] = [
    "spec.template.spec.affinity",
    "spec.template.spec.imagePullSecrets",
    "spec.template.spec.nodeSelector",
    "spec.template.spec.priorityClassName",
    "spec.template.spec.tolerations",
    "spec.template.spec.topologySpreadConstraints",
    "spec.template.spec.containers[name=nats].imagePullPolicy",
];
/// What the API server never changes in a StatefulSet.
const FIXED: [&str; 4] = [
    "spec.volumeClaimTemplates",
    "spec.selector",
    "spec.serviceName",
    "spec.podManagementPolicy",
];

/// What it takes to bring a difference about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The StatefulSet is applied; the pods that run are not concerned.
    InPlace,
    /// Every server must be restarted.
    Restart,
    /// The StatefulSet must be made anew; its pods and volumes stay.
    Anew,
}

/// A difference between the live StatefulSet and the wanted one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What it takes.
    pub way: Way,
    /// Where it is, as `spec.template.spec.nodeSelector`.
    pub path: String,
}

/// Every difference, the lightest first; empty where nothing is to be written.
pub fn differences(live: &StatefulSet, wanted: &StatefulSet) -> Vec<Difference> {
    // Both are plain data, which always has a JSON form.
    let [live, wanted] = [live, wanted].map(|set| to_value(set).unwrap_or_default());
    let mut differences: Vec<Difference> = applied::differences(&live, &wanted)
        .into_iter()
        .map(|path| Difference {
            way: way(&path),
            path,
        })
        .collect();
    differences.sort();
    differences
}

fn way(path: &str) -> Way {
    let within = |parts: &[&str]| {
        parts.iter().any(|part| {
            path.strip_prefix(part)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    };
    if within(&FIXED) {
        Way::Anew
    } else if within(&AT_PLACEMENT) || !within(&["spec.template"]) {
        Way::InPlace
    } else {
        Way::Restart
    }
}

/// The pods that are to be deleted so that the StatefulSet makes them anew as they are wanted now: those
/// of another revision that never ran, and before the bus has formed every one of another revision.
/// Empty while the StatefulSet's controller has not seen its newest state.
pub fn pods_to_remake<'a>(live: &StatefulSet, pods: &'a [Pod], formed: bool) -> Vec<&'a str> {
    let status = live.status.as_ref();
    let has_seen = status.and_then(|status| status.observed_generation) == live.metadata.generation;
    let Some(revision) = status
        .and_then(|status| status.update_revision.as_ref())
        .filter(|_| has_seen)
    else {
        return Vec::new();
    };
    let is_outdated = |pod: &Pod| {
        let labels = pod.metadata.labels.as_ref();
        let of = labels.and_then(|labels| labels.get("controller-revision-hash"));
        of.is_some_and(|of| of != revision)
    };
    let is_its_own = |pod: &Pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        owners
            .filter(|owner| owner.controller == Some(true))
            .any(|owner| Some(&owner.uid) == live.metadata.uid.as_ref())
    };
    pods.iter()
        .filter(|pod| {
            pod.metadata.deletion_timestamp.is_none()
                && is_its_own(pod)
                && is_outdated(pod)
                && (!formed || !pods::ever_ran(pod))
        })
        .filter_map(|pod| pod.metadata.name.as_deref())
        .collect()
}
