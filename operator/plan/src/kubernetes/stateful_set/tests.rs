use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use serde_json::{Value, json};

use super::stateful_set;
use crate::kubernetes::fixtures::{made, of_spec};
use crate::server_config::LAME_DUCK_SECONDS;

fn template(spec: &str) -> PodTemplateSpec {
    let made = made(&of_spec(spec));
    stateful_set(&made.bus())
        .spec
        .expect("a specification")
        .template
}

fn pod(spec: &str) -> PodSpec {
    template(spec).spec.expect("a specification")
}

fn value(of: impl serde::Serialize) -> Value {
    serde_json::to_value(of).expect("plain data")
}

fn apart() -> Value {
    json!({
        "labelSelector": {"matchLabels": {
            "app.kubernetes.io/component": "server",
            "app.kubernetes.io/instance": "fsc",
            "app.kubernetes.io/name": "nats",
        }},
        "topologyKey": "kubernetes.io/hostname",
    })
}

#[test]
fn no_two_servers_share_a_node_whatever_else_is_asked_for() {
    let asked = "pod:\n  affinity:\n    nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: Exists}]}]}}\n    podAntiAffinity:\n      requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]\n      preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: rack}}]";
    let terms = |spec| value(pod(spec).affinity);
    assert_eq!(
        terms("users: []"),
        json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart()]}})
    );
    let merged = terms(asked);
    assert_eq!(
        merged.pointer("/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution"),
        Some(&json!([apart(), {"topologyKey": "zone"}]))
    );
    assert!(
        merged
            .pointer("/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0")
            .is_some()
    );
    assert!(merged.pointer("/nodeAffinity").is_some());
}

#[test]
fn a_constraint_that_names_no_pods_is_about_the_servers() {
    let spec = "pod: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}, {maxSkew: 2, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {a: b}}}]}";
    let spread = value(pod(spec).topology_spread_constraints);
    assert_eq!(
        spread.pointer("/0/labelSelector"),
        apart().get("labelSelector")
    );
    assert_eq!(
        spread.pointer("/1/labelSelector"),
        Some(&json!({"matchLabels": {"a": "b"}}))
    );
}

#[test]
fn memory_is_collected_before_the_limit() {
    let variable = |spec: &str| {
        let environment = pod(spec).containers[0].env.clone().expect("an environment");
        environment
            .iter()
            .find(|variable| variable.name == "GOMEMLIMIT")
            .and_then(|variable| variable.value.clone())
    };
    assert_eq!(variable("users: []"), None);
    let limited = variable("pod: {resources: {limits: {memory: 500M}}}");
    assert_eq!(limited.as_deref(), Some("450000000B"));
}

#[test]
fn a_server_has_the_time_to_leave() {
    let pod = pod("users: []");
    let grace = pod
        .termination_grace_period_seconds
        .expect("a grace period");
    assert!(grace > i64::from(LAME_DUCK_SECONDS) + 1);
}

#[test]
fn labels_of_ones_own_stand_beside_ours() {
    let labels = template("pod: {labels: {team: fsc}}")
        .metadata
        .and_then(|metadata| metadata.labels);
    let labels = labels.expect("labels");
    assert_eq!(labels.get("team").map(String::as_str), Some("fsc"));
    assert_eq!(
        labels
            .get("app.kubernetes.io/component")
            .map(String::as_str),
        Some("server")
    );
}

#[test]
fn volumes_go_with_the_resource_only_where_it_says_so() {
    let policy = |spec: &str| {
        let made = made(&of_spec(spec));
        let spec = stateful_set(&made.bus()).spec.expect("a specification");
        value(spec.persistent_volume_claim_retention_policy)
    };
    assert_eq!(
        policy("users: []"),
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"})
    );
    assert_eq!(
        policy("storage: {onDelete: Delete}"),
        json!({"whenDeleted": "Delete", "whenScaled": "Retain"})
    );
}
