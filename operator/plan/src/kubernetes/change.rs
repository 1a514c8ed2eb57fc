//! What a change takes on Kubernetes: what it takes anywhere, and what concerns Kubernetes alone.
//!
//! In: what is in force, and what is wanted. Out: every difference with its effect, and the state that
//! may be put in force. This release restarts no server of a bus that runs and enlarges no volume:
//! what would take that is refused by name and stays as it was, and everything else of the same edit
//! goes on. Before a bus has formed nothing is in force, and anything may change.

use std::collections::BTreeMap;
use std::fmt::Display;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::in_force::InForce;
use super::settings::{External, Image, Pin, Placement, Pod, Settings};
use crate::change::words::list_or_none;
use crate::change::{self, Change, Effect, SYNC, WEBSOCKET};
use crate::queues::ObservedQueues;
use crate::{UnixSeconds, Valid};

const SIZE: &str = "spec.storage.size";
const STORAGE_CLASS: &str = "spec.storage.storageClassName";
const IMAGE: &str = "spec.image";
const EXTERNAL: &str = "spec.external";
const RESOURCES: &str = "spec.pod.resources";
const LABELS: &str = "spec.pod.labels";
const ANNOTATIONS: &str = "spec.pod.annotations";
/// Under which the plan for every platform tells that fields for Kubernetes alone came or went.
const UNNAMED: &str = "spec";

const NO_RESTART: &str = "it takes a restart of every server, and this release does not restart the servers of a bus that runs";

/// Every difference, by path.
pub fn changes(
    old: &InForce,
    valid: &Valid,
    settings: &Settings,
    observed: Option<&ObservedQueues>,
    now: UnixSeconds,
) -> Vec<Change> {
    let mut changes: Vec<Change> = change::changes(&old.valid, valid, observed, now)
        .into_iter()
        .filter(|change| change.path != UNNAMED)
        .map(on_kubernetes)
        .collect();
    changes.extend(of_settings(&old.settings, settings));
    changes.sort();
    changes
}

/// The state that may be put in force: the wanted one, with each field that is refused as it was.
pub fn in_force(old: &InForce, valid: &Valid, settings: &Settings, changes: &[Change]) -> InForce {
    let refused = |path: &str| {
        changes
            .iter()
            .any(|change| change.effect == Effect::Refuse && change.path == path)
    };
    let mut valid = change::in_force(&old.valid, valid, changes);
    let mut settings = settings.clone();
    if refused(SYNC) {
        valid.sync = old.valid.sync;
    }
    if refused(WEBSOCKET) {
        valid.websocket = old.valid.websocket;
    }
    if refused(STORAGE_CLASS) {
        settings
            .storage_class
            .clone_from(&old.settings.storage_class);
    }
    let (held, pod) = (&old.settings, &mut settings.pod);
    if refused(RESOURCES) {
        pod.requests.clone_from(&held.pod.requests);
        pod.limits.clone_from(&held.pod.limits);
    }
    if refused(LABELS) {
        pod.labels.clone_from(&held.pod.labels);
    }
    if refused(ANNOTATIONS) {
        pod.annotations.clone_from(&held.pod.annotations);
    }
    if refused(IMAGE) {
        settings.image.repository.clone_from(&held.image.repository);
        settings.image.pin.clone_from(&held.image.pin);
    }
    InForce {
        valid,
        settings,
        version: old.version.clone(),
    }
}

/// What the plan for every platform says, where it is otherwise here.
fn on_kubernetes(found: Change) -> Change {
    let before = || {
        found
            .what
            .split(" -> ")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    match (found.path.as_str(), found.effect) {
        (SIZE, Effect::Reload) => {
            let instead = format!("write size: {}", before());
            Change::refused(
                SIZE,
                found.what,
                "volumes have to grow first, and this release does not enlarge the volumes of a bus that runs",
                instead,
            )
        }
        (SYNC, Effect::Restart) => {
            let instead = format!("write sync: {}", before());
            Change::refused(SYNC, found.what, NO_RESTART, instead)
        }
        (WEBSOCKET, Effect::Restart) => {
            let instead = format!("write enabled: {}", before());
            Change::refused(WEBSOCKET, found.what, NO_RESTART, instead)
        }
        _ => found,
    }
}

fn of_settings(old: &Settings, new: &Settings) -> Vec<Change> {
    // Without `..`: a field that is added is not forgotten here.
    let Settings {
        storage_class,
        image,
        external,
        pod,
    } = old;
    let mut changes = Vec::new();
    if *storage_class != new.storage_class {
        let word =
            |class: &Option<String>| class.clone().unwrap_or_else(|| "the default".to_owned());
        changes.push(Change::refused(
            STORAGE_CLASS,
            arrow(word(storage_class), word(&new.storage_class)),
            "a volume keeps its class",
            match storage_class {
                Some(class) => format!("write storageClassName: {class}, or make a second resource and move the clients to it"),
                None => "leave it out, or make a second resource and move the clients to it".to_owned(),
            },
        ));
    }
    changes.extend(of_image(image, &new.image));
    changes.extend(of_external(external.as_ref(), new.external.as_ref()));
    changes.extend(of_pod(pod, &new.pod));
    changes
}

fn of_image(old: &Image, new: &Image) -> Vec<Change> {
    let Image {
        repository,
        pin,
        pull_policy,
        pull_secrets,
    } = old;
    let mut changes = Vec::new();
    if (repository, pin) != (&new.repository, &new.pin) {
        let what = arrow(image_words(old), image_words(new));
        changes.push(Change::refused(
            IMAGE,
            what,
            NO_RESTART,
            format!("write the image as it was: {}", image_words(old)),
        ));
    }
    if *pull_policy != new.pull_policy {
        let what = arrow(policy_word(old), policy_word(new));
        changes.push(later("spec.image.pullPolicy", what));
    }
    if *pull_secrets != new.pull_secrets {
        let what = arrow(list_or_none(pull_secrets), list_or_none(&new.pull_secrets));
        changes.push(later("spec.image.pullSecrets", what));
    }
    changes
}

fn policy_word(image: &Image) -> String {
    image
        .pull_policy
        .map_or_else(|| "left out".to_owned(), |policy| format!("{policy:?}"))
}

fn image_words(image: &Image) -> String {
    match &image.pin {
        Pin::Version => format!("{}, tagged with the version", image.repository),
        Pin::Tag(_) | Pin::Digest(_) => image.reference(""),
    }
}

/// What holds from the next time on that a pod is placed.
fn later(path: &str, what: String) -> Change {
    Change::new(
        path,
        Effect::Nothing,
        what,
        "it is looked at when a server's pod is placed on a node; those that run stay where they are",
    )
}

fn of_external(old: Option<&External>, new: Option<&External>) -> Option<Change> {
    if old == new {
        return None;
    }
    let what = match (old, new) {
        (None, Some(_)) => "from inside only -> from outside too",
        (Some(_), None) => "from outside too -> from inside only",
        _ => "another way from outside",
    };
    Some(Change::new(
        EXTERNAL,
        Effect::Reload,
        what,
        "the Service for clients from outside is changed, and the servers' certificates are renewed where its names are \
         others; connections from inside stay",
    ))
}

fn of_pod(old: &Pod, new: &Pod) -> Vec<Change> {
    let Pod {
        requests,
        limits,
        labels,
        annotations,
        placement,
    } = old;
    let resources = |requests, limits| {
        format!(
            "set aside {}, at most {}",
            quantities(requests),
            quantities(limits)
        )
    };
    let restarts = [
        (
            RESOURCES,
            resources(requests, limits),
            resources(&new.requests, &new.limits),
        ),
        (LABELS, pairs(labels), pairs(&new.labels)),
        (ANNOTATIONS, pairs(annotations), pairs(&new.annotations)),
    ];
    let refused =
        restarts
            .into_iter()
            .filter(|(_, old, new)| old != new)
            .map(|(path, old, new)| {
                let instead = format!("write it as it was: {old}");
                Change::refused(path, arrow(old, new), NO_RESTART, instead)
            });
    refused
        .chain(of_placement(placement, &new.placement))
        .collect()
}

fn quantities(quantities: &BTreeMap<String, Quantity>) -> String {
    list_or_none(
        quantities
            .iter()
            .map(|(resource, amount)| format!("{} of {resource}", amount.0)),
    )
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    list_or_none(map.iter().map(|(key, value)| format!("{key}={value}")))
}

fn of_placement(old: &Placement, new: &Placement) -> impl Iterator<Item = Change> {
    let Placement {
        node_selector,
        tolerations,
        affinity,
        spread,
        priority_class,
    } = old;
    [
        ("spec.pod.nodeSelector", *node_selector != new.node_selector),
        ("spec.pod.tolerations", *tolerations != new.tolerations),
        ("spec.pod.affinity", *affinity != new.affinity),
        ("spec.pod.topologySpreadConstraints", *spread != new.spread),
        (
            "spec.pod.priorityClassName",
            *priority_class != new.priority_class,
        ),
    ]
    .into_iter()
    .filter(|(_, is_changed)| *is_changed)
    .map(|(path, _)| later(path, "changed".to_owned()))
}

/// `from -> to`.
fn arrow(from: impl Display, to: impl Display) -> String {
    format!("{from} -> {to}")
}

#[cfg(test)]
mod tests;
