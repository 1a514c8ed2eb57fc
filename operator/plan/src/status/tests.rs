//! The status contract, state by state.

mod asked;
mod servers;
mod steps;

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
        selector: None,
        external: None,
        internal: "tls://localhost:4222".to_owned(),
        websocket: None,
        websocket_external: None,
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
