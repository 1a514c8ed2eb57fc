//! The cluster that the suite runs on, with its clients and its bus in it.
//!
//! In: a cluster. Out: what runs where, programs run in pods, and waiting until something is so.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use svom_cluster::fault::{Fault, Faults, Injected, Node, Place, Pod, Provoked, pods};
use svom_cluster::kubectl::Kubectl;
use svom_cluster::notes::figure;
pub use svom_cluster::wait::{LIMIT, eventually};

pub const NAMESPACE: &str = "bus-suite";
const CLIENT_PROGRAM: &str = include_str!("client.py");
const BUS: &str = include_str!("bus.yaml");
const CLIENTS: &str = include_str!("clients.yaml");
const KEEPERS: &str = include_str!("keepers.yaml");

/// Why a test tests nothing on this machine; returned as its error.
#[derive(Debug)]
pub struct CannotBe(pub String);

impl fmt::Display for CannotBe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for CannotBe {}

/// Images as pods name them.
pub struct Images {
    pub nats_server: String,
    pub client: String,
}

/// A cluster with the suite's pods in it.
pub struct Bed {
    pub kubectl: Kubectl,
    pub faults: Faults,
    pub control_plane: String,
    /// In another order in each round: tests take the first ones.
    pub workers: Vec<String>,
    outside: OnceCell<Pod>,
}

impl Bed {
    /// Puts the suite's pods into a cluster and waits until they run.
    pub fn make(kubectl: Kubectl, faults: Faults, images: &Images) -> Result<Self> {
        let nodes = faults.nodes()?;
        let (control_planes, workers): (Vec<_>, Vec<_>) =
            nodes.into_iter().partition(|node| node.control_plane);
        let control_plane = control_planes.into_iter().next();
        let name = |node: Node| node.name;
        let bed = Self {
            kubectl,
            faults,
            control_plane: control_plane.map(name).context("no control plane")?,
            workers: workers.into_iter().map(name).collect(),
            outside: OnceCell::new(),
        };
        ensure!(
            bed.workers.len() == 3,
            "the suite takes three workers, and there are {}",
            bed.workers.len()
        );
        bed.fill(images)?;
        bed.make_stream()?;
        Ok(bed)
    }

    fn fill(&self, images: &Images) -> Result<()> {
        let filled = |manifests: &str| {
            manifests
                .replace("NAMESPACE", NAMESPACE)
                .replace("NATS_SERVER", &images.nats_server)
                .replace("CLIENT", &images.client)
        };
        self.kubectl.apply(&filled(BUS))?;
        let program = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "client", "namespace": NAMESPACE},
            "data": {"client.py": CLIENT_PROGRAM},
        });
        self.kubectl.apply(&program.to_string())?;
        self.kubectl.apply(&filled(CLIENTS))?;
        self.kubectl.apply(&filled(KEEPERS))?;
        self.rolled_out()
    }

    /// Provokes a fault; [`CannotBe`] where this machine cannot have it.
    pub fn provoke(&self, fault: Fault) -> Result<Injected<'_>> {
        match self.faults.provoke(fault)? {
            Provoked::InForce(injected) => Ok(injected),
            Provoked::Skipped(why) => Err(CannotBe(why).into()),
        }
    }

    /// The pods of an application, by name.
    pub fn pods(&self, app: &str) -> Result<BTreeMap<String, Pod>> {
        let namespace = format!("--namespace={NAMESPACE}");
        let selector = format!("--selector=app={app}");
        let found = pods(&self.kubectl.get(&[&namespace, "pods", &selector])?)?;
        let named = found.into_iter().map(|pod| (pod.place.name.clone(), pod));
        Ok(named.collect())
    }

    /// The pod of an application on this node.
    pub fn pod_on(&self, node: &str, app: &str) -> Result<Pod> {
        let pods = self.pods(app)?;
        let here = pods.into_values().find(|pod| pod.node == node);
        here.with_context(|| format!("no pod of {app} is on node {node}"))
    }

    /// What the client program prints in a pod.
    pub fn ask(&self, pod: &Pod, words: &[&str]) -> Result<String> {
        let program = ["python3", "/programs/client.py"];
        let words: Vec<_> = program.iter().chain(words).copied().collect();
        let said = self
            .kubectl
            .exec(NAMESPACE, &pod.place.name, "client", &words)?;
        Ok(said.trim().to_owned())
    }

    /// The same, in the client pod of a node.
    pub fn ask_on(&self, node: &str, words: &[&str]) -> Result<String> {
        self.ask(&self.pod_on(node, "client")?, words)
    }

    /// The same, in the control plane's client pod, which sees what becomes of the workers. No fault takes it
    /// away, so it is looked for once.
    pub fn ask_from_outside(&self, words: &[&str]) -> Result<String> {
        self.ask(self.outside()?, words)
    }

    /// The control plane's client pod.
    pub fn outside(&self) -> Result<&Pod> {
        if let Some(pod) = self.outside.get() {
            return Ok(pod);
        }
        let pod = self.pod_on(&self.control_plane, "client")?;
        Ok(self.outside.get_or_init(|| pod))
    }

    /// The names of the nodes that Kubernetes takes for Ready.
    pub fn ready(&self) -> Result<Vec<String>> {
        let nodes = self.faults.nodes()?;
        let ready = nodes.into_iter().filter(|node| node.ready);
        Ok(ready.map(|node| node.name).collect())
    }

    /// Waits until Kubernetes takes none of these nodes for Ready any more.
    pub fn not_ready(&self, nodes: &[&str]) -> Result<()> {
        let began = Instant::now();
        eventually(&format!("NotReady: {}", nodes.join(", ")), || {
            let ready = self.ready()?;
            let still = ready.iter().find(|name| nodes.contains(&name.as_str()));
            ensure!(still.is_none(), "{still:?} is Ready");
            Ok(())
        })?;
        figure(
            "seconds from a fault to NotReady",
            format!("{:.0}", began.elapsed().as_secs_f64()),
        )
    }

    /// Waits until all nodes are Ready that Kubernetes did not take for Ready, and what is on every node runs.
    pub fn ready_again(&self) -> Result<()> {
        eventually("all nodes Ready", || {
            let ready = self.ready()?.len();
            ensure!(ready == self.workers.len() + 1, "{ready} nodes are Ready");
            Ok(())
        })?;
        self.rolled_out()
    }

    fn rolled_out(&self) -> Result<()> {
        for what in [
            "daemonset/client",
            "statefulset/bus",
            "statefulset/keeper",
            "statefulset/mover",
        ] {
            self.kubectl.rolled_out(NAMESPACE, what, LIMIT)?;
        }
        Ok(())
    }

    /// Says how the nodes and pods are, for whoever reads why a test failed.
    pub fn tell(&self) {
        for words in [
            ["get", "nodes", "--output=wide", "--show-labels=false"],
            ["get", "pods", "--all-namespaces", "--output=wide"],
        ] {
            let said = self.kubectl.run(words);
            eprintln!("{}", said.unwrap_or_else(|error| format!("{error:#}")));
        }
        match self.servers().and_then(|servers| self.states(&servers)) {
            Ok(states) => states.iter().for_each(|state| eprintln!("{state:?}")),
            Err(error) => eprintln!("{error:#}"),
        }
    }

    /// A node's own address.
    pub fn address(&self, node: &str) -> Result<String> {
        let nodes = self.faults.nodes()?;
        let node = nodes.iter().find(|known| known.name == node);
        let address = node.and_then(|node| node.addresses.first());
        Ok(address.context("a node has no address")?.to_string())
    }
}

/// The address of a pod.
pub fn address(pod: &Pod) -> Result<String> {
    let address = pod.address.map(|address| address.to_string());
    address.with_context(|| format!("pod {} has no address", pod.place))
}

/// A word that no test has used, in no run on this cluster.
pub fn fresh(word: &str) -> String {
    static USED: AtomicU32 = AtomicU32::new(0);
    let number = USED.fetch_add(1, Ordering::Relaxed);
    format!("{word}-{}-{number}", std::process::id())
}

/// A place in the suite's namespace.
pub fn place(name: &str) -> Place {
    Place::new(NAMESPACE, name)
}
