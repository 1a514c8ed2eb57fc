//! The status contract, state by state.

use expect_test::{Expect, expect};
use svom_crds::status::Truth;

use super::*;
use crate::change::Effect;

const NOW: UnixSeconds = 1_795_000_000;

fn bus() -> Valid {
    let text = "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {name: fsc}\n\
                spec: {domains: [{name: data, programs: [vhf]}], users: [{name: desk, subscribe: [data.vhf], \
                durables: [{name: alerts, queues: [data.vhf]}]}]}\n";
    let resource = svom_crds::read::read(text.as_bytes()).expect("the schema lets it through");
    crate::valid::validate(&resource).expect("valid")
}

fn setting<'a>(valid: &'a Valid, before: Option<&'a SvomMessagingStatus>) -> Setting<'a> {
    Setting {
        valid,
        generation: 2,
        internal: "tls://localhost:4222".to_owned(),
        ca: "ca.crt".to_owned(),
        credentials: [(UserName::new("desk"), "users/desk".to_owned())].into(),
        before,
    }
}

fn whole() -> Findings {
    let server = |name: &str| ServerFinding {
        name: name.to_owned(),
        version: Some("2.15.1".to_owned()),
        config_digest: Some("sha256:1".to_owned()),
        wanted_digest: "sha256:1".to_owned(),
        ..ServerFinding::default()
    };
    Findings {
        now: NOW,
        servers: ["fsc-0", "fsc-1", "fsc-2"].map(server).into(),
        meta_leader: Some("fsc-1".to_owned()),
        cluster_size: Some(3),
        streams: [(
            "DATA".to_owned(),
            StreamFinding {
                leader: Some("fsc-0".to_owned()),
                replicas_current: 3,
                trouble: None,
            },
        )]
        .into(),
        durables: [((UserName::new("desk"), DurableName::new("alerts")), None)].into(),
        access: ProofFinding {
            tried: 40,
            ..ProofFinding::default()
        },
        data_path: ProofFinding {
            tried: 4,
            ..ProofFinding::default()
        },
        ..Findings::default()
    }
}

/// A line for each condition that is not plainly true, and `Ready` always.
fn told(change: impl FnOnce(&mut Valid, &mut Findings), expected: Expect) -> SvomMessagingStatus {
    let mut valid = bus();
    let mut findings = whole();
    change(&mut valid, &mut findings);
    let status = status(&setting(&valid, None), &findings);
    let lines: Vec<String> = status
        .conditions
        .iter()
        .filter(|one| {
            let announced = ["Ready", "Reconciling", "Stalled", "Paused"];
            one.status != Truth::True || announced.contains(&one.type_.as_str())
        })
        .map(|one| {
            format!(
                "{}={:?} {}: {}",
                one.type_, one.status, one.reason, one.message
            )
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
    let types: Vec<&str> = status
        .conditions
        .iter()
        .map(|one| one.type_.as_str())
        .collect();
    assert!(types.contains(&"Ready"));
    assert!(!(types.contains(&"Reconciling") && types.contains(&"Stalled")));
    status
}

fn refusal() -> Change {
    Change {
        path: "spec.replicas".to_owned(),
        effect: Effect::Refuse,
        what: "3 -> 5".to_owned(),
        why: "the number of servers is decided once".to_owned(),
        instead: None,
    }
}

#[test]
fn a_whole_bus_is_ready_and_everything_is_told() {
    let status = told(
        |_, _| {},
        expect!["Ready=True Proven: 3 server(s), 1 queues and 1 user(s) are in force and proven"],
    );
    expect![[r#"
        {
          "observedGeneration": 2,
          "conditions": [
            {
              "type": "Ready",
              "status": "True",
              "reason": "Proven",
              "message": "3 server(s), 1 queues and 1 user(s) are in force and proven",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            },
            {
              "type": "ClusterFormed",
              "status": "True",
              "reason": "Formed",
              "message": "3 server(s) form the cluster, led by fsc-1",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            },
            {
              "type": "QuorumAvailable",
              "status": "True",
              "reason": "EveryStreamLed",
              "message": "every stream has a leader",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            },
            {
              "type": "Settled",
              "status": "True",
              "reason": "Settled",
              "message": "every server is healthy and every replica holds everything",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            },
            {
              "type": "TLSReady",
              "status": "True",
              "reason": "CertificatesServed",
              "message": "every server serves the certificate that is wanted",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            },
            {
              "type": "QueuesSynced",
              "status": "True",
              "reason": "InForce",
              "message": "streams and durable subscriptions are as wanted",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            },
            {
              "type": "UsersSynced",
              "status": "True",
              "reason": "InForce",
              "message": "every server has the users and rights that are wanted",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            },
            {
              "type": "AccessVerified",
              "status": "True",
              "reason": "Proven",
              "message": "40 checks of users' rights hold against the live servers",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            },
            {
              "type": "DataPathVerified",
              "status": "True",
              "reason": "Proven",
              "message": "4 checks of a message's way hold against the live servers",
              "lastTransitionTime": "2026-11-18T11:06:40Z",
              "observedGeneration": 2
            }
          ],
          "replicas": 3,
          "readyReplicas": 3,
          "version": "2.15.1",
          "endpoints": {
            "internal": "tls://localhost:4222",
            "caSecret": "ca.crt"
          },
          "servers": [
            {
              "name": "fsc-0",
              "ready": true,
              "version": "2.15.1",
              "configDigest": "sha256:1",
              "current": true
            },
            {
              "name": "fsc-1",
              "ready": true,
              "version": "2.15.1",
              "configDigest": "sha256:1",
              "current": true
            },
            {
              "name": "fsc-2",
              "ready": true,
              "version": "2.15.1",
              "configDigest": "sha256:1",
              "current": true
            }
          ],
          "metaLeader": "fsc-1",
          "domains": [
            {
              "name": "data",
              "stream": "DATA",
              "leader": "fsc-0",
              "replicasCurrent": 3,
              "ready": true
            }
          ],
          "users": [
            {
              "name": "desk",
              "secretName": "users/desk",
              "ready": true,
              "durables": [
                {
                  "name": "alerts",
                  "stream": "DATA",
                  "ready": true
                }
              ]
            }
          ],
          "access": {
            "verified": true,
            "since": "2026-11-18T11:06:40Z"
          },
          "dataPath": {
            "verified": true,
            "since": "2026-11-18T11:06:40Z"
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&status).expect("JSON"));
}

#[test]
fn a_server_that_fell() {
    told(
        |_, findings| {
            findings.servers[1].trouble = Some("does not answer".to_owned());
            findings.servers[1].config_digest = None;
        },
        expect![[r#"
            Ready=False ServerDown: fsc-1: does not answer
            Reconciling=True Progressing: fsc-1: does not answer
            Settled=False ServerDown: fsc-1: does not answer
            UsersSynced=False ConfigurationBehind: fsc-1 has not the configuration that is wanted in force"#]],
    );
}

#[test]
fn a_replica_that_catches_up() {
    told(
        |_, findings| findings.servers[2].behind = vec!["DATA".to_owned()],
        expect![[r#"
        Ready=False CatchingUp: fsc-2 does not hold everything yet of DATA
        Reconciling=True Progressing: fsc-2 does not hold everything yet of DATA
        Settled=False CatchingUp: fsc-2 does not hold everything yet of DATA"#]],
    );
}

#[test]
fn a_cluster_that_is_not_formed_yet() {
    told(
        |_, findings| {
            *findings = Findings {
                now: NOW,
                changing: Some("starting 3 servers".to_owned()),
                servers: findings.servers.clone(),
                ..Findings::default()
            };
        },
        expect![[r#"
            Ready=False Reconciling: starting 3 servers
            Reconciling=True Progressing: starting 3 servers
            ClusterFormed=False NoMetaLeader: the JetStream meta group has no leader; 3 of 3 servers answer (the first start needs all of them)
            QuorumAvailable=Unknown NotObserved: the streams could not be looked at
            QueuesSynced=False NotObserved: the streams could not be looked at
            AccessVerified=False NotProven: checks of users' rights were not proven yet
            DataPathVerified=False NotProven: checks of a message's way were not proven yet"#]],
    );
}

#[test]
fn a_stream_without_quorum() {
    told(
        |_, findings| {
            let stream = findings.streams.get_mut("DATA").expect("there");
            stream.leader = None;
            stream.trouble = Some("has no leader".to_owned());
        },
        expect![[r#"
            Ready=False NoLeader: no leader for DATA: publishing to it is refused until a majority of its servers is back
            Reconciling=True Progressing: no leader for DATA: publishing to it is refused until a majority of its servers is back
            QuorumAvailable=False NoLeader: no leader for DATA: publishing to it is refused until a majority of its servers is back
            QueuesSynced=False QueueTrouble: DATA: has no leader"#]],
    );
}

#[test]
fn an_authority_that_ends_is_told_and_the_bus_stays_ready() {
    let status = told(
        |_, findings| findings.authority_warnings = vec!["the authority ends".to_owned()],
        expect!["Ready=True Proven: 3 server(s), 1 queues and 1 user(s) are in force and proven"],
    );
    let tls = status
        .conditions
        .iter()
        .find(|one| one.type_ == "TLSReady")
        .expect("there");
    assert_eq!(
        (tls.status, tls.reason.as_str(), tls.message.as_str()),
        (Truth::True, "AuthorityEnds", "the authority ends")
    );
}

#[test]
fn rights_that_do_not_hold() {
    let status = told(
        |_, findings| {
            findings.access.failed =
                vec![("desk".to_owned(), "live data.vhf is refused".to_owned())];
        },
        expect![[r#"
            Ready=False ProofFailed: 1 of 40 checks of users' rights did not hold; first desk: live data.vhf is refused
            Reconciling=True Progressing: 1 of 40 checks of users' rights did not hold; first desk: live data.vhf is refused
            AccessVerified=False ProofFailed: 1 of 40 checks of users' rights did not hold; first desk: live data.vhf is refused"#]],
    );
    assert!(!status.users[0].ready);
    assert_eq!(
        status.users[0].reason.as_deref(),
        Some("live data.vhf is refused")
    );
}

#[test]
fn a_resource_that_is_wrong() {
    told(
        |_, findings| {
            findings.problems = vec![
                Problem::new(
                    "spec.users[0].publish[0]",
                    "data.vfh names no declared queue",
                ),
                Problem::new("spec.users[1]", "x"),
            ];
        },
        expect![[r#"
            Ready=False InvalidSpec: spec.users[0].publish[0]: data.vfh names no declared queue (and 1 more); the last good state stays in force, less what this one takes away
            Stalled=True InvalidSpec: spec.users[0].publish[0]: data.vfh names no declared queue (and 1 more); the last good state stays in force, less what this one takes away"#]],
    );
}

#[test]
fn a_change_that_is_refused() {
    told(
        |_, findings| findings.refused = vec![refusal()],
        expect![[r#"
            Ready=False ChangeRefused: spec.replicas: 3 -> 5: the number of servers is decided once
            Stalled=True ChangeRefused: spec.replicas: 3 -> 5: the number of servers is decided once"#]],
    );
}

#[test]
fn paused_with_and_without_changes() {
    told(
        |valid, _| valid.paused = true,
        expect![[r#"
        Ready=True Proven: 3 server(s), 1 queues and 1 user(s) are in force and proven
        Paused=True Paused: spec.paused is true: it is observed and nothing is changed"#]],
    );
    told(
        |valid, findings| {
            valid.paused = true;
            findings.waiting = vec![refusal()];
        },
        expect![[r#"
            Ready=False PausedWithChanges: paused, and these changes wait: 3 -> 5
            Paused=True Paused: spec.paused is true: it is observed and nothing is changed"#]],
    );
}

#[test]
fn times_change_only_with_what_they_are_of() {
    let valid = bus();
    let first = status(&setting(&valid, None), &whole());
    let mut later = whole();
    later.now = NOW + 3600;
    assert_eq!(status(&setting(&valid, Some(&first)), &later), first);
    later.servers[0].trouble = Some("does not answer".to_owned());
    let second = status(&setting(&valid, Some(&first)), &later);
    let changed: Vec<&str> = second
        .conditions
        .iter()
        .filter(|one| one.last_transition_time == rfc3339(NOW + 3600))
        .map(|one| one.type_.as_str())
        .collect();
    assert_eq!(changed, ["Ready", "Reconciling", "Settled"]);
}
