//! A process dies at every write that it makes on the way from nothing to a bus that is ready, to the API
//! server and to the bus's own servers, in each of three ways, and another goes on: nothing that was
//! persisted is minted again, and in the end there is what there is where none died. The same for the way
//! to one more user.
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
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{Config, KubeConfigOptions};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
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
/// What a bus is made of, by group, version and kind.
const KINDS: [(&str, &str, &str); 5] = [
    ("", "v1", "Service"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("", "v1", "Secret"),
    ("apps", "v1", "StatefulSet"),
];
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
    for (bus, _) in OTHERS.iter().chain(&[(WHOLE, 0)]) {
        scene.apply(bus, &json!({"users": users()}))?;
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

fn users() -> Value {
    json!([
        {"name": "gate", "publish": ["data.vhf"]},
        {"name": "desk", "subscribe": ["data.vhf"], "authentication": "NKey",
         "durables": [{"name": "inbox", "queues": ["data.vhf"]}]},
    ])
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
    let mut died = world
        .all_come_to_ready(&["$JS.API.STREAM.CREATE.", "$JS.API.CONSUMER.CREATE."])
        .await;
    world.sees_every_change(WHOLE).await;
    for (bus, _) in OTHERS.iter().chain(&[(WHOLE, 0)]) {
        world.wants_one_more(bus).await;
    }
    died.extend(world.all_come_to_ready(&["$SYS.REQ.SERVER."]).await);
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
    /// Every bus comes to what its resource asks for; at which writes processes died, some of them at
    /// writes to the servers that begin so.
    async fn all_come_to_ready(&self, to_servers: &[&str]) -> Vec<String> {
        self.comes_to_ready(WHOLE, None).await;
        let whole = self.everything(WHOLE).await;
        let mut died = Vec::new();
        for (bus, first) in OTHERS {
            let at = self.comes_to_ready(bus, Some(first)).await;
            assert_eq!(self.everything(bus).await, whole, "{bus}");
            for late in [format!("{bus}-in-force"), format!("{bus}/status")] {
                let is_there = at.iter().any(|write| write.ends_with(&late));
                assert!(is_there, "none died at {late}: {at:#?}");
            }
            for call in to_servers {
                let is_there = at.iter().any(|write| write.starts_with(call));
                assert!(is_there, "none died at {call}: {at:#?}");
            }
            died.extend(at);
        }
        died
    }

    /// A resource asks for one user more.
    async fn wants_one_more(&self, bus: &str) {
        let mut users = users();
        users.as_array_mut().unwrap().push(json!({
            "name": "late", "publish": ["data.vhf"], "subscribe": ["data.vhf"],
            "durables": [{"name": "inbox", "queues": ["data.vhf"]}],
        }));
        let patch = Patch::Merge(json!({"spec": {"users": users}}));
        let resources = self.resources();
        resources
            .patch(bus, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// A process that found nothing to do finds what somebody else changed since, whatever it is.
    async fn sees_every_change(&self, bus: &str) {
        const LABEL: &str = "app.kubernetes.io/part-of";
        let process = Process::new(self.server, None);
        self.rests(&process, bus).await;
        let mut changed = 0;
        for (group, version, kind) in KINDS {
            let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let all: Api<DynamicObject> =
                Api::namespaced_with(self.server.clone(), self.namespace, &kind);
            let its = ListParams::default().labels(&format!("app.kubernetes.io/instance={bus}"));
            for object in all.list(&its).await.unwrap() {
                let name = object.metadata.name.unwrap();
                let was = object.metadata.labels.unwrap().remove(LABEL);
                let patch = Patch::Merge(json!({"metadata": {"labels": {LABEL: "another"}}}));
                all.patch(&name, &PatchParams::default(), &patch)
                    .await
                    .unwrap();
                self.rests(&process, bus).await;
                let labels = all.get(&name).await.unwrap().metadata.labels.unwrap();
                assert_eq!(labels.get(LABEL), was.as_ref(), "{} {name}", kind.kind);
                changed += 1;
            }
        }
        assert!(changed > 10, "{changed}");
        let gate = format!("{bus}-user-gate");
        let secrets: Api<Secret> = Api::namespaced(self.server.clone(), self.namespace);
        secrets
            .delete(&gate, &DeleteParams::default())
            .await
            .unwrap();
        self.rests(&process, bus).await;
        secrets.get(&gate).await.unwrap();
    }

    /// A process looks until the bus is ready and there was nothing to write, and once more: then it knows
    /// what it found.
    async fn rests(&self, process: &Process, bus: &str) {
        let begun = Instant::now();
        let mut at_rest = 0;
        while at_rest < 2 {
            let observed = self.observed(bus).await;
            let before = process.writes();
            process.pass(self.namespace, bus, &observed).await.unwrap();
            let is_at_rest =
                observed.status.as_ref().is_some_and(is_ready) && process.writes() == before;
            at_rest = if is_at_rest { at_rest + 1 } else { 0 };
            assert!(begun.elapsed() < WITHIN, "{bus} does not come to rest");
        }
    }

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
