//! What an invalid resource still takes away.

use svom_crds::SvomMessagingSpec;

use super::only_revocations;
use crate::queues::fixtures::{bus, edited, ingest, queues, user_of};
use crate::valid::{Pattern, UserName, Valid};

/// A resource's spec with these users, as JSON.
fn spec(users: serde_json::Value) -> SvomMessagingSpec {
    serde_json::from_value(serde_json::json!({"users": users})).unwrap()
}

fn pipeline(publish: &[&str], subscribe: &[&str], durable: &[&str]) -> serde_json::Value {
    serde_json::json!({
        "name": "pipeline",
        "publish": publish,
        "subscribe": subscribe,
        "durables": [{"name": "ingest", "queues": durable}],
    })
}

fn gateway() -> serde_json::Value {
    serde_json::json!({"name": "gateway", "publish": ["data.vhf", "data.no-such-queue"]})
}

fn without_durable(valid: &mut Valid) {
    user_of(valid, "pipeline").durables.clear();
}

fn subscribes(valid: &mut Valid, names: &[&str]) {
    let pipeline = user_of(valid, "pipeline");
    pipeline.subscribe = queues(names);
    pipeline.subscribe_patterns = names
        .iter()
        .map(|name| Pattern((*name).to_owned()))
        .collect();
}

#[test]
fn what_is_no_longer_named_goes_and_nothing_else_changes() {
    let full = pipeline(&["science.too"], &["data.*"], &["data.vhf", "data.xband"]);
    let table = [
        (
            "the same and an undeclared queue",
            spec(serde_json::json!([full, gateway()])),
            bus(),
        ),
        (
            "a user less",
            spec(serde_json::json!([full])),
            edited(|valid| {
                valid.users.remove(&UserName::new("gateway"));
            }),
        ),
        (
            "no users at all",
            spec(serde_json::json!([])),
            edited(|valid| valid.users.clear()),
        ),
        (
            "a wildcard in place of a queue adds nothing",
            spec(serde_json::json!([
                pipeline(&["science.*", "data.*"], &["*.vhf", "data.*"], &["data.*"]),
                gateway()
            ])),
            bus(),
        ),
        (
            "a right to publish less",
            spec(serde_json::json!([
                pipeline(&[], &["data.*"], &["data.vhf", "data.xband"]),
                gateway()
            ])),
            edited(|valid| user_of(valid, "pipeline").publish.clear()),
        ),
        (
            "a queue in place of a wildcard, and the durable loses what its user lost",
            spec(serde_json::json!([
                pipeline(&["science.too"], &["data.vhf", "data.mdb"], &["data.*"]),
                gateway()
            ])),
            edited(|valid| {
                subscribes(valid, &["data.mdb", "data.vhf"]);
                ingest(valid).queues = queues(&["data.vhf"]);
            }),
        ),
        (
            "a durable that would read nothing",
            spec(serde_json::json!([
                pipeline(&["science.too"], &["data.mdb"], &["data.vhf"]),
                gateway()
            ])),
            edited(|valid| {
                subscribes(valid, &["data.mdb"]);
                without_durable(valid);
            }),
        ),
        (
            "a durable that is not named",
            spec(serde_json::json!([
                {"name": "pipeline", "publish": ["science.too"], "subscribe": ["data.*"]},
                gateway()
            ])),
            edited(without_durable),
        ),
        (
            "forms that are too wide take nothing away",
            spec(serde_json::json!([
                pipeline(&[">"], &["data.>"], &["*.*"]),
                gateway()
            ])),
            edited(|valid| subscribes(valid, &["data.mdb", "data.vhf", "data.xband"])),
        ),
        (
            "a name that stands there twice",
            spec(serde_json::json!([
                full,
                {"name": "gateway"},
                {"name": "gateway", "publish": ["data.vhf"]}
            ])),
            bus(),
        ),
        (
            "words that are no rights at all",
            spec(serde_json::json!([
                pipeline(
                    &["science"],
                    &["data.*.x", "data.*"],
                    &["data.vhf", "data.xband"]
                ),
                gateway()
            ])),
            edited(|valid| user_of(valid, "pipeline").publish.clear()),
        ),
    ];
    for (case, spec, wanted) in table {
        assert_eq!(only_revocations(&bus(), &spec), wanted, "{case}");
    }
}

#[test]
fn a_removed_domain_takes_no_right_away() {
    let users = serde_json::json!([
        pipeline(&["science.too"], &["data.*"], &["data.vhf", "data.xband"]),
        gateway()
    ]);
    let spec: SvomMessagingSpec = serde_json::from_value(serde_json::json!({
        "users": users,
        "domains": [{"name": "data", "programs": ["vhf"]}],
    }))
    .unwrap();
    assert_eq!(only_revocations(&bus(), &spec), bus());
}
