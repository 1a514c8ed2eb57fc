//! Servers and operators fall.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use svom_cluster::fault::{Fault, Faults, Place, Provoked};
use svom_cluster::notes::{at_level, figure};
use svom_cluster::scene::Scene;
use svom_cluster::wait::eventually;

use crate::clients::two_users;

/// Where a client notes messages.
const LOG: &str = "/tmp/messages";

/// How a server falls.
#[derive(Clone, Copy, Debug)]
enum Fall {
    Killed,
    Deleted,
    Crashed,
}

impl Fall {
    fn word(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Deleted => "deleted",
            Self::Crashed => "crashed",
        }
    }

    /// For how long it is published meanwhile: until a node has been missed, and longer.
    fn seconds(self) -> &'static str {
        match self {
            Self::Killed | Self::Deleted => "20",
            Self::Crashed => "60",
        }
    }

    fn of(self, scene: &Scene, server: &str, node: &str) -> Fault {
        let pod = Place::new(scene.namespace.as_str(), server);
        match self {
            Self::Killed => Fault::ContainerKilled {
                pod,
                container: "nats".to_owned(),
            },
            Self::Deleted => Fault::PodDeleted { pod },
            Self::Crashed => Fault::NodeCrashed {
                node: node.to_owned(),
            },
        }
    }
}

pub fn nothing_acknowledged_is_lost_when_a_server_is_killed(scene: &Scene) -> Result<()> {
    nothing_is_lost(scene, Fall::Killed)
}

pub fn nothing_acknowledged_is_lost_when_a_servers_pod_is_deleted(scene: &Scene) -> Result<()> {
    nothing_is_lost(scene, Fall::Deleted)
}

pub fn nothing_acknowledged_is_lost_when_a_servers_node_crashes(scene: &Scene) -> Result<()> {
    nothing_is_lost(scene, Fall::Crashed)
}

fn nothing_is_lost(scene: &Scene, fall: Fall) -> Result<()> {
    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    let faults = Faults::of(&scene.cluster)?;
    for round in 0..at_level(1, 5) {
        let load = format!("{}-{round}", fall.word());
        let sent = published_through(scene, &faults, fall, &load)?;
        if matches!(fall, Fall::Crashed) {
            faults.settled()?;
        }
        scene.ready("fsc")?;
        let read = read(scene, &load, sent.len())?;
        let lost = sent.iter().filter(|message| !read.contains(*message));
        let (sent, lost) = (sent.len(), lost.count());
        every_route_is_by_name(scene)?;
        figure(
            &format!("server {} under load", fall.word()),
            format!("{sent} acknowledged, {lost} lost"),
        )?;
        ensure!(sent > 0 && lost == 0, "{lost} of {sent} are lost");
    }
    Ok(())
}

/// That no server tries to reach another by an address: no certificate is for it, and where some of the
/// routes between two servers do not come to be, accounts are cut in two.
fn every_route_is_by_name(scene: &Scene) -> Result<()> {
    let servers = "--selector=app.kubernetes.io/name=nats";
    let said = scene.run(&["logs", servers, "--tail=-1", "--prefix"])?;
    let by_address = said.lines().find(|line| line.contains("IP SANs"));
    ensure!(by_address.is_none(), "{by_address:?}");
    Ok(())
}

/// The messages that were acknowledged while the leader of their stream fell.
fn published_through(
    scene: &Scene,
    faults: &Faults,
    fall: Fall,
    load: &str,
) -> Result<Vec<String>> {
    let server = leader_of_data(scene)?;
    let pod = scene.get(&["pod", &server])?;
    let node = pod["spec"]["nodeName"].as_str();
    let node = node.context("a server without a node")?;
    // Who publishes does not fall with the server.
    let publisher = format!("publishes-{load}");
    scene.client_away_from(Some(node), &publisher, "fsc-user-vhf-listener")?;
    let words = ["load", "data.vhf", fall.seconds(), load, LOG];
    std::thread::scope(|scope| -> Result<()> {
        let publishing = scope.spawn(|| scene.ask_for(&publisher, &words));
        let fault = fall.of(scene, &server, node);
        match fall {
            // It is back before anybody may have looked.
            Fall::Killed => provoked(faults, fault, || Ok(())),
            Fall::Deleted => scene.without_new_pods(|| provoked(faults, fault, || told(scene))),
            Fall::Crashed => provoked(faults, fault, || told(scene)),
        }?;
        let publishing = publishing.join();
        publishing.map_err(|_| anyhow::anyhow!("the publisher panicked"))?
    })?;
    let sent = scene.in_pod(&publisher, &["cat", LOG])?;
    Ok(sent.lines().map(str::to_owned).collect())
}

/// Runs this while a fault is in force.
fn provoked(faults: &Faults, fault: Fault, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
    match faults.provoke(fault)? {
        Provoked::InForce(injected) => {
            meanwhile()?;
            injected.heal()
        }
        Provoked::Skipped(why) => bail!(why),
    }
}

/// Waits until the status says that the bus is not whole.
fn told(scene: &Scene) -> Result<()> {
    eventually("the fall to be told", || {
        let (ready, reason, _) = scene.condition("fsc", "Ready")?;
        ensure!(ready == "False", "{reason}");
        Ok(())
    })
}

/// What a reader of the durable gets until it has had so many messages of a load.
fn read(scene: &Scene, load: &str, count: usize) -> Result<BTreeSet<String>> {
    let reader = format!("reads-{load}");
    scene.client(&reader, "fsc-user-alert-desk")?;
    let (subject, group) = ("deliver.data.alert-desk.inbox", "alert-desk.inbox");
    let count = count.to_string();
    scene.ask_for(&reader, &["drain", subject, group, LOG, &count, load])?;
    let read = scene.in_pod(&reader, &["cat", LOG])?;
    Ok(read.lines().map(str::to_owned).collect())
}

fn leader_of_data(scene: &Scene) -> Result<String> {
    let found = scene.get(&["svm", "fsc"])?;
    let domains = found["status"]["domains"].as_array();
    let data = domains.into_iter().flatten();
    let leader = data
        .filter(|domain| domain["stream"] == "DATA")
        .find_map(|domain| domain["leader"].as_str());
    leader.map(str::to_owned).context("DATA has no leader")
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
