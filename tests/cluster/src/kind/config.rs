//! What kind is told to make: one control plane and three workers.
//!
//! In: where things lie on the machine, and which port is the API server's. Out: kind's configuration
//! and the API server's audit policy, as JSON, which is YAML too. Pure.

use std::path::Path;

use serde_json::{Value, json};

/// Where a node finds its own volumes.
const LOCAL_VOLUMES: &str = "/var/local/testbed/local";
/// Where every node finds the volumes that all share.
const SHARED_VOLUMES: &str = "/var/local/testbed/shared";
/// The addresses of all pods.
pub const POD_SUBNET: &str = "10.244.0.0/16";
/// The addresses of all Services.
pub const SERVICE_SUBNET: &str = "10.96.0.0/16";

const AUDIT_FOLDER: &str = "/var/log/testbed-audit";

/// The nodes' names without the cluster's, the control plane first, as kind gives them.
pub const NODES: [&str; 4] = ["control-plane", "worker", "worker2", "worker3"];

/// The file of the audit policy, in the folder of the audit log.
pub const AUDIT_POLICY: &str = "policy.json";
/// The file of the audit log.
pub const AUDIT_LOG: &str = "audit.log";

/// What differs from cluster to cluster.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The cluster's name.
    pub name: &'a str,
    /// The nodes' image.
    pub image: &'a str,
    /// The API server's port on the loopback interface; any free one where there is none.
    pub port: Option<u16>,
    /// Whether pods get their network from the testbed, and not from the image.
    pub own_network: bool,
    /// The folder of all volumes on the machine.
    pub volumes: &'a Path,
    /// The folder of the audit log on the machine.
    pub audit: &'a Path,
}

/// kind's configuration.
pub fn kind(settings: &Settings<'_>) -> Value {
    let mut networking = json!({
        "apiServerAddress": "127.0.0.1",
        "podSubnet": POD_SUBNET,
        "serviceSubnet": SERVICE_SUBNET,
        "disableDefaultCNI": settings.own_network,
    });
    if let (Some(port), Some(fields)) = (settings.port, networking.as_object_mut()) {
        fields.insert("apiServerPort".to_owned(), json!(port));
    }
    let nodes: Vec<_> = NODES
        .iter()
        .map(|node| self::node(settings, node))
        .collect();
    let patches: Vec<_> = kubeadm_patches().iter().map(Value::to_string).collect();
    json!({
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": settings.name,
        "networking": networking,
        "kubeadmConfigPatches": patches,
        "nodes": nodes,
    })
}

/// Everything is logged, without bodies; a request is logged once it is answered.
pub fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    })
}

fn node(settings: &Settings<'_>, name: &str) -> Value {
    let is_control_plane = name == "control-plane";
    let mut mounts = vec![
        json!({"hostPath": settings.volumes.join(name), "containerPath": LOCAL_VOLUMES}),
        json!({"hostPath": settings.volumes.join("shared"), "containerPath": SHARED_VOLUMES}),
    ];
    if is_control_plane {
        mounts.push(json!({"hostPath": settings.audit, "containerPath": AUDIT_FOLDER}));
    }
    let role = if is_control_plane {
        "control-plane"
    } else {
        "worker"
    };
    json!({"role": role, "image": settings.image, "extraMounts": mounts})
}

/// Failures are noticed within half a minute, growth of a volume within ten seconds, and nothing asks
/// for what a machine without CAP_SYS_RESOURCE or with the first version of control groups lacks.
fn kubeadm_patches() -> [Value; 3] {
    [
        json!({
            "kind": "ClusterConfiguration",
            "apiServer": {
                "extraArgs": {
                    "audit-policy-file": format!("{AUDIT_FOLDER}/{AUDIT_POLICY}"),
                    "audit-log-path": format!("{AUDIT_FOLDER}/{AUDIT_LOG}"),
                },
                "extraVolumes": [{
                    "name": "audit",
                    "hostPath": AUDIT_FOLDER,
                    "mountPath": AUDIT_FOLDER,
                    "pathType": "Directory",
                }],
            },
            "controllerManager": {"extraArgs": {"node-monitor-grace-period": "20s"}},
        }),
        json!({
            "kind": "KubeletConfiguration",
            "failCgroupV1": false,
            "oomScoreAdj": 0,
            "nodeStatusUpdateFrequency": "4s",
            "syncFrequency": "10s",
        }),
        json!({"kind": "KubeProxyConfiguration", "oomScoreAdj": 0}),
    ]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn kind_is_told_of_four_nodes_their_volumes_and_the_audit_log() {
        let settings = Settings {
            name: "svom",
            image: "svom-kind-node:v1.36.3-0123456789ab",
            port: Some(40_000),
            own_network: true,
            volumes: Path::new("/s/volumes"),
            audit: Path::new("/s/audit"),
        };
        let text = serde_json::to_string_pretty(&kind(&settings)).unwrap();
        expect![[r#"
            {
              "apiVersion": "kind.x-k8s.io/v1alpha4",
              "kind": "Cluster",
              "kubeadmConfigPatches": [
                "{\"apiServer\":{\"extraArgs\":{\"audit-log-path\":\"/var/log/testbed-audit/audit.log\",\"audit-policy-file\":\"/var/log/testbed-audit/policy.json\"},\"extraVolumes\":[{\"hostPath\":\"/var/log/testbed-audit\",\"mountPath\":\"/var/log/testbed-audit\",\"name\":\"audit\",\"pathType\":\"Directory\"}]},\"controllerManager\":{\"extraArgs\":{\"node-monitor-grace-period\":\"20s\"}},\"kind\":\"ClusterConfiguration\"}",
                "{\"failCgroupV1\":false,\"kind\":\"KubeletConfiguration\",\"nodeStatusUpdateFrequency\":\"4s\",\"oomScoreAdj\":0,\"syncFrequency\":\"10s\"}",
                "{\"kind\":\"KubeProxyConfiguration\",\"oomScoreAdj\":0}"
              ],
              "name": "svom",
              "networking": {
                "apiServerAddress": "127.0.0.1",
                "apiServerPort": 40000,
                "disableDefaultCNI": true,
                "podSubnet": "10.244.0.0/16",
                "serviceSubnet": "10.96.0.0/16"
              },
              "nodes": [
                {
                  "extraMounts": [
                    {
                      "containerPath": "/var/local/testbed/local",
                      "hostPath": "/s/volumes/control-plane"
                    },
                    {
                      "containerPath": "/var/local/testbed/shared",
                      "hostPath": "/s/volumes/shared"
                    },
                    {
                      "containerPath": "/var/log/testbed-audit",
                      "hostPath": "/s/audit"
                    }
                  ],
                  "image": "svom-kind-node:v1.36.3-0123456789ab",
                  "role": "control-plane"
                },
                {
                  "extraMounts": [
                    {
                      "containerPath": "/var/local/testbed/local",
                      "hostPath": "/s/volumes/worker"
                    },
                    {
                      "containerPath": "/var/local/testbed/shared",
                      "hostPath": "/s/volumes/shared"
                    }
                  ],
                  "image": "svom-kind-node:v1.36.3-0123456789ab",
                  "role": "worker"
                },
                {
                  "extraMounts": [
                    {
                      "containerPath": "/var/local/testbed/local",
                      "hostPath": "/s/volumes/worker2"
                    },
                    {
                      "containerPath": "/var/local/testbed/shared",
                      "hostPath": "/s/volumes/shared"
                    }
                  ],
                  "image": "svom-kind-node:v1.36.3-0123456789ab",
                  "role": "worker"
                },
                {
                  "extraMounts": [
                    {
                      "containerPath": "/var/local/testbed/local",
                      "hostPath": "/s/volumes/worker3"
                    },
                    {
                      "containerPath": "/var/local/testbed/shared",
                      "hostPath": "/s/volumes/shared"
                    }
                  ],
                  "image": "svom-kind-node:v1.36.3-0123456789ab",
                  "role": "worker"
                }
              ]
            }"#]].assert_eq(&text);
    }

    #[test]
    fn a_stock_image_keeps_its_network_and_the_engine_chooses_the_port() {
        let settings = Settings {
            name: "svom",
            image: "kindest/node:v1.36.4",
            port: None,
            own_network: false,
            volumes: Path::new("/s/volumes"),
            audit: Path::new("/s/audit"),
        };
        let networking = kind(&settings)["networking"].clone();
        assert_eq!(
            networking,
            json!({
                "apiServerAddress": "127.0.0.1",
                "podSubnet": "10.244.0.0/16",
                "serviceSubnet": "10.96.0.0/16",
                "disableDefaultCNI": false,
            })
        );
    }
}
