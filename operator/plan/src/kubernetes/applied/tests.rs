use serde_json::{Value, json};

use super::differences;

/// Measured: objects as they were applied, and as an API server of Kubernetes 1.36.3 stored them.
const STORED: &str = include_str!("stored.json");

struct Pair {
    applied: Value,
    live: Value,
}

fn pairs() -> Vec<Pair> {
    let stored: Vec<Value> = serde_json::from_str(STORED).expect("it is JSON");
    let pair = |mut pair: Value| Pair {
        applied: pair["applied"].take(),
        live: pair["live"].take(),
    };
    stored.into_iter().map(pair).collect()
}

fn stateful_set() -> Pair {
    let is = |pair: &Pair| pair.applied["kind"] == "StatefulSet";
    pairs().into_iter().find(is).expect("it is there")
}

/// Pointers to everything in a value, itself left out.
fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (key, value) in children {
        let path = format!("{path}/{key}");
        pointers(value, &path, found);
        found.push(path);
    }
}

fn remove(value: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match value.pointer_mut(parent).expect("a parent") {
        Value::Object(fields) => {
            fields.remove(&key.replace("~1", "/").replace("~0", "~"));
        }
        Value::Array(items) => {
            items.remove(key.parse().expect("an index"));
        }
        _ => panic!("{pointer} has no parent"),
    }
}

/// Says which object it is, and is never changed.
fn is_identity(pointer: &str) -> bool {
    [
        "/apiVersion",
        "/kind",
        "/metadata",
        "/metadata/name",
        "/metadata/namespace",
    ]
    .contains(&pointer)
}

#[test]
fn what_was_applied_is_not_applied_again() {
    let pairs = pairs();
    assert_eq!(pairs.len(), 7);
    for Pair { applied, live } in pairs {
        let found = differences(&live, &applied);
        assert!(found.is_empty(), "{}: {found:?}", applied["kind"]);
    }
}

#[test]
fn every_change_of_what_is_wanted_is_found() {
    for Pair { applied, live } in pairs() {
        let mut all = Vec::new();
        pointers(&applied, "", &mut all);
        for pointer in all.iter().filter(|pointer| !is_identity(pointer)) {
            let mut wanted = applied.clone();
            remove(&mut wanted, pointer);
            assert!(!differences(&live, &wanted).is_empty(), "{pointer} removed");
            let mut wanted = applied.clone();
            let changed = wanted.pointer_mut(pointer).expect("it is there");
            *changed = match changed {
                Value::Number(_) => json!(-7),
                Value::Bool(is) => json!(!*is),
                _ => json!("something else"),
            };
            assert!(!differences(&live, &wanted).is_empty(), "{pointer} changed");
        }
    }
}

#[test]
fn differences_are_told_by_their_path() {
    type Edit = fn(&mut Value);
    let edits: [(Edit, &[&str]); 7] = [
        (
            |wanted| wanted["spec"]["replicas"] = json!(5),
            &["spec.replicas"],
        ),
        (
            |wanted| wanted["metadata"]["labels"]["new"] = json!("x"),
            &["metadata.labels.new"],
        ),
        (
            |wanted| wanted["spec"]["template"]["spec"]["containers"][0]["image"] = json!("x"),
            &["spec.template.spec.containers[name=nats].image"],
        ),
        (
            |wanted| {
                let container = &mut wanted["spec"]["template"]["spec"]["containers"][0];
                container["env"] = json!([{"name": "POD_NAME", "valueFrom": container["env"][0]["valueFrom"]}, {"name": "NEW", "value": "x"}]);
            },
            &[
                "spec.template.spec.containers[name=nats].env[1]",
                "spec.template.spec.containers[name=nats].env[name=GOMEMLIMIT]",
            ],
        ),
        (
            |wanted| {
                wanted["spec"]["template"]["spec"]
                    .as_object_mut()
                    .expect("a specification")
                    .remove("nodeSelector");
            },
            &["spec.template.spec.nodeSelector"],
        ),
        (
            |wanted| wanted["spec"]["template"]["spec"]["tolerations"] = json!([]),
            &["spec.template.spec.tolerations"],
        ),
        (
            |wanted| {
                wanted["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] =
                    json!("slow")
            },
            &["spec.volumeClaimTemplates"],
        ),
    ];
    for (edit, expected) in edits {
        let Pair { applied, live } = stateful_set();
        let mut wanted = applied;
        edit(&mut wanted);
        assert_eq!(differences(&live, &wanted), expected);
    }
}

#[test]
fn what_others_own_is_not_looked_at() {
    let Pair { applied, mut live } = stateful_set();
    live["metadata"]["annotations"] = json!({"example.org/theirs": "x"});
    live["spec"]["revisionHistoryLimit"] = json!(3);
    live["spec"]["template"]["spec"]["containers"]
        .as_array_mut()
        .expect("a list")
        .insert(0, json!({"name": "injected"}));
    live["metadata"]["managedFields"]
        .as_array_mut()
        .expect("a list")
        .insert(0, json!({"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:annotations": {"f:example.org/theirs": {}}}}}));
    assert!(differences(&live, &applied).is_empty());
}

#[test]
fn a_field_that_somebody_took_over_is_found() {
    let Pair { applied, mut live } = stateful_set();
    live["spec"]["replicas"] = json!(0);
    assert_eq!(differences(&live, &applied), ["spec.replicas"]);
    live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
        .as_object_mut()
        .expect("an account")
        .remove("f:replicas");
    assert_eq!(differences(&live, &applied), ["spec.replicas"]);
}

#[test]
fn an_object_that_was_never_applied_differs_in_everything() {
    let Pair { applied, mut live } = stateful_set();
    live["metadata"]["managedFields"] = json!([
        {"manager": "svom-messaging", "operation": "Update", "fieldsV1": {"f:spec": {}}},
        {"manager": "svom-messaging", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:spec": {}}},
        {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
    ]);
    assert_eq!(differences(&live, &applied), ["metadata", "spec"]);
}
