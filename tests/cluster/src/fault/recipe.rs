//! What is done to provoke a fault, and what undoes it. Nothing is done here.
//!
//! In: a fault, and what is known of the cluster. Out: steps and rules, which can be kept and read back,
//! so that whoever heals need not know what the cluster was like. Undoing what was not done, or was
//! undone already, is no error.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::facts::{self, Node, Pod};
use super::kind::{Direction, Fault};
use super::rules::{CABLE, Effect, Rule};

/// Tells Kubernetes that a node is gone: pods are moved, volumes taken from it.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
const DRAIN_WITHIN: &str = "--timeout=90s";

/// Stops every process of a pod that has a volume of the testbed, so that none goes on with half of the
/// volumes gone. The testbed's own pod, which sees all volumes below the kubelet's folder, goes on.
const STOP_USERS_OF_VOLUMES: &str = r#"for process in /proc/[0-9]*; do
  grep -q kubepods "$process/cgroup" 2>/dev/null || continue
  grep -q -- ' - xfs /dev/loop' "$process/mountinfo" 2>/dev/null || continue
  grep -q ' /var/lib/kubelet/[^ ]* .* - xfs /dev/loop' "$process/mountinfo" && continue
  kill -STOP "${process#/proc/}"
done
true"#;

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What.
    pub act: Act,
    /// A refusal with one of these words is as good as done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or_said: Vec<String>,
}

/// By whom a step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// By the container engine.
    Engine(Vec<String>),
    /// By a program in the node.
    InNode {
        /// The node.
        node: String,
        /// The program and its arguments.
        words: Vec<String>,
    },
    /// The node's table is written anew, from all rules in force.
    Rules {
        /// The node.
        node: String,
    },
    /// By kubectl.
    Kubectl(Vec<String>),
    /// By the testbed's agent on the node.
    Agent {
        /// The node.
        node: String,
        /// The agent's arguments.
        words: Vec<String>,
    },
}

impl Act {
    /// Which turn it has where several faults are undone: a node must run before anything can be done in
    /// it, and the API server must answer before kubectl is asked.
    pub fn turn(&self) -> u8 {
        match self {
            Self::Engine(_) => 0,
            Self::InNode { .. } | Self::Rules { .. } => 1,
            Self::Kubectl(_) => 2,
            Self::Agent { .. } => 3,
        }
    }
}

/// How a fault is provoked and undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// What provokes it, in this order.
    pub provoke: Vec<Step>,
    /// The rules that are in force with it.
    pub rules: Vec<Rule>,
    /// What undoes it. The tables that its rules were in are written anew besides.
    pub undo: Vec<Step>,
}

/// What a fault is about.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// The pod that it is about, or that uses the claim it is about.
    pub pod: Option<Pod>,
    /// The volume of the claim that it is about.
    pub volume: Option<String>,
}

impl Subject {
    fn pod(&self) -> Result<&Pod> {
        self.pod.as_ref().context("the fault's pod is not known")
    }

    fn node(&self, name: &str) -> Result<&Node> {
        facts::named(&self.nodes, name)
    }

    fn volume(&self) -> Result<&str> {
        let volume = self.volume.as_deref();
        volume.context("the fault's volume is not known")
    }
}

/// How this fault is provoked and undone in this cluster.
///
/// # Errors
/// When it names what the cluster does not have, or asks for what cannot be.
pub fn recipe(fault: &Fault, subject: &Subject) -> Result<Recipe> {
    match fault {
        Fault::ContainerKilled { container, .. } => container_killed(container, subject.pod()?),
        Fault::PodDeleted { pod } => Ok(Recipe {
            provoke: vec![delete(&pod.namespace, &pod.name, "--wait=false")],
            ..Recipe::default()
        }),
        Fault::NodeFrozen { node } => Ok(Recipe {
            provoke: vec![engine(["pause", &subject.node(node)?.name])],
            undo: vec![
                engine(["unpause", node])
                    .or("is not paused")
                    .or("is not running"),
            ],
            ..Recipe::default()
        }),
        Fault::NodeCrashed { node } => crashed(&[subject.node(node)?]),
        Fault::NodeDrained { node } => Ok(Recipe {
            provoke: vec![drain(&subject.node(node)?.name)],
            undo: vec![kubectl(["uncordon", node])],
            ..Recipe::default()
        }),
        Fault::NodeLost { node } => lost(subject.node(node)?),
        Fault::NodeCutOff { node } => rules(vec![rule(subject.node(node)?, Effect::CutOff)]),
        Fault::NodesCut {
            first,
            second,
            direction,
        } => cut(subject.node(first)?, subject.node(second)?, *direction),
        Fault::PacketLoss { node, percent } => {
            ensure!(
                (1..=100).contains(percent),
                "{percent} of 100 packets cannot be lost; give 1 to 100"
            );
            let percent = *percent;
            rules(vec![rule(subject.node(node)?, Effect::Loss { percent })])
        }
        Fault::Delay { node, milliseconds } => delay(subject.node(node)?, *milliseconds),
        Fault::DiskFull { .. } => disk_full(subject.pod()?, subject.volume()?),
        Fault::DiskFailed { .. } => disk_failed(subject.pod()?, subject.volume()?),
        Fault::PowerCut { nodes } => {
            let nodes = nodes.iter().map(|name| subject.node(name));
            power_cut(&nodes.collect::<Result<Vec<_>>>()?)
        }
        Fault::KubeletKilled { node } => kubelet_killed(subject.node(node)?),
        Fault::ApiServerAway => {
            let control_planes = subject.nodes.iter().filter(|node| node.control_plane);
            rules(
                control_planes
                    .map(|node| rule(node, Effect::ApiServerAway))
                    .collect(),
            )
        }
    }
}

fn container_killed(container: &str, pod: &Pod) -> Result<Recipe> {
    let (_, id) = pod
        .containers
        .iter()
        .find(|(name, _)| name == container)
        .with_context(|| format!("pod {} runs no container {container}", pod.place))?;
    let kill = [
        "ctr",
        "--namespace",
        "k8s.io",
        "task",
        "kill",
        "--signal",
        "SIGKILL",
        id,
    ];
    Ok(Recipe {
        provoke: vec![in_node(&pod.node, kill)],
        ..Recipe::default()
    })
}

/// The nodes come back in the order of their addresses, and so with the addresses they had: the engine
/// gives the lowest that is free.
fn crashed(nodes: &[&Node]) -> Result<Recipe> {
    ensure!(!nodes.is_empty(), "no node is named");
    let mut nodes = nodes.to_vec();
    nodes.sort_by_key(|node| node.addresses.first().copied());
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let start = |name: &&str| engine(["start", name]);
    Ok(Recipe {
        provoke: vec![engine(["kill"].iter().chain(&names)).or("is not running")],
        undo: names.iter().map(start).collect(),
        ..Recipe::default()
    })
}

fn lost(node: &Node) -> Result<Recipe> {
    ensure!(
        !node.control_plane,
        "node {} cannot be lost for good: without it nobody moves its pods; crash it",
        node.name
    );
    let mut recipe = crashed(&[node])?;
    let set = format!("{OUT_OF_SERVICE}=nodeshutdown:NoExecute");
    let unset = format!("{OUT_OF_SERVICE}-");
    recipe
        .provoke
        .push(kubectl(["taint", "node", &node.name, &set, "--overwrite"]));
    recipe
        .undo
        .push(kubectl(["taint", "node", &node.name, &unset]).or("not found"));
    Ok(recipe)
}

fn power_cut(nodes: &[&Node]) -> Result<Recipe> {
    let mut recipe = crashed(nodes)?;
    let stop = |node: &&Node| in_node(&node.name, ["sh", "-c", STOP_USERS_OF_VOLUMES]);
    let shut = |node: &&Node| agent(&node.name, ["volume", "shutdown", "--all"]);
    let mut provoke: Vec<Step> = nodes.iter().map(stop).collect();
    provoke.extend(nodes.iter().map(shut));
    provoke.append(&mut recipe.provoke);
    recipe.provoke = provoke;
    Ok(recipe)
}

fn cut(first: &Node, second: &Node, direction: Direction) -> Result<Recipe> {
    ensure!(
        first.name != second.name,
        "a node cannot be cut from itself; name two nodes"
    );
    let deaf = |who: &Node, to: &Node| rule(who, Effect::Deaf { to: to.sources() });
    rules(match direction {
        Direction::Both => vec![deaf(first, second), deaf(second, first)],
        Direction::FromFirstToSecond => vec![deaf(second, first)],
    })
}

fn delay(node: &Node, milliseconds: u32) -> Result<Recipe> {
    let delay = format!("{milliseconds}ms");
    let queue = |verb| ["tc", "qdisc", verb, "dev", CABLE, "root"];
    let add = queue("replace")
        .into_iter()
        .chain(["netem", "delay", &delay]);
    Ok(Recipe {
        provoke: vec![in_node(&node.name, add)],
        undo: vec![
            in_node(&node.name, queue("del"))
                .or("handle of zero")
                .or("No such file")
                .or("is not running"),
        ],
        ..Recipe::default()
    })
}

fn disk_full(pod: &Pod, volume: &str) -> Result<Recipe> {
    Ok(Recipe {
        provoke: vec![agent(&pod.node, ["volume", "fill", volume])],
        undo: vec![agent(&pod.node, ["volume", "unfill", volume])],
        ..Recipe::default()
    })
}

fn disk_failed(pod: &Pod, volume: &str) -> Result<Recipe> {
    Ok(Recipe {
        provoke: vec![agent(&pod.node, ["volume", "shutdown", volume])],
        undo: vec![delete(
            &pod.place.namespace,
            &pod.place.name,
            "--timeout=50s",
        )],
        ..Recipe::default()
    })
}

fn kubelet_killed(node: &Node) -> Result<Recipe> {
    let kubelet = |words: &[&str]| {
        let words = ["systemctl"].iter().chain(words).chain(&["kubelet"]);
        in_node(&node.name, words)
    };
    Ok(Recipe {
        provoke: vec![kubelet(&["kill", "--signal=SIGKILL"]), kubelet(&["stop"])],
        // A node that does not run starts its kubelet itself when it does.
        undo: vec![kubelet(&["start"]).or("is not running")],
        ..Recipe::default()
    })
}

fn rule(node: &Node, effect: Effect) -> Rule {
    Rule {
        node: node.name.clone(),
        effect,
    }
}

fn rules(rules: Vec<Rule>) -> Result<Recipe> {
    let write = |rule: &Rule| {
        Step::new(Act::Rules {
            node: rule.node.clone(),
        })
    };
    Ok(Recipe {
        provoke: rules.iter().map(write).collect(),
        // A node that does not run has lost its table.
        undo: rules
            .iter()
            .map(|rule| write(rule).or("is not running"))
            .collect(),
        rules,
    })
}

impl Step {
    fn new(act: Act) -> Self {
        Self {
            act,
            or_said: Vec::new(),
        }
    }

    fn or(mut self, words: &str) -> Self {
        self.or_said.push(words.to_owned());
        self
    }
}

fn engine<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> Step {
    Step::new(Act::Engine(owned(words)))
}

fn kubectl<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> Step {
    Step::new(Act::Kubectl(owned(words)))
}

fn in_node<W: AsRef<str>>(node: &str, words: impl IntoIterator<Item = W>) -> Step {
    Step::new(Act::InNode {
        node: node.to_owned(),
        words: owned(words),
    })
}

fn agent<W: AsRef<str>>(node: &str, words: impl IntoIterator<Item = W>) -> Step {
    Step::new(Act::Agent {
        node: node.to_owned(),
        words: owned(words),
    })
}

fn delete(namespace: &str, pod: &str, how: &str) -> Step {
    let namespace = format!("--namespace={namespace}");
    kubectl(["delete", "pod", pod, &namespace, "--ignore-not-found", how])
}

fn drain(node: &str) -> Step {
    let takes_no_heed = ["--ignore-daemonsets", "--delete-emptydir-data", "--force"];
    kubectl(["drain", node, DRAIN_WITHIN].iter().chain(&takes_no_heed))
}

fn owned<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> Vec<String> {
    words
        .into_iter()
        .map(|word| word.as_ref().to_owned())
        .collect()
}
