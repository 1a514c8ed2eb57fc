use expect_test::expect;

use super::{changes, in_force};
use crate::change::Effect;
use crate::kubernetes::InForce;
use crate::kubernetes::fixtures::{made, of_spec};

const OLD: &str = "\
storage: {size: 20Gi, storageClassName: standard}
image: {repository: registry.example.org/nats, pullPolicy: Always}
pod: {resources: {limits: {memory: 1Gi}}, nodeSelector: {pool: a}, labels: {team: a}}
users: [{name: ann, publish: [data.vhf]}]";

fn state(spec: &str) -> InForce {
    let made = made(&of_spec(spec));
    InForce {
        valid: made.valid,
        settings: made.settings,
        version: "2.15.1".to_owned(),
    }
}

fn difference(old: &InForce, new: &InForce) -> (String, InForce) {
    let changes = changes(old, &new.valid, &new.settings, None, 0);
    let told: Vec<String> = changes
        .iter()
        .map(|change| format!("{} {change}", change.effect.as_str()))
        .collect();
    let next = in_force(old, &new.valid, &new.settings, &changes);
    (told.join("\n"), next)
}

#[test]
fn what_takes_a_restart_is_refused_by_name_and_the_rest_goes_on() {
    let new = "\
storage: {size: 30Gi, storageClassName: fast, sync: 10s, onDelete: Delete}
image: {repository: registry.example.org/nats, tag: edge, pullSecrets: [{name: mirror}]}
pod: {resources: {limits: {memory: 2Gi}}, nodeSelector: {pool: b}, labels: {team: b}, annotations: {a: b}, priorityClassName: high}
external: {hostnames: [bus.example.org]}
websocket: {enabled: true}
users: [{name: bob, subscribe: [data.vhf]}]";
    let (old, new) = (state(OLD), state(new));
    let (told, next) = difference(&old, &new);
    expect![[r#"
        reload spec.external: from inside only -> from outside too: the Service for clients from outside is changed, and the servers' certificates are renewed where its names are others; connections from inside stay
        refuse spec.image: registry.example.org/nats, tagged with the version -> registry.example.org/nats:edge: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write the image as it was: registry.example.org/nats, tagged with the version
        nothing spec.image.pullPolicy: Always -> left out: it is looked at when a server's pod is placed on a node; those that run stay where they are
        nothing spec.image.pullSecrets: none -> mirror: it is looked at when a server's pod is placed on a node; those that run stay where they are
        refuse spec.pod.annotations: none -> a=b: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write it as it was: none
        refuse spec.pod.labels: team=a -> team=b: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write it as it was: team=a
        nothing spec.pod.nodeSelector: changed: it is looked at when a server's pod is placed on a node; those that run stay where they are
        nothing spec.pod.priorityClassName: changed: it is looked at when a server's pod is placed on a node; those that run stay where they are
        refuse spec.pod.resources: set aside 100m of cpu, at most 1Gi of memory -> set aside 100m of cpu, at most 2Gi of memory: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write it as it was: set aside 100m of cpu, at most 1Gi of memory
        nothing spec.storage.onDelete: Retain -> Delete: it says what becomes of volumes and credentials when the resource itself is deleted
        refuse spec.storage.size: 20Gi -> 30Gi: volumes have to grow first, and this release does not enlarge the volumes of a bus that runs; write size: 20Gi
        refuse spec.storage.storageClassName: standard -> fast: a volume keeps its class; write storageClassName: standard, or make a second resource and move the clients to it
        refuse spec.storage.sync: Always -> 10s: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write sync: Always
        reload spec.users[ann]: removed: published to data.vhf; subscribed to nothing: its connections are closed at once and it cannot connect again; nobody else is touched
        reload spec.users[bob]: added: publishes to nothing; subscribes to data.vhf: its credentials are made; nobody else is touched
        refuse spec.websocket.enabled: false -> true: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write enabled: false"#]].assert_eq(&told);

    let mut expected = new.clone();
    expected.valid.sync = old.valid.sync;
    expected.valid.websocket = old.valid.websocket;
    expected.valid.storage_size = old.valid.storage_size;
    expected.settings.storage_class = old.settings.storage_class.clone();
    expected.settings.image.repository = old.settings.image.repository.clone();
    expected.settings.image.pin = old.settings.image.pin.clone();
    expected.settings.pod.requests = old.settings.pod.requests.clone();
    expected.settings.pod.limits = old.settings.pod.limits.clone();
    expected.settings.pod.labels = old.settings.pod.labels.clone();
    expected.settings.pod.annotations = old.settings.pod.annotations.clone();
    assert_eq!(next, expected);
    assert_eq!(
        difference(&next, &next).0,
        "",
        "what is in force takes nothing"
    );
}

#[test]
fn every_field_that_is_left_out_again() {
    let (old, new) = (
        state(OLD),
        state("storage: {size: 20Gi}\nusers: [{name: ann, publish: [data.vhf]}]"),
    );
    let (told, _) = difference(&old, &new);
    expect![[r#"
        refuse spec.image: registry.example.org/nats, tagged with the version -> docker.io/library/nats, tagged with the version: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write the image as it was: registry.example.org/nats, tagged with the version
        nothing spec.image.pullPolicy: Always -> left out: it is looked at when a server's pod is placed on a node; those that run stay where they are
        refuse spec.pod.labels: team=a -> none: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write it as it was: team=a
        nothing spec.pod.nodeSelector: changed: it is looked at when a server's pod is placed on a node; those that run stay where they are
        refuse spec.pod.resources: set aside 100m of cpu, at most 1Gi of memory -> set aside 100m of cpu and 256Mi of memory, at most none: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write it as it was: set aside 100m of cpu, at most 1Gi of memory
        refuse spec.storage.storageClassName: standard -> the default: a volume keeps its class; write storageClassName: standard, or make a second resource and move the clients to it"#]].assert_eq(&told);
    let (told, _) = difference(&new, &old);
    expect![[r#"
        refuse spec.image: docker.io/library/nats, tagged with the version -> registry.example.org/nats, tagged with the version: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write the image as it was: docker.io/library/nats, tagged with the version
        nothing spec.image.pullPolicy: left out -> Always: it is looked at when a server's pod is placed on a node; those that run stay where they are
        refuse spec.pod.labels: none -> team=a: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write it as it was: none
        nothing spec.pod.nodeSelector: changed: it is looked at when a server's pod is placed on a node; those that run stay where they are
        refuse spec.pod.resources: set aside 100m of cpu and 256Mi of memory, at most none -> set aside 100m of cpu, at most 1Gi of memory: it takes a restart of every server, and this release does not restart the servers of a bus that runs; write it as it was: set aside 100m of cpu and 256Mi of memory, at most none
        refuse spec.storage.storageClassName: the default -> standard: a volume keeps its class; leave it out, or make a second resource and move the clients to it"#]].assert_eq(&told);
}

#[test]
fn the_way_from_outside_comes_and_goes() {
    let inside = state("users: []");
    let outside = state("users: []\nexternal: {hostnames: [a.example.org]}");
    let elsewhere = state("users: []\nexternal: {hostnames: [b.example.org]}");
    let told: Vec<String> = [
        (&inside, &outside),
        (&outside, &elsewhere),
        (&elsewhere, &inside),
    ]
    .into_iter()
    .map(|(old, new)| {
        let (told, next) = difference(old, new);
        assert_eq!(&next, new);
        told
    })
    .collect();
    expect![[r#"
        reload spec.external: from inside only -> from outside too: the Service for clients from outside is changed, and the servers' certificates are renewed where its names are others; connections from inside stay
        reload spec.external: another way from outside: the Service for clients from outside is changed, and the servers' certificates are renewed where its names are others; connections from inside stay
        reload spec.external: from outside too -> from inside only: the Service for clients from outside is changed, and the servers' certificates are renewed where its names are others; connections from inside stay"#]].assert_eq(&told.join("\n"));
}

#[test]
fn a_refused_field_holds_nothing_else_up() {
    let old = state(OLD);
    let mut new = old.clone();
    new.settings.pod.limits.clear();
    new.valid.users.clear();
    let changes = changes(&old, &new.valid, &new.settings, None, 0);
    assert!(changes.iter().any(|change| change.effect == Effect::Refuse));
    let next = in_force(&old, &new.valid, &new.settings, &changes);
    assert!(next.valid.users.is_empty());
    assert_eq!(next.settings, old.settings);
}
