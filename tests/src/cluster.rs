//! A bus on a Kubernetes cluster: a resource in a namespace with an operator, which stays there for the
//! next bus; and the ways to its servers. The bus goes with this, whatever becomes of the test.

mod served;
mod way_in;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use svom_cluster::engine::choice::Skipped;
use svom_cluster::fault::{Fault, Faults, Place, Pod, Provoked, pods};
use svom_cluster::scene::Scene;
use svom_cluster::slots::Slot;
use svom_cluster::wait::eventually;
use tempfile::TempDir;

use self::way_in::Ways;
use crate::bus::{Bus, server_is_ready};
use crate::report::print;
use crate::written::Written;

/// The namespace that all of these buses are in.
const NAMESPACE: &str = "suites";
/// The servers' container.
const CONTAINER: &str = "nats";
/// An annotation of a resource: when it changes, the operator looks at the bus at once.
const LOOK: &str = "svom-tests/look";
const LOG_TAIL: &str = "--tail=30";

static SCENE: OnceLock<Result<Result<Scene, Skipped>, String>> = OnceLock::new();

/// A server that is kept down, and its pod before.
#[derive(Debug)]
struct Down {
    by: Fault,
    pod: Pod,
}

/// A bus on a cluster.
#[derive(Debug)]
pub struct ClusterBus {
    scene: &'static Scene,
    faults: Faults,
    name: String,
    servers: Vec<String>,
    ways: Ways,
    down: Mutex<BTreeMap<String, Down>>,
    /// The servers' processes, as they were last seen.
    processes: Mutex<BTreeMap<String, i32>>,
    /// What users and servers were handed.
    folder: TempDir,
    _slot: Slot,
}

impl ClusterBus {
    /// Makes a bus and waits until it is ready; or why there can be none.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn up(resource: &str, slot: Slot) -> Result<Result<Self, Skipped>> {
        let scene =
            SCENE.get_or_init(|| Scene::lasting(NAMESPACE).map_err(|why| format!("{why:#}")));
        let scene = match scene.as_ref().map_err(|why| anyhow!("{why}"))? {
            Ok(scene) => scene,
            Err(skipped) => return Ok(Err(skipped.clone())),
        };
        let Written {
            name,
            servers,
            spec,
        } = Written::read(resource)?;
        let mut bus = Self {
            scene,
            faults: Faults::of(&scene.cluster)?,
            name,
            servers,
            ways: Ways::default(),
            down: Mutex::default(),
            processes: Mutex::default(),
            folder: tempfile::Builder::new().prefix("svom-bus-").tempdir()?,
            _slot: slot,
        };
        bus.clear()?;
        bus.ask_for(resource)?;
        let enabled = spec.pointer("/websocket/enabled");
        let has_websockets = enabled.and_then(Value::as_bool).unwrap_or_default();
        bus.ways = way_in::ways(&bus, has_websockets)?;
        if let Err(problem) = bus.wait_until_ready() {
            bus.tell();
            return Err(problem);
        }
        Ok(Ok(bus))
    }

    /// Runs what is to be tried, and says how everything is when that fails.
    ///
    /// # Errors
    /// When what is tried fails.
    pub fn run(self, attempt: impl FnOnce(&dyn Bus) -> Result<()>) -> Result<()> {
        let result = attempt(&self);
        if result.is_err() {
            self.tell();
        }
        result
    }

    /// That nothing is left of a bus of this name, as where a run was killed: its messages would be taken
    /// up.
    fn clear(&self) -> Result<()> {
        self.scene
            .run(&["delete", "svm", &self.name, "--ignore-not-found"])?;
        let kinds = "pods,persistentvolumeclaims,secrets,statefulsets";
        self.scene.wait_for_none(&[kinds, &self.selector()])
    }

    /// What the operator labels this bus's objects with, as kubectl is told of it.
    fn selector(&self) -> String {
        format!("--selector=app.kubernetes.io/instance={}", self.name)
    }

    /// Applies the resource with the images at hand; all of it goes with the bus.
    fn ask_for(&self, resource: &str) -> Result<()> {
        let Written { name, mut spec, .. } = Written::read(resource)?;
        ensure!(name == self.name, "{} is not renamed to {name}", self.name);
        let fields = spec.as_object_mut().context("the resource has no spec")?;
        fields
            .entry("storage")
            .or_insert_with(|| json!({"size": "5Gi"}));
        if let Some(storage) = fields.get_mut("storage").and_then(Value::as_object_mut) {
            storage.insert("onDelete".to_owned(), "Delete".into());
        }
        self.scene.apply(&name, &spec)
    }

    /// The pod of a server.
    fn pod(&self, server: &str) -> Result<Pod> {
        let found = self.scene.get(&["pods", &self.selector()])?;
        let pod = pods(&found)?
            .into_iter()
            .find(|pod| pod.place.name == server);
        pod.with_context(|| format!("{server} has no pod on a node"))
    }

    fn place(&self, server: &str) -> Place {
        Place::new(self.scene.namespace.as_str(), server)
    }

    /// Provokes what keeps a server down.
    fn bring_down(&self, server: &str, by: impl FnOnce(&Pod) -> Fault) -> Result<()> {
        let pod = self.pod(server)?;
        let by = by(&pod);
        self.provoke(by.clone())?;
        let down = Down { by, pod };
        self.down().insert(server.to_owned(), down);
        Ok(())
    }

    /// Provokes a fault and leaves it in force.
    fn provoke(&self, fault: Fault) -> Result<()> {
        match self.faults.provoke(fault)? {
            Provoked::InForce(injected) => injected.keep(),
            Provoked::Skipped(why) => bail!("{why}"),
        }
        Ok(())
    }

    /// Waits until the operator tells that the server is down, so that what it tells later is of later.
    fn wait_until_told_down(&self, server: &str) -> Result<()> {
        self.have_looked_at()?;
        eventually(&format!("it to be told that {server} is down"), || {
            let ready = server_is_ready(&self.status()?, server);
            ensure!(!ready, "{server} is told to be ready");
            Ok(())
        })
    }

    /// Makes the operator look at the bus now, and not within its minute.
    fn have_looked_at(&self) -> Result<()> {
        let now = UNIX_EPOCH.elapsed()?.as_nanos();
        let look = format!("{LOOK}={now}");
        let words = ["annotate", "svm", &self.name, &look, "--overwrite"];
        self.scene.run(&words).map(drop)
    }

    fn down(&self) -> MutexGuard<'_, BTreeMap<String, Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how everything is, for whoever reads why a test failed.
    fn tell(&self) {
        self.scene.tell();
        for server in &self.servers {
            let said = self.scene.run(&["logs", server, LOG_TAIL]);
            print(format!("---- the end of what {server} said:"));
            print(said.unwrap_or_else(|problem| format!("{problem:#}")));
        }
    }

    fn remove(&self) -> Result<()> {
        let down = std::mem::take(&mut *self.down());
        for Down { by, .. } in down.values() {
            self.faults.mend(by)?;
        }
        let resource = format!("svm/{}", self.name);
        let services = self.servers.iter().map(|server| way_in::service(server));
        let services: Vec<String> = services.map(|name| format!("service/{name}")).collect();
        let mut words = vec!["delete", "--ignore-not-found", "--wait=false", &resource];
        words.extend(services.iter().map(String::as_str));
        self.scene.run(&words).map(drop)
    }
}

impl Drop for ClusterBus {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell();
        }
        if let Err(problem) = self.remove() {
            print(format!("bus {} is not removed: {problem:#}", self.name));
        }
    }
}
