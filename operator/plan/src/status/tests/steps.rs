//! What is told at every step of a bus's life, written down for tools that read it: `tests/status` gives
//! each of these resources to kstatus and to the health check for Argo CD.

use expect_test::expect_file;
use serde_json::{Value, json};

use super::*;

/// A resource as the API server has it at one step.
fn step(name: &str, generation: i64, status: Value) -> Value {
    json!({
        "step": name,
        "resource": {
            "apiVersion": svom_crds::API_VERSION,
            "kind": svom_crds::KIND,
            "metadata": {"name": "fsc", "namespace": "svom", "generation": generation},
            "status": status,
        },
    })
}

/// What is told of these findings.
fn found(change: impl FnOnce(&mut Valid, &mut Findings)) -> Value {
    json(&told_of(change))
}

fn told_of(change: impl FnOnce(&mut Valid, &mut Findings)) -> SvomMessagingStatus {
    let (mut valid, mut findings) = (bus(), whole());
    change(&mut valid, &mut findings);
    status(&setting(&valid, None), &findings)
}

/// What is told when something begins to be done, after that was told.
fn announced_after(before: SvomMessagingStatus) -> Value {
    json(&underway(
        before,
        2,
        Underway::Change("a change is being applied"),
        NOW,
    ))
}

fn json(status: &SvomMessagingStatus) -> Value {
    serde_json::to_value(status).expect("JSON")
}

fn invalid(_: &mut Valid, findings: &mut Findings) {
    findings.problems = vec![Problem::new("spec.users[0].publish[0]", "no such queue")];
}

fn on_the_way() -> Vec<(&'static str, Value)> {
    vec![
        (
            "the bus is being made",
            announced_after(SvomMessagingStatus::default()),
        ),
        ("a change begins", announced_after(told_of(|_, _| {}))),
        (
            "a change begins that mends what was wrong",
            announced_after(told_of(invalid)),
        ),
        (
            "a change begins, and it is paused no more",
            announced_after(told_of(|valid, _| valid.paused = true)),
        ),
        (
            "the servers start",
            found(|_, findings| {
                *findings = Findings {
                    now: NOW,
                    changing: Some("starting 3 servers".to_owned()),
                    servers: findings.servers.clone(),
                    ..Findings::default()
                };
            }),
        ),
        (
            "a user is added",
            found(|_, findings| findings.changing = Some("adding user desk".to_owned())),
        ),
        (
            "in force and not yet proven",
            found(|_, findings| findings.access.tried = 0),
        ),
        (
            "a server fell",
            found(|_, findings| {
                findings.servers[1].trouble = Some("does not answer".to_owned());
                findings.servers[1].config_digest = None;
            }),
        ),
        (
            "a replica catches up",
            found(|_, findings| findings.servers[2].behind = vec!["DATA".to_owned()]),
        ),
        (
            "a stream has no leader",
            found(|_, findings| servers::without_leader(findings)),
        ),
        (
            "nothing can be seen",
            found(|_, findings| findings.streams.clear()),
        ),
        (
            "a right does not hold",
            found(|_, findings| {
                findings.access.failed = vec![("desk".to_owned(), "is refused".to_owned())];
            }),
        ),
        (
            "a step failed and is tried again",
            found(|_, findings| findings.failures = vec!["the API server is away".to_owned()]),
        ),
    ]
}

fn at_rest() -> Vec<(&'static str, Value)> {
    vec![
        ("ready", found(|_, _| {})),
        (
            "ready, and the authority ends some day",
            found(|_, findings| findings.authority_warnings = vec!["it ends".to_owned()]),
        ),
        ("the resource is wrong", found(invalid)),
        (
            "the resource was never anything but wrong",
            json(&unusable(&[Problem::new("spec", "x")], 2, None, NOW)),
        ),
        (
            "an object of somebody else is in the way",
            found(|_, findings| findings.in_the_way = vec!["Secret fsc-ca is not ours".to_owned()]),
        ),
        (
            "a change is refused",
            found(|_, findings| findings.refused = vec![refusal()]),
        ),
        ("paused", found(|valid, _| valid.paused = true)),
        (
            "paused, and changes wait",
            found(|valid, findings| {
                valid.paused = true;
                findings.waiting = vec![refusal()];
            }),
        ),
        (
            "paused, and the resource is wrong",
            found(|valid, findings| {
                valid.paused = true;
                invalid(valid, findings);
            }),
        ),
    ]
}

#[test]
fn every_step_is_written_down_for_the_tools_that_read_it() {
    let told_for = 2;
    let mut steps = vec![step(
        "created, and not yet looked at",
        1,
        // The definition's default.
        json!({"observedGeneration": -1}),
    )];
    let told = on_the_way().into_iter().chain(at_rest());
    steps.extend(told.map(|(name, status)| step(name, told_for, status)));
    steps.extend([
        step("changed when it was ready", told_for + 1, found(|_, _| {})),
        step("changed when it was wrong", told_for + 1, found(invalid)),
    ]);
    let mut text = serde_json::to_string_pretty(&steps).expect("JSON");
    text.push('\n');
    expect_file!["../../../../../tests/status/testdata/steps.json"].assert_eq(&text);
}
