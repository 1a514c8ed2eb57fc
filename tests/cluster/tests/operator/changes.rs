//! A resource that changes while its bus runs.

use anyhow::{Result, ensure};
use serde_json::json;
use svom_cluster::scene::Scene;
use svom_cluster::wait::eventually;

use crate::clients::two_users;

pub fn users_rights_and_domains_change_while_the_bus_runs(scene: &Scene) -> Result<()> {
    let domains = json!([{"name": "data", "programs": ["vhf"]}]);
    scene.apply(
        "fsc",
        &json!({"domains": domains, "users": [
            {"name": "gate", "publish": ["data.vhf"]},
            {"name": "leaves", "publish": ["data.vhf"]},
        ]}),
    )?;
    scene.ready("fsc")?;
    let before = restarts(scene)?;
    scene.client("gate", "fsc-user-gate")?;
    scene.client("leaves", "fsc-user-leaves")?;
    let said = scene.ask("leaves", &["publish", "data.vhf", "x"])?;
    ensure!(said.starts_with("DATA"), "{said}");

    let domains = json!([
        {"name": "data", "programs": ["vhf", "mdb"]},
        {"name": "science", "programs": ["too"]},
    ]);
    scene.apply(
        "fsc",
        &json!({"domains": domains, "users": [
            {"name": "gate", "publish": ["data.*", "science.too"]},
            {"name": "comes", "subscribe": ["science.*"], "authentication": "Password",
             "durables": [{"name": "inbox", "queues": ["science.too"]}]},
        ]}),
    )?;
    scene.ready("fsc")?;
    for queue in ["data.vhf", "data.mdb", "science.too"] {
        let said = scene.ask("gate", &["publish", queue, "x"])?;
        ensure!(!said.starts_with("no"), "{queue}: {said}");
    }
    scene.client("comes", "fsc-user-comes")?;
    let log = "/tmp/read";
    scene.ask(
        "comes",
        &[
            "drain",
            "deliver.science.comes.inbox",
            "comes.inbox",
            log,
            "1",
        ],
    )?;
    ensure!(
        scene.in_pod("comes", &["cat", log])?.trim() == "x",
        "the durable gave something else"
    );
    // Who left is refused, with the very credentials that worked before.
    let said = scene.ask("leaves", &["publish", "data.vhf", "x"]);
    let why = said.err().map(|error| format!("{error:#}"));
    let why = why.unwrap_or_else(|| "it still connects".to_owned());
    ensure!(
        why.contains("Authorization") || why.contains("NoServers"),
        "{why}"
    );
    assert_eq!(restarts(scene)?, before, "a server was restarted");
    Ok(())
}

/// The pods with their containers' starts.
fn restarts(scene: &Scene) -> Result<String> {
    let path = "--output=jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].containerID}\n{end}";
    scene.run(&[
        "get",
        "pods",
        "--selector=app.kubernetes.io/name=nats",
        path,
    ])
}

pub fn what_this_release_does_not_do_is_refused_by_name_and_the_rest_goes_on(
    scene: &Scene,
) -> Result<()> {
    let storage = json!({"size": "5Gi"});
    scene.apply("fsc", &json!({"users": two_users(), "storage": storage}))?;
    scene.ready("fsc")?;
    let before = restarts(scene)?;
    let users = json!([
        {"name": "vhf-listener", "publish": ["data.vhf"]},
        {"name": "comes", "publish": ["data.mdb"]},
    ]);
    scene.apply(
        "fsc",
        &json!({
            "users": users,
            "replicas": 5,
            "version": "2.15.2",
            "storage": {"size": "6Gi", "sync": "10s"},
            "websocket": {"enabled": true},
        }),
    )?;
    for path in [
        "spec.replicas",
        "spec.version",
        "spec.storage.size",
        "spec.storage.sync",
        "spec.websocket.enabled",
    ] {
        scene.says("fsc", path)?;
    }
    let (stalled, reason, message) = scene.condition("fsc", "Stalled")?;
    ensure!(
        stalled == "True" && reason == "ChangeRefused",
        "{reason}: {message}"
    );
    // The user that came is there, and the one that left is not.
    scene.client("comes", "fsc-user-comes")?;
    eventually("the new user to publish", || {
        let said = scene.ask("comes", &["publish", "data.mdb", "x"])?;
        ensure!(said.starts_with("DATA"), "{said}");
        Ok(())
    })?;
    assert_eq!(restarts(scene)?, before, "a server was restarted");
    scene.apply("fsc", &json!({"users": users, "storage": storage}))?;
    scene.ready("fsc")
}

pub fn a_paused_resource_is_observed_and_nothing_is_changed(scene: &Scene) -> Result<()> {
    scene.apply("later", &json!({"users": two_users(), "paused": true}))?;
    scene.says("later", "the bus is not made yet")?;
    scene.wait_for_none(&[
        "statefulsets,secrets",
        "--selector=app.kubernetes.io/managed-by=svom-messaging",
    ])?;

    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    let before = (restarts(scene)?, scene.secrets()?);
    scene.apply(
        "fsc",
        &json!({"users": [{"name": "comes", "publish": ["data.vhf"]}], "paused": true}),
    )?;
    scene.says("fsc", "paused, and these changes wait")?;
    // It is looked at all the same.
    scene.without_new_pods(|| {
        scene.run(&["delete", "pod", "fsc-1", "--wait=false"])?;
        scene.ready_servers("fsc", 2)
    })?;
    scene.ready_servers("fsc", 3)?;
    assert_eq!(scene.secrets()?, before.1);
    scene.apply(
        "fsc",
        &json!({"users": [{"name": "comes", "publish": ["data.vhf"]}]}),
    )?;
    scene.ready("fsc")?;
    ensure!(
        scene.find(&["secret", "fsc-user-comes"])?.is_some(),
        "no Secret for the user that came"
    );
    Ok(())
}
