//! A resource that is deleted, and what stays.

use anyhow::{Result, ensure};
use serde_json::json;
use svom_cluster::scene::{Scene, manifest};
use svom_cluster::wait::LIMIT;

use crate::clients::two_users;

pub fn what_is_retained_is_taken_up_again_with_its_messages(scene: &Scene) -> Result<()> {
    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    scene.client("publishes", "fsc-user-vhf-listener")?;
    scene.client("reads", "fsc-user-alert-desk")?;
    for text in ["one", "two", "three"] {
        scene.ask("publishes", &["publish", "data.vhf", text])?;
    }
    let credentials = scene.secrets()?;
    scene.run(&["delete", "svm", "fsc", "--wait"])?;
    scene.wait_for_none(&["pods", "--selector=app.kubernetes.io/name=nats"])?;
    scene.wait_for_none(&[
        "statefulsets,services,poddisruptionbudgets,networkpolicies",
        "--selector=app.kubernetes.io/instance=fsc",
    ])?;
    let left = scene.secrets()?;
    for name in [
        "fsc-authorities",
        "fsc-operator",
        "fsc-user-vhf-listener",
        "fsc-user-alert-desk",
    ] {
        ensure!(left.iter().any(|(left, _)| left == name), "{name} is gone");
    }

    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    let again = scene.secrets()?;
    for (name, data) in credentials
        .iter()
        .filter(|(name, _)| name.starts_with("fsc-user-"))
    {
        ensure!(
            again.contains(&(name.clone(), data.clone())),
            "{name} is another one"
        );
    }
    // The clients, with what they had mounted before, and the messages of before.
    let said = scene.ask("publishes", &["publish", "data.vhf", "four"])?;
    ensure!(said == "DATA 4", "{said}");
    let log = "/tmp/read";
    scene.ask(
        "reads",
        &[
            "drain",
            "deliver.data.alert-desk.inbox",
            "alert-desk.inbox",
            log,
            "4",
        ],
    )?;
    assert_eq!(
        scene.in_pod("reads", &["cat", log])?,
        "one\ntwo\nthree\nfour\n"
    );
    Ok(())
}

pub fn what_is_not_retained_goes(scene: &Scene) -> Result<()> {
    let storage = json!({"size": "5Gi", "onDelete": "Delete"});
    scene.apply("fsc", &json!({"users": two_users(), "storage": storage}))?;
    scene.ready("fsc")?;
    scene.run(&["delete", "svm", "fsc", "--wait"])?;
    let ours = "--selector=app.kubernetes.io/managed-by=svom-messaging";
    scene.wait_for_none(&[
        "secrets,services,statefulsets,pods,persistentvolumeclaims",
        ours,
    ])
}

pub fn a_namespace_and_a_definition_go_while_the_operator_is_away(scene: &Scene) -> Result<()> {
    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    scene.operators(0)?;
    collects_what_a_resource_leaves(scene)?;
    // No finalizer of ours holds anything up.
    let definition = "svommessagings.messaging.svom.eu";
    scene
        .kubectl()
        .run(["delete", "crd", definition, "--timeout=60s"])?;
    scene.wait_for_none(&["pods", "--selector=app.kubernetes.io/name=nats"])?;
    scene
        .kubectl()
        .apply(&scene.moved(&manifest("install.yaml")?))?;
    scene.operators(1)?;
    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    let timeout = format!("--timeout={}s", LIMIT.as_secs());
    let delete = ["delete", "namespace", &scene.namespace, &timeout];
    let mut delete = scene.kubectl().command(delete);
    svom_cluster::command::output(&mut delete, LIMIT).map(drop)
}

/// Waits until the cluster removes what belonged to a resource that is gone. Of a definition that has just
/// come its collector does not know for some half a minute: what goes with it by then is left.
fn collects_what_a_resource_leaves(scene: &Scene) -> Result<()> {
    scene.apply("passing", &json!({"users": two_users()}))?;
    let passing = scene.get(&["svm", "passing"])?;
    let its = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "left",
            "namespace": scene.namespace,
            "ownerReferences": [{
                "apiVersion": passing["apiVersion"], "kind": passing["kind"],
                "name": "passing", "uid": passing["metadata"]["uid"],
            }],
        },
    });
    scene.kubectl().apply(&its.to_string())?;
    scene.run(&["delete", "svm", "passing", "--wait"])?;
    scene.wait_for_none(&["configmap", "left"])
}
