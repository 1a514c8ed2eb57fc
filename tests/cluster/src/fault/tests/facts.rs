//! What is read from the answers of the API server.

use expect_test::expect;
use serde_json::json;

use crate::fault::facts;

#[test]
fn what_the_api_server_answers_is_read() {
    let nodes = json!({"items": [{
        "metadata": {"name": "c", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"podCIDRs": ["10.244.0.0/24"]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": "172.18.0.2"},
                {"type": "Hostname", "address": "c"},
            ],
            "conditions": [
                {"type": "DiskPressure", "status": "False"},
                {"type": "Ready", "status": "Unknown"},
            ],
        },
    }]});
    expect![[r#"
        [
            Node {
                name: "c",
                addresses: [
                    172.18.0.2,
                ],
                pod_ranges: [
                    "10.244.0.0/24",
                ],
                control_plane: true,
                ready: false,
            },
        ]
    "#]]
    .assert_debug_eq(&facts::nodes(&nodes).unwrap());
    let pod = json!({
        "metadata": {"name": "bus-0", "namespace": "bus", "uid": "u-1"},
        "spec": {"nodeName": "w1", "volumes": [
            {"name": "configuration", "configMap": {"name": "bus"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-bus-0"}},
        ]},
        "status": {"containerStatuses": [
            {"name": "nats", "containerID": "containerd://0123"},
            {"name": "not-started"},
        ]},
    });
    let pending = json!({"metadata": {"name": "bus-1"}, "spec": {}});
    let pods = json!({"items": [pod, pending]});
    expect![[r#"
        [
            Pod {
                place: Place {
                    namespace: "bus",
                    name: "bus-0",
                },
                node: "w1",
                uid: "u-1",
                address: None,
                ready: false,
                restarts: 0,
                containers: [
                    (
                        "nats",
                        "0123",
                    ),
                ],
                claims: [
                    "data-bus-0",
                ],
            },
        ]
    "#]]
    .assert_debug_eq(&facts::pods(&pods).unwrap());
}
