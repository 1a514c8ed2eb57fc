//! What is valid, and the words for what is not.

use expect_test::{Expect, expect};

use super::*;

fn resource(spec: &str) -> SvomMessaging {
    let head =
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {name: fsc}\n";
    svom_crds::read::read(format!("{head}spec: {spec}\n").as_bytes())
        .expect("the schema lets it through")
}

fn refused(spec: &str, expected: Expect) {
    let problems = validate(&resource(spec)).expect_err("the resource must be refused");
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn no_domains_means_the_missions_thirteen_queues() {
    let valid = validate(&resource("{}")).expect("valid");
    let queues: Vec<String> = valid.queues().map(|queue| queue.to_string()).collect();
    expect!["activity.calibration activity.core_program activity.general_program activity.infrastructure activity.too data.mdb data.vhf data.xband science.calibration science.core_program science.general_program science.infrastructure science.too"]
        .assert_eq(&queues.join(" "));
}

#[test]
fn rights_are_expanded_to_declared_queues() {
    let valid = validate(&resource(
        "{users: [{name: desk, publish: ['*.too'], subscribe: ['data.*', science.too]}]}",
    ))
    .expect("valid");
    let desk = &valid.users[&UserName::new("desk")];
    let text = |queues: &BTreeSet<Queue>| queues.iter().map(Queue::to_string).collect::<Vec<_>>();
    assert_eq!(text(&desk.publish), ["activity.too", "science.too"]);
    assert_eq!(
        text(&desk.subscribe),
        ["data.mdb", "data.vhf", "data.xband", "science.too"]
    );
}

#[test]
fn websockets_are_off_where_they_are_not_enabled() {
    let enabled = |spec| validate(&resource(spec)).expect("valid").websocket;
    assert!(enabled("{websocket: {enabled: true}}"));
    for spec in ["{}", "{websocket: {}}", "{websocket: {enabled: false}}"] {
        assert!(!enabled(spec), "{spec}");
    }
}

/// A bus that was made before a release could ask for websockets is taken up.
#[test]
fn what_was_written_down_without_websockets_has_none() {
    let valid = validate(&resource("{}")).expect("valid");
    let mut written = serde_json::to_value(&valid).expect("plain data");
    let fields = written.as_object_mut().expect("an object");
    assert!(fields.remove("websocket").is_some());
    let read: Valid = serde_json::from_value(written).expect("it is understood");
    assert_eq!(read, valid);
}

#[test]
fn one_server_keeps_one_replica() {
    let valid = validate(&resource("{replicas: 1}")).expect("valid");
    assert!(valid.domains.values().all(|domain| domain.replicas == 1));
}

#[test]
fn rules_across_lists() {
    refused(
        "{users: [{name: a, publish: [data.vfh], subscribe: ['*.nothing']}]}",
        expect![[r#"
        spec.users[0].publish[0]: data.vfh names no declared queue; declared are activity.calibration, activity.core_program, activity.general_program, activity.infrastructure, activity.too, data.mdb, data.vhf, data.xband, science.calibration, science.core_program, science.general_program, science.infrastructure, science.too
        spec.users[0].subscribe[0]: *.nothing names no declared queue; declared are activity.calibration, activity.core_program, activity.general_program, activity.infrastructure, activity.too, data.mdb, data.vhf, data.xband, science.calibration, science.core_program, science.general_program, science.infrastructure, science.too"#]],
    );
    refused(
        "{users: [{name: a, subscribe: ['data.*'], durables: [{name: d, queues: [data.vhf, science.too]}]}]}",
        expect![[r#"
            spec.users[0].durables[0].queues: a durable reads queues of one domain: write one durable for each domain
            spec.users[0].durables[0].queues: science.too may not be subscribed to by this user: add it to subscribe, or remove it here"#]],
    );
    refused(
        "{replicas: 1, domains: [{name: data, programs: [vhf], replicas: 3}]}",
        expect![
            "spec.domains[0].replicas: 3 replicas do not fit on 1 server(s): write at most spec.replicas, or leave it out"
        ],
    );
    refused(
        "{domains: [{name: data, programs: [vhf], maxAge: 1m}]}",
        expect![
            "spec.domains[0].duplicateWindow: 2m is longer than maxAge (1m): an id cannot be remembered longer than its message is kept"
        ],
    );
    refused(
        "{storage: {size: 3Gi}}",
        expect![
            "spec.domains: the domains may take 9.0Gi on all servers together (maxBytes times replicas), but 3 server(s) with storage.size 3.0Gi have 6.7Gi for messages (three quarters): raise spec.storage.size or lower maxBytes"
        ],
    );
    refused(
        "{tls: {issuer: {managed: {validity: 24h}}}}",
        expect![
            "spec.tls.issuer.managed.renewBefore: 720h is not less than validity (24h): a certificate would be renewed for ever"
        ],
    );
    refused(
        "{tls: {issuer: {managed: {validity: 10s, renewBefore: 1s, caValidity: 999999h}}}}",
        expect![[r#"
        spec.tls.issuer.managed.validity: write between 1h and 175200h (20 years)
        spec.tls.issuer.managed.caValidity: write between 1h and 175200h (20 years)"#]],
    );
}

#[test]
fn what_may_be_lost() {
    let mut resource = resource("{}");
    let mut annotate = |text: &str| {
        resource.metadata.annotations = Some([(ALLOW_LOSS.to_owned(), text.to_owned())].into());
        validate(&resource)
    };
    let valid = annotate("domain/data, durable/pipeline.ingest,").expect("valid");
    assert_eq!(
        valid.may_lose,
        [
            MayLose::Domain(DomainName::new("data")),
            MayLose::Durable(UserName::new("pipeline"), DurableName::new("ingest")),
        ]
        .into()
    );
    let problems = annotate("everything").expect_err("not understood");
    expect![[r#"metadata.annotations["messaging.svom.eu/allow-loss"]: everything is not understood: write domain/NAME or durable/USER.NAME, separated by commas"#]].assert_eq(&problems[0].to_string());
}
