//! Faults as commands: `cluster fault ...` and `cluster heal`.
//!
//! In: words. Out: the fault in force, said with what undoes it; or why it cannot be had here.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::{Direction, Fault, Faults, Place, Provoked};

/// What follows `cluster fault`.
#[derive(Debug, Args)]
pub struct FaultWords {
    #[command(subcommand)]
    fault: Words,
    /// Undoes it after so many seconds; without it, it stays in force until `heal`
    #[arg(long = "for", value_name = "SECONDS", global = true)]
    seconds: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum Words {
    /// SIGKILL to a container; the kubelet starts it anew
    KillContainer {
        #[command(flatten)]
        pod: PodWords,
        /// The container
        container: String,
    },
    /// Deletes a pod; its workload makes another
    DeletePod {
        #[command(flatten)]
        pod: PodWords,
    },
    /// Every process of a node stands still
    Freeze { node: String },
    /// Every process of a node ends at once
    Crash { node: String },
    /// A node's network cable is out
    CutOff { node: String },
    /// A node takes no new pods, and its pods are evicted
    Drain { node: String },
    /// A node ends and Kubernetes is told that it does not come back
    Lose { node: String },
    /// Two nodes do not hear each other
    Cut {
        first: String,
        second: String,
        /// Only the second does not hear the first
        #[arg(long)]
        one_way: bool,
    },
    /// A node loses so many of a hundred packets, each way
    Loss {
        node: String,
        #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
    },
    /// What a node sends is late
    Delay { node: String, milliseconds: u32 },
    /// The volume of a claim has no room left
    FillDisk {
        #[command(flatten)]
        claim: ClaimWords,
    },
    /// Every read and write of a claim's volume fails; the healing deletes the pod that uses it
    FailDisk {
        #[command(flatten)]
        claim: ClaimWords,
    },
    /// Nodes end at the same moment, and what was not synced to their volumes is lost
    PowerCut {
        /// The nodes; all of them where none is named
        nodes: Vec<String>,
    },
    /// SIGKILL to a node's kubelet, which stays away
    KillKubelet { node: String },
    /// Every connection to the API server is reset
    ApiServerAway,
    /// Says what is in force
    List,
}

#[derive(Debug, Args)]
struct PodWords {
    /// The pod
    pod: String,
    /// Its namespace
    #[arg(long, short, default_value = "default")]
    namespace: String,
}

#[derive(Debug, Args)]
struct ClaimWords {
    /// The PersistentVolumeClaim
    claim: String,
    /// Its namespace
    #[arg(long, short, default_value = "default")]
    namespace: String,
}

/// Provokes what the words say. Returns why it cannot be had here, where it cannot.
///
/// # Errors
/// When it cannot be provoked, or not be undone.
pub fn provoke(words: FaultWords, faults: &Faults) -> Result<Option<String>> {
    let FaultWords { fault, seconds } = words;
    let Some(fault) = fault.meant(faults)? else {
        for fault in faults.in_force()? {
            println!("{fault}");
        }
        return Ok(None);
    };
    let what = fault.to_string();
    let passes = fault.passes();
    let injected = match faults.provoke(fault)? {
        Provoked::InForce(injected) => injected,
        Provoked::Skipped(why) => return Ok(Some(why)),
    };
    match seconds {
        _ if passes => println!("{what}; Kubernetes makes it good"),
        Some(seconds) => {
            println!("{what}, for {seconds} s");
            // For as long as the person asked for.
            thread::sleep(Duration::from_secs(seconds));
            injected.heal()?;
            println!("healed: {what}");
        }
        None => {
            injected.keep();
            println!("{what}; `cluster heal` undoes it");
        }
    }
    Ok(None)
}

/// Undoes whatever is in force, and waits until the nodes are well.
///
/// # Errors
/// When something cannot be undone, or a node does not come back.
pub fn heal(faults: &Faults) -> Result<()> {
    let healed = faults.heal()?;
    for fault in &healed {
        println!("healed: {fault}");
    }
    if healed.is_empty() {
        println!("no fault is in force");
        return Ok(());
    }
    faults.settled()?;
    println!("all nodes are Ready");
    Ok(())
}

impl Words {
    /// The fault that is meant; none where the words only ask.
    fn meant(self, faults: &Faults) -> Result<Option<Fault>> {
        Ok(Some(match self {
            Self::KillContainer { pod, container } => Fault::ContainerKilled {
                pod: pod.place(),
                container,
            },
            Self::DeletePod { pod } => Fault::PodDeleted { pod: pod.place() },
            Self::Freeze { node } => Fault::NodeFrozen { node },
            Self::Crash { node } => Fault::NodeCrashed { node },
            Self::CutOff { node } => Fault::NodeCutOff { node },
            Self::Drain { node } => Fault::NodeDrained { node },
            Self::Lose { node } => Fault::NodeLost { node },
            Self::Cut {
                first,
                second,
                one_way,
            } => Fault::NodesCut {
                first,
                second,
                direction: if one_way {
                    Direction::FromFirstToSecond
                } else {
                    Direction::Both
                },
            },
            Self::Loss { node, percent } => Fault::PacketLoss { node, percent },
            Self::Delay { node, milliseconds } => Fault::Delay { node, milliseconds },
            Self::FillDisk { claim } => Fault::DiskFull {
                claim: claim.place(),
            },
            Self::FailDisk { claim } => Fault::DiskFailed {
                claim: claim.place(),
            },
            Self::PowerCut { nodes } => Fault::PowerCut {
                nodes: if nodes.is_empty() {
                    faults.nodes()?.into_iter().map(|node| node.name).collect()
                } else {
                    nodes
                },
            },
            Self::KillKubelet { node } => Fault::KubeletKilled { node },
            Self::ApiServerAway => Fault::ApiServerAway,
            Self::List => return Ok(None),
        }))
    }
}

impl PodWords {
    fn place(self) -> Place {
        Place::new(self.namespace, self.pod)
    }
}

impl ClaimWords {
    fn place(self) -> Place {
        Place::new(self.namespace, self.claim)
    }
}
