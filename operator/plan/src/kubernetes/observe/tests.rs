mod workload;

use expect_test::{Expect, expect};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use serde_json::{Value, json};

use super::{Observed, never_bound, servers};
use crate::kubernetes::fixtures::{Made, made, of_spec};
use crate::kubernetes::stateful_set::stateful_set;

const LABELS: &str =
    r#"{"app.kubernetes.io/managed-by": "svom-messaging", "app.kubernetes.io/instance": "fsc"}"#;

fn one_server(spec: &str) -> Made {
    made(&of_spec(&format!("replicas: 1\n{spec}")))
}

fn labels() -> Value {
    serde_json::from_str(LABELS).expect("labels")
}

fn merged(mut base: Value, with: &Value) -> Value {
    match (base.as_object_mut(), with.as_object()) {
        (Some(fields), Some(others)) => {
            for (key, value) in others {
                let before = fields.remove(key).unwrap_or(Value::Null);
                fields.insert(key.clone(), merged(before, value));
            }
            base
        }
        _ => with.clone(),
    }
}

/// A pod `fsc-0` that serves, with differences.
fn pod(with: &Value) -> Pod {
    let base = json!({
        "metadata": {"name": "fsc-0", "labels": labels()},
        "spec": {"nodeName": "node-1", "containers": []},
        "status": {
            "phase": "Running",
            "conditions": conditions("True", "True"),
            "containerStatuses": container(&json!({})),
        },
    });
    serde_json::from_value(merged(base, with)).expect("a pod")
}

fn conditions(ready: &str, containers_ready: &str) -> Value {
    json!([
        {"type": "PodScheduled", "status": "True"},
        {"type": "ContainersReady", "status": containers_ready},
        {"type": "Ready", "status": ready},
    ])
}

fn container(with: &Value) -> Value {
    let base = json!({
        "name": "nats", "image": "nats", "imageID": "", "ready": true, "started": true,
        "restartCount": 0, "state": {"running": {}},
    });
    json!([merged(base, with)])
}

fn with_container(with: &Value) -> Pod {
    pod(
        &json!({"status": {"conditions": conditions("False", "False"), "containerStatuses": container(with)}}),
    )
}

fn waiting(reason: &str, message: &str) -> Pod {
    let state = json!({"waiting": {"reason": reason, "message": message}, "running": null});
    with_container(&json!({"ready": false, "started": false, "state": state}))
}

/// A pod that no node takes.
fn unplaced(message: &str) -> Pod {
    let conditions = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
    pod(&json!({
        "spec": {"nodeName": null},
        "status": {"phase": "Pending", "conditions": conditions, "containerStatuses": null},
    }))
}

fn claim(with: &Value) -> PersistentVolumeClaim {
    let base = json!({
        "metadata": {"name": "data-fsc-0", "labels": labels()},
        "spec": {"storageClassName": "standard", "volumeName": "pv-1", "resources": {"requests": {"storage": "10Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": "10Gi"}},
    });
    serde_json::from_value(merged(base, with)).expect("a claim")
}

fn unbound(class: Option<&str>) -> PersistentVolumeClaim {
    claim(&json!({
        "spec": {"storageClassName": class, "volumeName": null},
        "status": {"phase": "Pending", "capacity": null},
    }))
}

fn told(made: &Made, pod: Option<Pod>, claim: PersistentVolumeClaim) -> String {
    let observed = Observed {
        stateful_set: None,
        pods: pod.as_slice(),
        claims: &[claim],
    };
    let seen = servers(&made.bus(), &observed);
    assert_eq!(seen.len(), 1);
    match &seen[0].trouble {
        Some(trouble) => format!("{}: {}", trouble.reason.as_str(), trouble.message),
        None => "none".to_owned(),
    }
}

fn check(pod: Pod, expected: Expect) {
    check_with(pod, claim(&json!({})), expected);
}

fn check_with(pod: Pod, claim: PersistentVolumeClaim, expected: Expect) {
    expected.assert_eq(&told(&one_server("users: []"), Some(pod), claim));
}

#[test]
fn a_server_that_serves() {
    let made = one_server("users: []");
    let pods = [pod(&json!({}))];
    let observed = Observed {
        stateful_set: None,
        pods: &pods,
        claims: &[claim(&json!({}))],
    };
    let seen = servers(&made.bus(), &observed);
    assert_eq!(seen[0].trouble, None);
    assert_eq!(seen[0].node.as_deref(), Some("node-1"));
}

#[test]
fn a_pod_that_is_not_there() {
    let made = one_server("users: []");
    let ask = |stateful_set| {
        let observed = Observed {
            stateful_set,
            pods: &[],
            claims: &[],
        };
        servers(&made.bus(), &observed)[0]
            .trouble
            .clone()
            .expect("trouble")
            .message
    };
    let set = stateful_set(&made.bus());
    expect![[r#"
        its pod is not there: the StatefulSet fsc is not made yet
        its pod is not there yet; if it stays away, `kubectl describe statefulset fsc -n svom` says what refuses it (a quota, an admission policy, a priority class that does not exist)"#]].assert_eq(&[ask(None), ask(Some(&set))].join("\n"));
}

/// Messages of the scheduler as Kubernetes 1.36.3 writes them.
#[test]
fn a_pod_that_no_node_takes() {
    let no_volume =
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";
    check_with(
        unplaced(no_volume),
        unbound(None),
        expect![
            "VolumePending: its volume claim data-fsc-0 names no storage class, and the cluster has no default one: write one of `kubectl get storageclass` in spec.storage.storageClassName"
        ],
    );
    check_with(
        unplaced(no_volume),
        unbound(Some("fast")),
        expect![
            "VolumePending: its volume claim data-fsc-0 waits for a volume of storage class fast (0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims): see with `kubectl get storageclass` that there is one of this name and that it makes volumes, or write another in spec.storage.storageClassName"
        ],
    );
    check_with(
        unplaced(
            "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.",
        ),
        unbound(Some("standard")),
        expect![
            "Unschedulable: no node takes its pod (0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules): 1 server(s) need as many nodes, one each, that spec.pod admits and that have room for what it sets aside"
        ],
    );
    let not_looked_at = json!({"spec": {"nodeName": null}, "status": {"phase": "Pending", "conditions": [], "containerStatuses": null}});
    check(
        pod(&not_looked_at),
        expect!["Starting: its pod waits to be placed on a node"],
    );
}

#[test]
fn an_image_that_cannot_be_pulled() {
    check(
        waiting("ImagePullBackOff", "Back-off pulling image \"nats:9\""),
        expect![[
            r#"ImageNotPulled: its image docker.io/library/nats:2.15.1 cannot be pulled (ImagePullBackOff: Back-off pulling image "nats:9"): write one that there is in spec.image, or the Secret that opens its registry in spec.image.pullSecrets"#
        ]],
    );
    check(
        waiting("InvalidImageName", "couldn't parse image name"),
        expect![
            "ImageNotPulled: its image docker.io/library/nats:2.15.1 cannot be pulled (InvalidImageName: couldn't parse image name): write one that there is in spec.image, or the Secret that opens its registry in spec.image.pullSecrets"
        ],
    );
}

#[test]
fn a_container_that_starts_or_cannot() {
    check(
        waiting("ContainerCreating", ""),
        expect!["Starting: its pod starts on node node-1: volumes and image come first"],
    );
    check(
        waiting("CreateContainerError", "context deadline exceeded"),
        expect![
            "ContainerNotMade: its container cannot be made on node node-1 (CreateContainerError: context deadline exceeded)"
        ],
    );
    let placed = json!({"status": {"phase": "Pending", "containerStatuses": null}});
    check(
        pod(&placed),
        expect!["Starting: its pod was placed on node node-1 and is not started there yet"],
    );
    check(
        with_container(&json!({"ready": false, "started": false})),
        expect![
            "Starting: its server starts: what it stored is looked through, which takes its time after a crash"
        ],
    );
    check(
        with_container(&json!({"ready": false})),
        expect![
            "NotReady: its server runs on node node-1 and does not say that it takes clients: it may be overloaded, or leaving"
        ],
    );
}

#[test]
fn a_server_that_ends_again_and_again() {
    let last = |terminated: Value| {
        with_container(&json!({
            "ready": false, "started": false, "restartCount": 4,
            "state": {"running": null, "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": terminated},
        }))
    };
    check(
        last(
            json!({"exitCode": 1, "reason": "Error", "message": "[1] Starting nats-server\nnats-server: /etc/nats/fsc-0.conf:1:12: unknown field \"x\"\n"}),
        ),
        expect![[
            r#"CrashLoop: its server ended with exit code 1 (Error), restarts so far: 4; the last that it said: nats-server: /etc/nats/fsc-0.conf:1:12: unknown field "x""#
        ]],
    );
    check(
        last(json!({"exitCode": 137, "reason": "OOMKilled"})),
        expect![
            "CrashLoop: its server ended with exit code 137 (OOMKilled), restarts so far: 4; it said nothing; it took more memory than spec.pod.resources.limits gives it: raise that"
        ],
    );
    let ended = with_container(&json!({
        "ready": false, "started": false,
        "state": {"running": null, "terminated": {"exitCode": 2, "reason": "Error", "message": format!("{}\u{1b}[0m", "long ".repeat(100))}},
    }));
    check(
        ended,
        expect![
            "CrashLoop: its server ended with exit code 2 (Error), restarts so far: 0; the last that it said: long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long ..."
        ],
    );
}

#[test]
fn a_node_that_does_not_report() {
    check(
        pod(&json!({"status": {"conditions": conditions("False", "True")}})),
        expect!["NodeNotReady: node node-1 does not report: it is down or cut off"],
    );
    let deleted = json!({"metadata": {"deletionTimestamp": "2026-11-23T00:00:00Z"}});
    check(
        pod(&merged(
            deleted.clone(),
            &json!({"status": {"conditions": conditions("False", "True")}}),
        )),
        expect![
            "NodeNotReady: node node-1 does not report, and its pod waits for it: it returns with the node. If the node never returns: kubectl taint nodes node-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
        ],
    );
    let put_off =
        json!([{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]);
    let put_off = pod(&merged(
        deleted.clone(),
        &json!({"status": {"conditions": put_off}}),
    ));
    assert!(
        told(&one_server("users: []"), Some(put_off), claim(&json!({})))
            .starts_with("NodeNotReady")
    );
    check(
        pod(&deleted),
        expect!["Leaving: its pod on node node-1 ends, and another follows"],
    );
    let evicted = json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}});
    check(
        pod(&evicted),
        expect![
            "Leaving: its pod on node node-1 came to an end (Evicted: The node was low on resource: memory.), and another follows"
        ],
    );
}

#[test]
fn what_is_somebody_elses() {
    check(
        pod(&json!({"metadata": {"labels": {"app.kubernetes.io/instance": "other"}}})),
        expect![
            "NameTaken: a pod of its name is in the way, which is not of this bus: it belongs to the SvomMessaging other; delete it"
        ],
    );
    check_with(
        pod(&json!({})),
        claim(&json!({"metadata": {"labels": null}})),
        expect![
            "NameTaken: a volume claim data-fsc-0 is in the way, which is not of this bus: it has not the label app.kubernetes.io/managed-by=svom-messaging; delete it, or give the resource another name"
        ],
    );
}

#[test]
fn volumes_that_do_not_fit() {
    check_with(
        pod(&json!({})),
        claim(&json!({"status": {"phase": "Lost"}})),
        expect![
            "VolumeUnfit: the volume of its claim data-fsc-0 is gone: delete the claim and its pod, so that both are made anew, and the other servers fill it"
        ],
    );
    check_with(
        pod(&json!({})),
        claim(&json!({"status": {"capacity": {"storage": "5Gi"}}})),
        expect![
            "VolumeUnfit: its volume data-fsc-0 has 5.0Gi, and spec.storage.size is 10.0Gi: write the size that the volumes have, or it runs full before the servers know it"
        ],
    );
    let larger = claim(&json!({"status": {"capacity": {"storage": "11Gi"}}}));
    assert_eq!(
        told(&one_server("users: []"), Some(pod(&json!({}))), larger),
        "none"
    );
}

#[test]
fn claims_that_never_had_a_volume() {
    let made = one_server("users: []");
    let others = claim(
        &json!({"metadata": {"name": "data-other-0"}, "spec": {"volumeName": null}, "status": {"phase": "Pending"}}),
    );
    let foreign = claim(
        &json!({"metadata": {"labels": null}, "spec": {"volumeName": null}, "status": {"phase": "Pending"}}),
    );
    let names = |claims: &[PersistentVolumeClaim]| never_bound(&made.bus(), claims).len();
    assert_eq!(names(&[unbound(Some("fast")), others]), 1);
    assert_eq!(names(&[claim(&json!({}))]), 0, "it holds messages");
    assert_eq!(names(&[claim(&json!({"status": {"phase": "Lost"}}))]), 0);
    assert_eq!(
        names(&[claim(&json!({"status": {"phase": "Pending"}}))]),
        0,
        "its volume is on its way"
    );
    assert_eq!(names(&[foreign]), 0);
}
