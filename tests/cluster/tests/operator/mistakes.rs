//! What only the cluster can refuse: a reason that says what to do, nothing that worked breaks, and the
//! mended mistake is acted on.

use anyhow::{Result, ensure};
use serde_json::json;
use svom_cluster::scene::Scene;

use crate::clients::two_users;

pub fn what_a_person_must_mend_is_told_and_acted_on_once_it_is_mended(scene: &Scene) -> Result<()> {
    let with = |secret: &str| {
        json!({"users": [
            {"name": "gate", "publish": ["data.vhf"]},
            {"name": "brings", "publish": ["data.mdb"], "secretRef": {"name": secret}},
        ]})
    };
    // A Secret that is not there, before anything was made; it comes.
    scene.apply("fsc", &with("mine"))?;
    scene.says("fsc", "Secret mine")?;
    scene.run(&[
        "create",
        "secret",
        "generic",
        "mine",
        "--from-literal=password=a-password-of-mine",
    ])?;
    scene.ready("fsc")?;
    scene.client("gate", "fsc-user-gate")?;
    scene.client("brings", "fsc-user-brings")?;
    let works = |pod: &str, queue: &str| {
        let said = scene.ask(pod, &["publish", queue, "x"])?;
        ensure!(said.starts_with("DATA"), "{said}");
        Ok(())
    };
    works("brings", "data.mdb")?;

    // One that does not fit, while the bus runs.
    scene.run(&[
        "create",
        "secret",
        "generic",
        "unfit",
        "--from-literal=password=with\nline",
    ])?;
    scene.apply("fsc", &with("unfit"))?;
    scene.says("fsc", "unfit")?;
    works("gate", "data.vhf")?;
    scene.apply("fsc", &with("mine"))?;
    scene.ready("fsc")?;
    works("brings", "data.mdb")?;

    // More than the volumes hold.
    let mut overcommitted = with("mine");
    overcommitted["domains"] = json!([
        {"name": "data", "programs": ["vhf", "mdb"], "maxBytes": "100Gi"},
    ]);
    scene.apply("fsc", &overcommitted)?;
    scene.says("fsc", "raise spec.storage.size or lower maxBytes")?;
    works("gate", "data.vhf")?;
    scene.apply("fsc", &with("mine"))?;
    scene.ready("fsc")
}

pub fn what_no_node_can_run_is_told_and_acted_on_once_it_is_mended(scene: &Scene) -> Result<()> {
    let good = json!({"users": two_users()});
    let mistakes = [
        (
            json!({"storage": {"size": "5Gi", "storageClassName": "none-such"}}),
            "storage class none-such",
        ),
        (
            json!({"image": {"repository": "localhost/none-such", "tag": "1", "pullPolicy": "Never"}}),
            "image",
        ),
        (
            json!({"pod": {"nodeSelector": {"no": "such"}}}),
            "no node takes its pod",
        ),
    ];
    for (number, (mistake, words)) in mistakes.into_iter().enumerate() {
        let name = format!("bus{number}");
        let mut spec = good.clone();
        for (field, value) in mistake.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        scene.apply(&name, &spec)?;
        scene.says(&name, words)?;
        scene.apply(&name, &good)?;
        scene.ready(&name)?;
        scene.run(&["delete", "svm", &name, "--wait"])?;
        scene.wait_for_none(&["pods", "--selector=app.kubernetes.io/name=nats"])?;
    }
    Ok(())
}

pub fn an_object_of_somebody_else_is_never_touched(scene: &Scene) -> Result<()> {
    // One that is needed before there are servers, and one without which there may be no queues.
    for (bus, secret) in [("fsc", "fsc-operator"), ("late", "late-in-force")] {
        let create = ["create", "secret", "generic", secret];
        scene.run(&[create.as_slice(), &["--from-literal=theirs=kept"]].concat())?;
        let theirs = scene.get(&["secret", secret])?;
        scene.apply(bus, &json!({"users": two_users()}))?;
        scene.says(bus, &format!("Secret {secret} is in the way"))?;
        let (stalled, reason, message) = scene.condition(bus, "Stalled")?;
        ensure!(
            stalled == "True" && reason == "SecretConflict",
            "{reason}: {message}"
        );
        assert_eq!(scene.get(&["secret", secret])?, theirs);
        let told = scene.get(&["svm", bus])?;
        let leader = told.pointer("/status/domains/0/leader");
        ensure!(leader.is_none(), "{bus} has queues: {told}");
        scene.run(&["delete", "secret", secret])?;
        scene.ready(bus)?;
    }
    Ok(())
}
