use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{merged, pod, unplaced, waiting, with_container};
use crate::kubernetes::observe::{Difference, Way, differences, pods_to_remake};

/// The StatefulSet of the test of `applied`, as it was applied and as it is stored.
fn stored() -> (StatefulSet, StatefulSet) {
    let pairs: Vec<Value> =
        serde_json::from_str(include_str!("../../applied/stored.json")).expect("JSON");
    let is = |pair: &&Value| pair["applied"]["kind"] == "StatefulSet";
    let pair = pairs.iter().find(is).expect("it is there");
    let typed = |value: &Value| serde_json::from_value(value.clone()).expect("a StatefulSet");
    (typed(&pair["live"]), typed(&pair["applied"]))
}

/// What it takes to bring about the value at a pointer.
fn way(pointer: &str, value: Value) -> Way {
    let (live, wanted) = stored();
    let mut wanted = serde_json::to_value(&wanted).expect("plain data");
    *wanted.pointer_mut(pointer).expect("it is there") = value;
    let wanted = serde_json::from_value(wanted).expect("a StatefulSet");
    let found = differences(&live, &wanted);
    let mut ways: Vec<Way> = found
        .into_iter()
        .map(|Difference { way, .. }| way)
        .collect();
    ways.dedup();
    assert_eq!(ways.len(), 1, "{pointer}");
    ways[0]
}

#[test]
fn nothing_is_done_where_nothing_differs() {
    let (live, wanted) = stored();
    assert_eq!(differences(&live, &wanted), []);
}

#[test]
fn what_is_looked_at_when_a_pod_is_placed_changes_in_place() {
    for (field, value) in [
        ("nodeSelector", json!({"a": "b"})),
        ("tolerations", json!([{"key": "a"}])),
        ("priorityClassName", json!("low")),
        ("affinity", json!({})),
        ("topologySpreadConstraints/0/maxSkew", json!(2)),
        ("imagePullSecrets", json!([{"name": "x"}])),
        ("containers/0/imagePullPolicy", json!("Always")),
    ] {
        let pointer = format!("/spec/template/spec/{field}");
        assert_eq!(way(&pointer, value), Way::InPlace, "{field}");
    }
    for (field, value) in [
        (
            "persistentVolumeClaimRetentionPolicy/whenDeleted",
            json!("Retain"),
        ),
        ("replicas", json!(1)),
    ] {
        assert_eq!(
            way(&format!("/spec/{field}"), value),
            Way::InPlace,
            "{field}"
        );
    }
    assert_eq!(way("/metadata/labels", json!({})), Way::InPlace);
}

#[test]
fn other_differences_of_the_template_take_a_restart() {
    for (field, value) in [
        ("spec/containers/0/image", json!("x")),
        ("spec/containers/0/resources/limits/memory", json!("2Gi")),
        ("spec/terminationGracePeriodSeconds", json!(90)),
        ("metadata/annotations", json!({})),
    ] {
        let pointer = format!("/spec/template/{field}");
        assert_eq!(way(&pointer, value), Way::Restart, "{field}");
    }
}

#[test]
fn what_the_api_server_never_changes_takes_another_stateful_set() {
    for (field, value) in [
        ("volumeClaimTemplates/0/spec/storageClassName", json!("x")),
        ("podManagementPolicy", json!("OrderedReady")),
        ("serviceName", json!("x")),
    ] {
        assert_eq!(way(&format!("/spec/{field}"), value), Way::Anew, "{field}");
    }
}

#[test]
fn pods_that_are_made_anew() {
    let set = |seen: i64| -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": "fsc", "uid": "7", "generation": 2},
            "status": {"observedGeneration": seen, "updateRevision": "new", "replicas": 1},
        }))
        .expect("a StatefulSet")
    };
    let with = |revision: &str, base: Pod| -> Pod {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "fsc", "uid": "7", "controller": true}]);
        let with = json!({"metadata": {"labels": {"controller-revision-hash": revision}, "ownerReferences": owner}});
        let base = serde_json::to_value(base).expect("plain data");
        serde_json::from_value(merged(base, &with)).expect("a pod")
    };
    let stuck = || unplaced("0/2 nodes are available");
    let runs = || pod(&json!({}));
    let mut leaving = with("old", stuck());
    leaving.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-11-23T00:00:00Z")).ok();
    let mut foreign = with("old", stuck());
    foreign.metadata.owner_references = None;
    let crashed = with_container(&json!({"ready": false, "restartCount": 3}));
    // The StatefulSet's newest state was seen, the bus has formed, the pod: is it made anew?
    let table = [
        (2, true, with("old", stuck()), true),
        (2, true, with("old", waiting("ImagePullBackOff", "")), true),
        (2, true, with("new", stuck()), false),
        (2, true, with("old", runs()), false),
        (2, true, with("old", crashed.clone()), false),
        (2, false, with("old", runs()), true),
        (2, false, with("old", crashed), true),
        (2, false, with("new", runs()), false),
        (1, false, with("old", runs()), false),
        (2, false, leaving, false),
        (2, false, foreign, false),
        (2, false, stuck(), false),
    ];
    for (row, (seen, formed, pod, expected)) in table.into_iter().enumerate() {
        let found = pods_to_remake(&set(seen), std::slice::from_ref(&pod), formed).len() == 1;
        assert_eq!(found, expected, "row {row}");
    }
}
