//! Servers and operators fall.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use svom_cluster::fault::{Fault, Faults, Place, Provoked};
use svom_cluster::notes::{at_level, figure};

use crate::clients::two_users;
use crate::scene::{Scene, eventually};

pub fn nothing_acknowledged_is_lost_when_servers_fall(scene: &Scene) -> Result<()> {
    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    scene.client("publishes", "fsc-user-vhf-listener")?;
    scene.client("reads", "fsc-user-alert-desk")?;
    let faults = Faults::of(&scene.cluster)?;
    let leader = || -> Result<String> {
        let found = scene.get(&["svm", "fsc"])?;
        let domains = found["status"]["domains"].as_array().cloned();
        let domains = domains.unwrap_or_default();
        let data = domains.iter().find(|one| one["stream"] == "DATA");
        let leader = data.and_then(|data| data["leader"].as_str());
        leader.map(str::to_owned).context("DATA has no leader")
    };
    let node_of = |server: &str| -> Result<String> {
        let pod = scene.get(&["pod", server])?;
        let node = pod["spec"]["nodeName"].as_str();
        node.map(str::to_owned).context("a server without a node")
    };
    for round in 0..at_level(1, 5) {
        for fall in ["killed", "deleted", "crashed"] {
            let log = format!("/tmp/{fall}-{round}");
            let seconds = if fall == "crashed" { "60" } else { "20" };
            let server = leader()?;
            let place = Place::new(scene.namespace.as_str(), server.as_str());
            let fault = match fall {
                "killed" => Fault::ContainerKilled {
                    pod: place,
                    container: "nats".to_owned(),
                },
                "deleted" => Fault::PodDeleted { pod: place },
                _ => Fault::NodeCrashed {
                    node: node_of(&server)?,
                },
            };
            std::thread::scope(|scope| -> Result<()> {
                let publisher = scope.spawn(|| {
                    scene.in_pod_for(
                        "publishes",
                        &[
                            "python3",
                            "/programs/client.py",
                            "load",
                            "data.vhf",
                            seconds,
                            &log,
                        ],
                    )
                });
                let provoked = faults.provoke(fault)?;
                // A container that is killed is back before anybody may have looked.
                if fall != "killed" {
                    eventually("the fall to be told", || {
                        let (ready, reason, _) = scene.condition("fsc", "Ready")?;
                        ensure!(ready == "False", "{reason}");
                        Ok(())
                    })?;
                }
                if let Provoked::InForce(injected) = provoked {
                    injected.heal()?;
                }
                let publisher = publisher.join();
                publisher.map_err(|_| anyhow::anyhow!("the publisher panicked"))??;
                Ok(())
            })?;
            faults.settled()?;
            scene.ready("fsc")?;
            let acknowledged = scene.in_pod("publishes", &["cat", &log])?;
            let read = format!("{log}-read");
            scene.in_pod_for(
                "reads",
                &[
                    "python3",
                    "/programs/client.py",
                    "drain",
                    "deliver.data.alert-desk.inbox",
                    "alert-desk.inbox",
                    &read,
                ],
            )?;
            let read = scene.in_pod("reads", &["cat", &read])?;
            let read: BTreeSet<&str> = read.split_whitespace().collect();
            let sent: Vec<&str> = acknowledged.split_whitespace().collect();
            let lost = sent
                .iter()
                .filter(|number| !read.contains(**number))
                .count();
            figure(
                &format!("server {fall} under load"),
                format!("{} acknowledged, {lost} lost", sent.len()),
            )?;
            ensure!(
                !sent.is_empty() && lost == 0,
                "{lost} of {} are lost",
                sent.len()
            );
        }
    }
    Ok(())
}

pub fn another_operator_takes_over_and_mints_nothing_twice(scene: &Scene) -> Result<()> {
    scene.apply("fsc", &json!({"users": two_users()}))?;
    // Whoever acts is killed again and again on the way; what was seen of its secrets stays what it is.
    let mut seen = BTreeMap::new();
    for _ in 0..at_level(4, 12) {
        let operators = [
            "delete",
            "pods",
            "--selector=app.kubernetes.io/name=svom-messaging",
        ];
        scene.run(
            &[
                operators.as_slice(),
                &["--grace-period=0", "--force", "--wait=false"],
            ]
            .concat(),
        )?;
        note_credentials(scene, &mut seen)?;
    }
    scene.ready("fsc")?;
    note_credentials(scene, &mut seen)?;
    let made = scene.secrets()?;
    scene.operators(0)?;
    scene.operators(1)?;
    scene.client("publishes", "fsc-user-vhf-listener")?;
    let said = scene.ask("publishes", &["publish", "data.vhf", "x"])?;
    ensure!(said.starts_with("DATA"), "{said}");
    scene.ready("fsc")?;
    assert_eq!(scene.secrets()?, made);
    Ok(())
}

/// Keys of Secrets that are made once for ever.
fn note_credentials(scene: &Scene, seen: &mut BTreeMap<String, Value>) -> Result<()> {
    const ONCE: [&str; 8] = [
        "clients.pem",
        "routes.pem",
        "system.nkey",
        "jetstream.nkey",
        "route-password",
        "salt-key",
        "password",
        "ca.crt",
    ];
    // There may be none yet.
    let list = scene.find(&["secrets"])?.unwrap_or_default();
    for secret in list["items"].as_array().into_iter().flatten() {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let data = secret["data"].as_object();
        for (key, value) in data.into_iter().flatten() {
            if ONCE.contains(&key.as_str()) {
                let before = seen.entry(format!("{name}/{key}")).or_insert(value.clone());
                ensure!(before == value, "{name}: {key} was made twice");
            }
        }
    }
    Ok(())
}
