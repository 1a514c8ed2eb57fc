//! The faults there are: what each does to what, in words that can be kept and read back.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pod or a claim, by its namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The namespace.
    pub namespace: String,
    /// The name within it.
    pub name: String,
}

impl Place {
    /// The object of this name in this namespace.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.namespace, self.name)
    }
}

/// Which packages between two nodes are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Those of the first to the second; the others arrive.
    FromFirstToSecond,
    /// All.
    Both,
}

/// Something that goes wrong. Nodes are named as Kubernetes names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// SIGKILL to a container's processes; the kubelet starts it anew.
    ContainerKilled {
        /// The container's pod.
        pod: Place,
        /// The container.
        container: String,
    },
    /// A pod is deleted as `kubectl delete` does it; its workload makes another.
    PodDeleted {
        /// The pod.
        pod: Place,
    },
    /// Every process of the node stands still, and goes on later as if nothing had been.
    NodeFrozen {
        /// The node.
        node: String,
    },
    /// Every process of the node ends at once; what it wrote reaches the disk. It comes back when healed.
    NodeCrashed {
        /// The node.
        node: String,
    },
    /// The node's network cable is out: its own pods still reach one another, and nothing else.
    NodeCutOff {
        /// The node.
        node: String,
    },
    /// The node takes no new pods and its pods are evicted.
    NodeDrained {
        /// The node.
        node: String,
    },
    /// The node ends and Kubernetes is told that it does not come back, so that its pods move.
    NodeLost {
        /// The node.
        node: String,
    },
    /// Two nodes and their pods do not hear each other, or one does not hear the other.
    NodesCut {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// What is lost between them.
        direction: Direction,
    },
    /// So many of a hundred packets that arrive at the node, and of those that leave it, are lost.
    PacketLoss {
        /// The node.
        node: String,
        /// Of a hundred.
        percent: u8,
    },
    /// Packets leave the node later.
    Delay {
        /// The node.
        node: String,
        /// How much later.
        milliseconds: u32,
    },
    /// The volume of a claim has no room left.
    DiskFull {
        /// The claim.
        claim: Place,
    },
    /// Every read and write of a claim's volume fails. What was not synced is lost.
    DiskFailed {
        /// The claim. Its pod is deleted by the healing, for only a mount made anew can be written.
        claim: Place,
    },
    /// The nodes end at the same moment, and what was not synced to their volumes is lost.
    PowerCut {
        /// The nodes.
        nodes: Vec<String>,
    },
    /// SIGKILL to the node's kubelet, which stays away. Its containers run on.
    KubeletKilled {
        /// The node.
        node: String,
    },
    /// Every connection to the API server is reset, its own controllers' too.
    ApiServerAway,
}

impl Fault {
    /// Whether Kubernetes makes it good by itself, so that nothing of it stays in force.
    pub fn passes(&self) -> bool {
        matches!(self, Self::ContainerKilled { .. } | Self::PodDeleted { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContainerKilled { pod, container } => {
                write!(out, "container {container} of pod {pod} is killed")
            }
            Self::PodDeleted { pod } => write!(out, "pod {pod} is deleted"),
            Self::NodeFrozen { node } => write!(out, "node {node} is frozen"),
            Self::NodeCrashed { node } => write!(out, "node {node} has crashed"),
            Self::NodeCutOff { node } => write!(out, "node {node} is cut off"),
            Self::NodeDrained { node } => write!(out, "node {node} is drained"),
            Self::NodeLost { node } => write!(out, "node {node} is lost for good"),
            Self::NodesCut {
                first,
                second,
                direction,
            } => match direction {
                Direction::Both => {
                    write!(out, "nodes {first} and {second} are cut from each other")
                }
                Direction::FromFirstToSecond => {
                    write!(out, "what node {first} sends does not reach node {second}")
                }
            },
            Self::PacketLoss { node, percent } => {
                write!(out, "node {node} loses {percent} of 100 packets each way")
            }
            Self::Delay { node, milliseconds } => {
                write!(out, "what node {node} sends is {milliseconds} ms late")
            }
            Self::DiskFull { claim } => write!(out, "the volume of claim {claim} is full"),
            Self::DiskFailed { claim } => write!(out, "the volume of claim {claim} has failed"),
            Self::PowerCut { nodes } => write!(out, "power cut of {}", nodes.join(", ")),
            Self::KubeletKilled { node } => write!(out, "the kubelet of node {node} is killed"),
            Self::ApiServerAway => write!(out, "the API server is away"),
        }
    }
}
