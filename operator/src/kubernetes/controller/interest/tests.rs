use serde_json::json;

use super::*;

const RESOURCE: &str = "apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: fsc}
spec:
  tls: {issuer: {secretRef: {name: corp-ca}}}
  users:
    - {name: ann, publish: [data.vhf], secretRef: {name: anns-own}}
    - {name: bob, publish: [data.vhf]}
";

fn metadata(name: &str, more: serde_json::Value) -> ObjectMeta {
    let mut metadata: ObjectMeta = serde_json::from_value(more).expect("metadata");
    metadata.name = Some(name.to_owned());
    metadata
}

fn resource(name: &str, generation: i64) -> ObjectMeta {
    metadata(name, json!({"uid": name, "generation": generation}))
}

fn ours(name: &str, resource: &str) -> ObjectMeta {
    metadata(
        name,
        json!({"labels": {INSTANCE: resource, MANAGED_BY: MANAGER}}),
    )
}

fn told(woken: &Woken) -> Vec<String> {
    woken
        .iter()
        .map(|(key, wake)| format!("{key} {wake:?}"))
        .collect()
}

fn interest(resources: &[(&str, &str)]) -> Interest {
    let mut interest = Interest::default();
    for (namespace, name) in resources {
        interest.seen(Kind::Resource, namespace, &resource(name, 1));
    }
    interest
}

#[test]
fn a_resource_concerns_itself_when_somebody_changed_it() {
    let mut interest = Interest::default();
    let mut seen =
        |metadata: &ObjectMeta| told(&interest.seen(Kind::Resource, "n", metadata)).len();
    assert_eq!(seen(&resource("fsc", 1)), 1);
    // Its status was written.
    let mut changed = resource("fsc", 1);
    changed.resource_version = Some("8".to_owned());
    changed.managed_fields = Some(Vec::new());
    assert_eq!(seen(&changed), 0);
    assert_eq!(seen(&resource("fsc", 2)), 1);
    changed.generation = Some(2);
    for more in [
        json!({"annotations": {"a": "b"}}),
        json!({"labels": {"a": "b"}}),
    ] {
        let mut more = metadata("fsc", more);
        (more.uid, more.generation) = (changed.uid.clone(), changed.generation);
        assert_eq!((seen(&more), seen(&more)), (1, 0));
    }
    assert_eq!((seen(&changed), seen(&changed)), (1, 0));
    changed.uid = Some("another".to_owned());
    assert_eq!(seen(&changed), 1);
}

#[test]
fn a_resource_that_is_gone_and_comes_again_is_looked_at_each_time() {
    let mut interest = interest(&[("n", "fsc")]);
    let fsc = resource("fsc", 1);
    assert_eq!(
        told(&interest.gone(Kind::Resource, "n", &fsc)),
        ["n/fsc Changed"]
    );
    assert_eq!(
        told(&interest.seen(Kind::Resource, "n", &fsc)),
        ["n/fsc Changed"]
    );
    let key = Key {
        namespace: "n".to_owned(),
        name: "fsc".to_owned(),
    };
    interest.forget(&key);
    assert!(interest.all("n").is_empty());
}

#[test]
fn what_a_new_list_lacks_may_be_gone() {
    let mut interest = interest(&[("m", "fsc"), ("n", "a"), ("n", "b"), ("o", "fsc")]);
    interest.list_begun("n");
    assert!(
        interest
            .seen(Kind::Resource, "n", &resource("b", 1))
            .is_empty()
    );
    assert_eq!(told(&interest.list_done("n")), ["n/a Changed"]);
    assert_eq!(told(&interest.all("n")), ["n/a Stirred", "n/b Stirred"]);
}

#[test]
fn objects_concern_the_resource_that_they_were_made_for() {
    let mut interest = interest(&[("m", "fsc"), ("n", "fsc")]);
    for kind in [Kind::Object, Kind::Secret] {
        assert_eq!(
            told(&interest.seen(kind, "n", &ours("x", "fsc"))),
            ["n/fsc Stirred"]
        );
        assert_eq!(
            told(&interest.gone(kind, "n", &ours("x", "fsc"))),
            ["n/fsc Stirred"]
        );
        let others = [
            ours("x", "nobody"),
            metadata("fsc", json!({})),
            metadata("x", json!({"labels": {INSTANCE: "fsc"}})),
            metadata(
                "x",
                json!({"labels": {INSTANCE: "fsc", MANAGED_BY: "Helm"}}),
            ),
        ];
        for other in others {
            assert!(interest.seen(kind, "n", &other).is_empty(), "{other:?}");
        }
    }
}

#[test]
fn secrets_concern_those_who_name_them() {
    let mut interest = interest(&[("m", "fsc"), ("n", "fsc"), ("n", "other")]);
    let secret = |name| metadata(name, json!({}));
    assert!(
        interest
            .seen(Kind::Secret, "n", &secret("corp-ca"))
            .is_empty()
    );
    let read = svom_crds::read::read(RESOURCE.as_bytes()).expect("a resource");
    let key = Key {
        namespace: "n".to_owned(),
        name: "fsc".to_owned(),
    };
    interest.read(&key, &read);
    for name in ["corp-ca", "anns-own"] {
        assert_eq!(
            told(&interest.seen(Kind::Secret, "n", &secret(name))),
            ["n/fsc Changed"]
        );
        assert_eq!(
            told(&interest.gone(Kind::Secret, "n", &secret(name))),
            ["n/fsc Changed"]
        );
        assert!(interest.seen(Kind::Secret, "m", &secret(name)).is_empty());
        assert!(interest.seen(Kind::Object, "n", &secret(name)).is_empty());
    }
    assert!(interest.seen(Kind::Secret, "n", &secret("bob")).is_empty());
    let both = ours("corp-ca", "other");
    assert_eq!(
        told(&interest.seen(Kind::Secret, "n", &both)),
        ["n/other Stirred", "n/fsc Changed"]
    );
}
