//! Faults on purpose: each provoked by one call, each with its undo.
//!
//! In: a [`Fault`] and a cluster. Out: an [`Injected`] that undoes it when it is dropped, also by a panic; or
//! the reason why this machine or this cluster cannot have it. What is in force stands in the cluster's
//! state folder before it is provoked, so that [`Faults::heal`] undoes it after a kill -9 too.
//!
//! What is done, and what undoes it, is decided without doing anything (`recipe`, `rules`); `hands` does it.
//! Provoking returns when the fault is in force, not when its effect is seen: a frozen node is NotReady
//! some twenty seconds later. Healing likewise: [`Faults::settled`] waits until the nodes are well again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

pub use self::command::{FaultWords, heal, provoke};
pub use self::facts::{Node, Pod, pods};
pub use self::hands::{Engine, Hands};
pub use self::kind::{Direction, Fault, Place};
use self::recipe::{Act, Subject, recipe};
use self::record::{InForce, Opened, Record};
use crate::cache::{Key, base};
use crate::cluster::Cluster;

mod command;
mod facts;
mod hands;
mod kind;
mod recipe;
mod record;
mod rules;
#[cfg(test)]
mod tests;

/// Nodes that were started are Ready after some twenty seconds on two cores.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// What goes wrong in one cluster, on purpose.
#[derive(Debug)]
pub struct Faults {
    hands: Hands,
    record: Record,
}

/// What became of a fault.
#[derive(Debug)]
pub enum Provoked<'a> {
    /// It is in force.
    InForce(Injected<'a>),
    /// It cannot be had here, and why.
    Skipped(String),
}

/// A fault in force. Dropping it undoes it, and says on standard error where that fails.
#[derive(Debug)]
#[must_use = "the fault is undone when this is dropped"]
pub struct Injected<'a> {
    faults: &'a Faults,
    id: Option<u64>,
}

impl Injected<'_> {
    /// Undoes it.
    ///
    /// # Errors
    /// When it cannot be undone; it then stays in the record, for [`Faults::heal`].
    pub fn heal(mut self) -> Result<()> {
        let id = self.id.take();
        self.faults.undo(|fault| Some(fault.id) == id).map(drop)
    }

    /// Leaves it in force, for [`Faults::heal`].
    pub fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Injected<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        if let Err(error) = self.faults.undo(|fault| fault.id == id) {
            // Nothing can be done about a closed stderr.
            let _ = writeln!(io::stderr(), "a fault is not undone: {error:#}");
        }
    }
}

impl Faults {
    /// Those of the cluster that these hands reach, and whose state is kept in this folder.
    pub fn new(hands: Hands, state: impl Into<PathBuf>) -> Self {
        Self {
            hands,
            record: Record::of(state),
        }
    }

    /// Those of a cluster. Of one that was not made here, the record is kept by its kubeconfig's path.
    ///
    /// # Errors
    /// When there is no place for the record.
    pub fn of(cluster: &Cluster) -> Result<Self> {
        let state = match cluster.folder() {
            Some(folder) => folder.path().to_owned(),
            None => {
                let path = cluster.kubeconfig().to_string_lossy();
                let key = Key::new().text("kubeconfig", &path).short();
                base()?.join("faults").join(key)
            }
        };
        let engine = cluster.engine().cloned();
        let hands = Hands {
            kubectl: cluster.kubectl().clone(),
            engine: engine.map(|engine| -> Engine { Box::new(move || engine.docker([""; 0])) }),
        };
        Ok(Self::new(hands, state))
    }

    /// What reaches the cluster.
    pub fn hands(&self) -> &Hands {
        &self.hands
    }

    /// Provokes a fault; returns when it is in force.
    ///
    /// # Errors
    /// When it names what is not there or a step is refused; then what was done of it is undone.
    pub fn provoke(&self, fault: Fault) -> Result<Provoked<'_>> {
        if let Some(why) = self.impossible(&fault)? {
            return Ok(Provoked::Skipped(why));
        }
        let subject = self.subject(&fault)?;
        let recipe = recipe(&fault, &subject)?;
        let what = fault.to_string();
        // Dropping it undoes what was done, which reads the record: it is dropped after that.
        let mut injected = Injected {
            faults: self,
            id: None,
        };
        let mut record = self.record.open()?;
        if !fault.passes() {
            injected.id = Some(record.add(fault, recipe.rules, recipe.undo)?);
        }
        let done = recipe.provoke.iter().try_for_each(|step| {
            self.hands
                .run(step, |node| table(record.in_force(), node, |_| true))
        });
        drop(record);
        done.with_context(|| format!("cannot provoke: {what}"))?;
        Ok(Provoked::InForce(injected))
    }

    /// Why this fault cannot be had here.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn impossible(&self, fault: &Fault) -> Result<Option<String>> {
        let by_kubectl_alone =
            matches!(fault, Fault::PodDeleted { .. } | Fault::NodeDrained { .. });
        if !by_kubectl_alone && self.hands.engine.is_none() {
            return Ok(Some(format!(
                "{fault}: only kubectl reaches this cluster, and this takes the engine whose containers \
                 its nodes are"
            )));
        }
        if let Fault::Delay { node, .. } = fault {
            return self.hands.without_netem(node);
        }
        Ok(None)
    }

    /// What is in force, the oldest first.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn in_force(&self) -> Result<Vec<Fault>> {
        let record = self.record.open()?;
        let faults = record.in_force().iter().map(|kept| kept.fault.clone());
        Ok(faults.collect())
    }

    /// Undoes whatever is in force, and returns what that was.
    ///
    /// # Errors
    /// When one cannot be undone; the others are undone all the same.
    pub fn heal(&self) -> Result<Vec<Fault>> {
        self.undo(|_| true)
    }

    /// Undoes one that was left in force; one that is not in force is no error.
    ///
    /// # Errors
    /// When it cannot be undone.
    pub fn mend(&self, fault: &Fault) -> Result<()> {
        self.undo(|kept| kept.fault == *fault).map(drop)
    }

    /// The nodes, as the API server knows them.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        facts::nodes(&self.hands.kubectl.get(&["nodes"])?)
    }

    /// Waits until every node has said anew that it lives, and is Ready. What a node said before a fault
    /// counts for nothing.
    ///
    /// # Errors
    /// When one has not within three minutes.
    pub fn settled(&self) -> Result<()> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        self.hands.api_server()?;
        let before = self.signs_of_life()?;
        loop {
            let now = self.signs_of_life()?;
            let nodes = self.nodes()?;
            let silent = nodes.iter().filter(|node| {
                let heard = now.get(&node.name) != before.get(&node.name);
                !(heard && node.ready)
            });
            let silent: Vec<_> = silent.map(|node| node.name.as_str()).collect();
            if silent.is_empty() {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "after {} s not Ready again: {}",
                SETTLED_WITHIN.as_secs(),
                silent.join(", ")
            );
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// When each node last renewed its lease.
    fn signs_of_life(&self) -> Result<BTreeMap<String, Value>> {
        let words = ["--namespace=kube-node-lease", "leases"];
        facts::renewals(&self.hands.kubectl.get(&words)?)
    }

    fn subject(&self, fault: &Fault) -> Result<Subject> {
        let kubectl = &self.hands.kubectl;
        let mut subject = Subject::default();
        match fault {
            Fault::ContainerKilled { pod, .. } => {
                let namespace = format!("--namespace={}", pod.namespace);
                let answer = kubectl.get(&[&namespace, "pod", &pod.name])?;
                subject.pod = Some(facts::pod(&answer)?);
            }
            Fault::DiskFull { claim } | Fault::DiskFailed { claim } => {
                let namespace = format!("--namespace={}", claim.namespace);
                let answer = kubectl.get(&[&namespace, "persistentvolumeclaim", &claim.name])?;
                subject.volume = Some(facts::volume(&answer)?);
                let pods = facts::pods(&kubectl.get(&[&namespace, "pods"])?)?;
                let user = |pod: &Pod| pod.claims.contains(&claim.name);
                let pod = pods.into_iter().find(user);
                subject.pod = Some(pod.with_context(|| format!("no pod uses claim {claim}"))?);
            }
            Fault::PodDeleted { .. } => {}
            _ => subject.nodes = self.nodes()?,
        }
        Ok(subject)
    }

    /// Undoes the chosen ones: first what makes nodes run, then what is done in them, then what takes the
    /// API server. One that cannot be undone holds up no other, and stays in the record.
    fn undo(&self, chosen: impl Fn(&InForce) -> bool) -> Result<Vec<Fault>> {
        let mut record = self.record.open()?;
        let all = record.in_force().iter().rev();
        let undone: Vec<InForce> = all.filter(|fault| chosen(fault)).cloned().collect();
        if undone.is_empty() {
            return Ok(Vec::new());
        }
        let failures = self.undo_steps(&record, &undone);
        let ids: BTreeSet<u64> = undone.iter().map(|fault| fault.id).collect();
        record.remove(|fault| ids.contains(&fault.id) && !failures.contains_key(&fault.id))?;
        if !failures.is_empty() {
            let words: Vec<_> = failures.into_values().collect();
            bail!("{}", words.join("\n"));
        }
        Ok(undone.into_iter().map(|kept| kept.fault).collect())
    }

    fn undo_steps(&self, record: &Opened, undone: &[InForce]) -> BTreeMap<u64, String> {
        let mut steps: Vec<_> = undone
            .iter()
            .flat_map(|fault| fault.undo.iter().map(move |step| (fault, step)))
            .collect();
        steps.sort_by_key(|(_, step)| step.act.turn());
        let stays = |fault: &InForce| !undone.iter().any(|gone| gone.id == fault.id);
        let mut answers = false;
        let mut failures = BTreeMap::new();
        for (fault, step) in steps {
            if failures.contains_key(&fault.id) {
                continue;
            }
            let mut run = || {
                if matches!(step.act, Act::Kubectl(_) | Act::Agent { .. }) && !answers {
                    self.hands.api_server()?;
                    answers = true;
                }
                self.hands
                    .run(step, |node| table(record.in_force(), node, stays))
            };
            if let Err(error) = run() {
                failures.insert(fault.id, format!("cannot undo: {}: {error:#}", fault.fault));
            }
        }
        failures
    }
}

/// The node's table with the rules of the faults that count.
fn table(faults: &[InForce], node: &str, counts: impl Fn(&InForce) -> bool) -> String {
    let rules = faults
        .iter()
        .filter(|fault| counts(fault))
        .flat_map(|fault| &fault.rules);
    let here = rules.filter(|rule| rule.node == node);
    rules::table(here.map(|rule| &rule.effect))
}
