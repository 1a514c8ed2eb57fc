//! What is wrong with a server's pod.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    PersistentVolumeClaim, Pod, PodCondition,
};

use super::{Reason, Trouble, volumes};
use crate::kubernetes::identity::labelled_otherwise;
use crate::kubernetes::stateful_set::CONTAINER;
use crate::kubernetes::{Bus, names};

/// Longest part of somebody else's message that is told.
const LONGEST: usize = 300;

/// Reasons for which a container waits that mean that its image is not there.
const NO_IMAGE: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "SignatureValidationFailed",
];
/// Reasons for which a container waits while all is well.
const ON_ITS_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// That there is no pod.
pub(super) fn missing(bus: &Bus<'_>, has_stateful_set: bool) -> Trouble {
    let name = names::bus(&bus.identity.name);
    let namespace = &bus.identity.namespace;
    let message = if has_stateful_set {
        format!(
            "its pod is not there yet; if it stays away, `kubectl describe statefulset {name} -n {namespace}` says what \
             refuses it (a quota, an admission policy, a priority class that does not exist)"
        )
    } else {
        format!("its pod is not there: the StatefulSet {name} is not made yet")
    };
    Trouble::new(Reason::PodMissing, message)
}

/// What is wrong with the pod that has the server's name.
pub(super) fn trouble(
    bus: &Bus<'_>,
    pod: &Pod,
    claim: Option<&PersistentVolumeClaim>,
) -> Option<Trouble> {
    if let Some(why) = labelled_otherwise(&pod.metadata, bus.identity) {
        return Some(Trouble::new(
            Reason::NameTaken,
            format!("a pod of its name is in the way, which is not of this bus: {why}; delete it"),
        ));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Some(leaving(pod));
    }
    if let Some(failed) = failed(pod) {
        return Some(failed);
    }
    if node(pod).is_none() {
        return Some(not_placed(bus, pod, claim));
    }
    let Some(container) = container(pod) else {
        return Some(Trouble::new(
            Reason::Starting,
            format!(
                "its pod was placed on node {} and is not started there yet",
                node_name(pod)
            ),
        ));
    };
    of_container(bus, pod, container)
}

fn leaving(pod: &Pod) -> Trouble {
    let node = node_name(pod);
    let was_put_off = condition(pod, "DisruptionTarget")
        .is_some_and(|condition| condition.reason.as_deref() == Some("DeletionByTaintManager"));
    if was_put_off || node_is_away(pod) {
        return Trouble::new(
            Reason::NodeNotReady,
            format!(
                "node {node} does not report, and its pod waits for it: it returns with the node. If the node never \
                 returns: kubectl taint nodes {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
            ),
        );
    }
    Trouble::new(
        Reason::Leaving,
        format!("its pod on node {node} ends, and another follows"),
    )
}

/// A pod that came to its end as a whole, such as one that its node put off.
fn failed(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let phase = status.phase.as_deref()?;
    matches!(phase, "Failed" | "Succeeded").then(|| {
        let why = status.reason.as_deref().unwrap_or(phase);
        let message = status.message.as_deref().unwrap_or("no message");
        Trouble::new(
            Reason::Leaving,
            format!(
                "its pod on node {} came to an end ({why}: {}), and another follows",
                node_name(pod),
                told(message)
            ),
        )
    })
}

fn not_placed(bus: &Bus<'_>, pod: &Pod, claim: Option<&PersistentVolumeClaim>) -> Trouble {
    let Some(refused) = condition(pod, "PodScheduled").filter(|told| told.status == "False") else {
        return Trouble::new(Reason::Starting, "its pod waits to be placed on a node");
    };
    // What follows the first sentence is about pods that could have made way.
    let message = refused.message.as_deref().unwrap_or("no message");
    let message = told(message.split(". ").next().unwrap_or_default());
    let about_volumes =
        message.contains("PersistentVolumeClaim") || message.contains("storageclass");
    match claim.filter(|claim| about_volumes && volumes::was_never_bound(claim)) {
        Some(claim) => volumes::pending(claim, &message),
        None => Trouble::new(
            Reason::Unschedulable,
            format!(
                "no node takes its pod ({message}): {} server(s) need as many nodes, one each, that spec.pod admits and \
                 that have room for what it sets aside",
                bus.valid.replicas
            ),
        ),
    }
}

fn of_container(bus: &Bus<'_>, pod: &Pod, container: &ContainerStatus) -> Option<Trouble> {
    let state = container.state.clone().unwrap_or_default();
    let node = node_name(pod);
    if let Some(waiting) = &state.waiting {
        return Some(of_waiting(bus, node, container, waiting));
    }
    if let Some(ended) = &state.terminated {
        return Some(crashed(container, ended));
    }
    if container.started != Some(true) {
        return Some(Trouble::new(
            Reason::Starting,
            "its server starts: what it stored is looked through, which takes its time after a crash",
        ));
    }
    if !container.ready {
        let message = format!(
            "its server runs on node {node} and does not say that it takes clients: it may be overloaded, or leaving"
        );
        return Some(Trouble::new(Reason::NotReady, message));
    }
    node_is_away(pod).then(|| {
        Trouble::new(
            Reason::NodeNotReady,
            format!("node {node} does not report: it is down or cut off"),
        )
    })
}

/// A container that is not started, or not again.
fn of_waiting(
    bus: &Bus<'_>,
    node: &str,
    container: &ContainerStatus,
    waiting: &ContainerStateWaiting,
) -> Trouble {
    let reason = waiting.reason.as_deref().unwrap_or("no reason");
    let message = told(waiting.message.as_deref().unwrap_or("no message"));
    if NO_IMAGE.contains(&reason) {
        let image = bus.settings.image.reference(bus.version);
        return Trouble::new(
            Reason::ImageNotPulled,
            format!(
                "its image {image} cannot be pulled ({reason}: {message}): write one that there is in spec.image, or the \
                 Secret that opens its registry in spec.image.pullSecrets"
            ),
        );
    }
    if ON_ITS_WAY.contains(&reason) {
        return Trouble::new(
            Reason::Starting,
            format!("its pod starts on node {node}: volumes and image come first"),
        );
    }
    match last_end(container) {
        Some(ended) => crashed(container, ended),
        None => Trouble::new(
            Reason::ContainerNotMade,
            format!("its container cannot be made on node {node} ({reason}: {message})"),
        ),
    }
}

/// A container that ended and is started again, later each time.
fn crashed(container: &ContainerStatus, ended: &ContainerStateTerminated) -> Trouble {
    let why = ended.reason.as_deref().unwrap_or("no reason");
    let advice = if why == "OOMKilled" {
        "; it took more memory than spec.pod.resources.limits gives it: raise that"
    } else {
        ""
    };
    let last = ended.message.as_deref().map(told).unwrap_or_default();
    let last = if last.is_empty() {
        "it said nothing".to_owned()
    } else {
        format!("the last that it said: {last}")
    };
    Trouble::new(
        Reason::CrashLoop,
        format!(
            "its server ended with exit code {} ({why}), restarts so far: {}; {last}{advice}",
            ended.exit_code, container.restart_count
        ),
    )
}

fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.last_state.as_ref()?.terminated.as_ref()
}

/// Whether the pod's container ever ran.
pub(super) fn ever_ran(pod: &Pod) -> bool {
    let ran = |state: &ContainerState| state.running.is_some() || state.terminated.is_some();
    container(pod).is_some_and(|container| {
        container.restart_count > 0
            || container.state.as_ref().is_some_and(ran)
            || container.last_state.as_ref().is_some_and(ran)
    })
}

/// Where a node does not report, the pods on it are marked as not ready by somebody else than their
/// kubelet, and nothing more: their containers still stand there as ready.
fn node_is_away(pod: &Pod) -> bool {
    let is = |type_, status| condition(pod, type_).is_some_and(|found| found.status == status);
    is("Ready", "False") && is("ContainersReady", "True")
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == type_)
}

fn container(pod: &Pod) -> Option<&ContainerStatus> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    containers
        .iter()
        .find(|container| container.name == CONTAINER)
}

fn node(pod: &Pod) -> Option<&str> {
    let node = pod.spec.as_ref()?.node_name.as_deref()?;
    (!node.is_empty()).then_some(node)
}

fn node_name(pod: &Pod) -> &str {
    node(pod).unwrap_or("(none)")
}

/// Somebody else's message: its last line, and of that not more than reads well.
fn told(message: &str) -> String {
    let line = message
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    let mut told: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if line.chars().count() > LONGEST {
        told.push_str("...");
    }
    told
}
