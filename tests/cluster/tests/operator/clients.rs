//! A client needs nothing but its user's Secret.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use svom_cluster::scene::{Scene, manifest};
use svom_cluster::wait::{LIMIT, eventually};

/// The users of the smallest example.
pub fn two_users() -> Value {
    json!([
        {"name": "vhf-listener", "publish": ["data.vhf"]},
        {"name": "alert-desk", "subscribe": ["data.vhf", "science.*"],
         "durables": [{"name": "inbox", "queues": ["data.vhf"], "ackWait": "5s"}]},
    ])
}

pub fn one_resource_one_wait_one_secret(scene: &Scene) -> Result<()> {
    let spec = json!({"users": [
        {"name": "vhf-listener", "publish": ["data.vhf"]},
        {"name": "alert-desk", "subscribe": ["data.vhf", "science.*"]},
    ]});
    scene.apply("fsc", &spec)?;
    scene.ready("fsc")?;
    let shown = scene.run(&["get", "svm"])?;
    ensure!(
        shown.contains("True") && shown.contains("Proven"),
        "{shown}"
    );

    // The very manifest that the README shows.
    let pods = scene.moved(&manifest("clients/client-pod.yaml")?);
    scene.kubectl().apply(&pods)?;
    let namespace = format!("--namespace={}", scene.namespace);
    let published = ["pod/vhf-listener", namespace.as_str()];
    let succeeded = "jsonpath={.status.phase}=Succeeded";
    scene.kubectl().wait(&published, succeeded, LIMIT)?;
    // Who listens may have come after the first message.
    scene.client("listens", "fsc-user-alert-desk")?;
    scene.client("publishes", "fsc-user-vhf-listener")?;
    eventually("the message to be heard", || {
        scene.ask("publishes", &["publish", "data.vhf", "an alert"])?;
        let heard = scene.run(&["logs", "alert-desk"])?;
        ensure!(heard.contains("an alert"), "{heard}");
        Ok(())
    })?;

    // And it can do no more.
    for (pod, words, refusal) in [
        ("listens", ["publish", "data.vhf", "x"], "no"),
        ("publishes", ["publish", "data.mdb", "x"], "no"),
        ("publishes", ["listen", "data.vhf", "1"], "denied"),
        ("listens", ["listen", "data.mdb", "1"], "denied"),
    ] {
        let said = scene.ask(pod, &words)?;
        ensure!(said.contains(refusal), "{pod} {words:?}: {said}");
    }
    // Of the servers' ports only theirs is open to clients.
    for (port, is_open) in [("4222", true), ("6222", false), ("8222", false)] {
        let said = scene.ask("publishes", &["reach", "fsc-0.fsc-servers", port])?;
        ensure!(said.starts_with("open") == is_open, "port {port} is {said}");
    }
    Ok(())
}

pub fn a_load_balancers_address_leads_in_from_outside(scene: &Scene) -> Result<()> {
    let outside = json!({"type": "LoadBalancer"});
    scene.apply("fsc", &json!({"users": two_users(), "external": outside}))?;
    scene.ready("fsc")?;
    let service = scene.get(&["service", "fsc-external"])?;
    let address = service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str();
    let address = address.unwrap_or_default();
    let found = scene.get(&["svm", "fsc"])?;
    let external = found["status"]["endpoints"]["external"].as_str();
    let external = external.unwrap_or_default();
    ensure!(external == format!("tls://{address}:4222"), "{external}");
    scene.client("publishes", "fsc-user-vhf-listener")?;
    // By the address that the platform gave, with the certificate checked against it.
    let said = scene.ask("publishes", &["publish-to", external, "data.vhf", "x"])?;
    ensure!(said.starts_with("DATA"), "{said}");
    Ok(())
}

pub fn a_port_of_every_node_leads_in_from_outside(scene: &Scene) -> Result<()> {
    let nodes = scene.kubectl().get(&["nodes"])?;
    let addresses = nodes["items"][0]["status"]["addresses"].as_array().cloned();
    let address = addresses
        .unwrap_or_default()
        .iter()
        .find(|one| one["type"] == "InternalIP")
        .and_then(|one| one["address"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let spec = json!({
        "users": two_users(),
        "external": {"type": "NodePort", "hostnames": [address]},
    });
    scene.apply("fsc", &spec)?;
    scene.ready("fsc")?;
    let found = scene.get(&["svm", "fsc"])?;
    let external = found["status"]["endpoints"]["external"].as_str();
    let external = external.unwrap_or_default().to_owned();
    ensure!(
        external.starts_with(&format!("tls://{address}:3")),
        "{external}"
    );
    scene.client("publishes", "fsc-user-vhf-listener")?;
    // By the node's own address, with the certificate checked against it.
    let said = scene.ask("publishes", &["publish-to", &external, "data.vhf", "x"])?;
    ensure!(said.starts_with("DATA"), "{said}");
    // The way from outside goes again, and the one from inside stays.
    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    scene.wait_for_none(&["service", "fsc-external"])?;
    let said = scene.ask("publishes", &["publish", "data.vhf", "x"])?;
    ensure!(said.starts_with("DATA"), "{said}");
    Ok(())
}
