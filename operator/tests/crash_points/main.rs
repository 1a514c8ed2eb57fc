//! A process dies at every write that it makes on the way from nothing to a bus that is ready, in each of
//! three ways, and another goes on: nothing that was persisted is minted again, and in the end there is
//! what there is where none died.
//!
//! The servers are a cluster's. The processes are this program's, in the network of a node: a pod could
//! not be made to die at a given write. Each dies at its first write, and the next one at the same write in
//! another way or at the one after it; two buses come to Ready so, and between them every write has seen
//! all three.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by them"
)]

#[path = "../kubernetes/mortal.rs"]
mod mortal;
#[path = "../kubernetes/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::env;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::Client;
use kube::api::DeleteParams;
use kube::config::{Config, KubeConfigOptions};
use serde_json::json;
use svom_cluster::inside;
use svom_cluster::notes::{figure, skip};
use svom_cluster::scene::{On, Scene};
use svom_operator::kubernetes::controller::Next;
use svom_plan::status::is_ready;

use mortal::{DEATHS, Death, Process};
use world::{World, is_made_once, read};

/// Whatever is waited for, on a machine that does much else.
const WITHIN: Duration = Duration::from_secs(300);
/// An own process is not told of changes: it looks.
const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// More processes than this do not come to an end.
const MOST: usize = 400;
/// Where it is set, this program is in a node's network: the namespace.
const NAMESPACE: &str = "SVOM_TEST_NAMESPACE";
const API_SERVER: &str = "https://kubernetes.default.svc";
/// A bus at which no process dies.
const WHOLE: &str = "whole";
/// Buses at which every process dies, with the place in [`DEATHS`] where they begin: a write that is never
/// made is the next process' first again, so that two deaths fall on one write, and the third on the next.
const OTHERS: [(&str, usize); 2] = [("first", 0), ("second", 2)];

#[test]
fn whoever_goes_on_comes_to_ready_and_mints_nothing_again() -> Result<()> {
    const NAME: &str = "whoever_goes_on_comes_to_ready_and_mints_nothing_again";
    if let Some(namespace) = env::var_os(NAMESPACE) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(in_the_network(&namespace.to_string_lossy()));
        return Ok(());
    }
    let scene = match Scene::prepare("crash", On::MadeHere)? {
        Ok(scene) => scene,
        Err(skipped) => return skip(NAME, skipped.why),
    };
    scene.operators(0)?;
    let users = json!([
        {"name": "gate", "publish": ["data.vhf"]},
        {"name": "desk", "subscribe": ["data.vhf"], "authentication": "NKey",
         "durables": [{"name": "inbox", "queues": ["data.vhf"]}]},
    ]);
    for (bus, _) in OTHERS.iter().chain(&[(WHOLE, 0)]) {
        scene.apply(bus, &json!({"users": users}))?;
    }
    let nodes = scene.cluster.workers()?;
    let node = nodes.first().context("the cluster has no worker")?;
    let ran = inside::command(&scene.cluster, node, &env::current_exe()?)?
        .args(["--exact", NAME, "--nocapture"])
        .env(NAMESPACE, &scene.namespace)
        .env("KUBECONFIG", scene.cluster.kubeconfig())
        // It is no test of its own to whoever counts them.
        .stdout(Stdio::null())
        .status()?;
    if !ran.success() {
        scene.tell();
    }
    ensure!(ran.success(), "what ran in the network of {node}: {ran}");
    Ok(())
}

async fn in_the_network(namespace: &str) {
    let mut config = Config::from_kubeconfig(&KubeConfigOptions::default())
        .await
        .unwrap();
    config.cluster_url = API_SERVER.parse().unwrap();
    let server = Client::try_from(config).unwrap();
    let world = World {
        server: &server,
        namespace,
    };
    world.comes_to_ready(WHOLE, None).await;
    let whole = world.everything(WHOLE).await;
    let mut died = Vec::new();
    for (bus, first) in OTHERS {
        let at = world.comes_to_ready(bus, Some(first)).await;
        assert_eq!(world.everything(bus).await, whole, "{bus}");
        for late in [format!("{bus}-in-force"), format!("{bus}/status")] {
            let is_there = at.iter().any(|write| write.ends_with(&late));
            assert!(is_there, "none died at {late}: {at:#?}");
        }
        died.extend(at);
    }
    figure(
        "processes that died at a write on the way to Ready",
        format!("{}, nothing minted twice", died.len()),
    )
    .unwrap();
    for (bus, _) in OTHERS {
        world.goes(bus).await;
    }
}

impl World<'_> {
    /// Processes at work until a bus is ready; where one dies, another goes on. At which writes they died.
    async fn comes_to_ready(&self, bus: &str, first: Option<usize>) -> Vec<String> {
        let mut deaths = first.map(|first| DEATHS.into_iter().cycle().skip(first));
        let mut persisted = BTreeMap::new();
        let mut died = Vec::new();
        while died.len() < MOST {
            let death = deaths.as_mut().and_then(Iterator::next);
            let died_at = self.lives(bus, death).await;
            let found = self.secrets(bus).await;
            for (entry, value) in &persisted {
                let same = found.get(entry) == Some(value);
                assert!(same, "{bus}: {entry}: minted again, {death:?}, {died_at:?}");
            }
            persisted.extend(found.into_iter().filter(|(entry, _)| is_made_once(entry)));
            let Some(died_at) = died_at else {
                return died;
            };
            died.push(died_at);
        }
        panic!("{bus}: {MOST} processes died, and it is not ready");
    }

    /// A process looks until the bus is ready and it has nothing more to write, or it dies at its first
    /// write; at which.
    async fn lives(&self, bus: &str, death: Option<Death>) -> Option<String> {
        let process = Process::new(self.server, death.map(|death| (1, death)));
        let begun = Instant::now();
        loop {
            let observed = self.observed(bus).await;
            let before = process.writes();
            let done = process.pass(self.namespace, bus, &observed).await;
            if let Some(write) = process.died_at() {
                return Some(write);
            }
            let next = done.unwrap();
            let was_ready = observed.status.as_ref().is_some_and(is_ready);
            if was_ready && process.writes() == before {
                return None;
            }
            let status = observed.status;
            assert!(begun.elapsed() < WITHIN, "{bus}: {next:?}: {status:?}");
            let pause = match next {
                Next::After(pause) => pause.min(LOOKS_EVERY),
                Next::WhenSomethingChanges => LOOKS_EVERY,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// A resource that is deleted goes with what belongs to it, and no process has anything to write for
    /// that: there is none that could die at it.
    async fn goes(&self, bus: &str) {
        let process = Process::new(self.server, None);
        let resources = self.resources();
        let foreground = DeleteParams::foreground();
        resources.delete(bus, &foreground).await.unwrap();
        let begun = Instant::now();
        while let Some(found) = resources.get_opt(bus).await.unwrap() {
            let observed = read(&found);
            let done = process.pass(self.namespace, bus, &observed).await;
            assert_eq!(
                (done.unwrap(), process.writes()),
                (Next::WhenSomethingChanges, 0)
            );
            assert!(begun.elapsed() < WITHIN, "{bus} does not go");
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    }
}
