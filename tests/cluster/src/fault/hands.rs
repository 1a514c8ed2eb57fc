//! Steps are done here, and nothing is decided.
//!
//! In: steps. Out: whether they were done. A node is reached as a container of the engine, the API
//! server and the testbed's agent through kubectl.

use std::fmt;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::facts;
use super::recipe::{Act, Step};
use crate::agent;
use crate::command;
use crate::kubectl::Kubectl;

const STEP_WITHIN: Duration = Duration::from_secs(120);
/// A control plane that was just started answers after about 15 s on two cores.
const API_SERVER_WITHIN: Duration = Duration::from_secs(120);
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

const AGENT_PODS: &str = "--selector=app=testbed-node";
const AGENT: &str = "/testbed-agent";

/// Makes a command of the container engine's client.
pub type Engine = Box<dyn Fn() -> Command + Send + Sync>;

/// What reaches a cluster.
pub struct Hands {
    /// The API server.
    pub kubectl: Kubectl,
    /// The engine whose containers the nodes are; nothing where they are not.
    pub engine: Option<Engine>,
}

impl fmt::Debug for Hands {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Hands")
            .field("kubectl", &self.kubectl)
            .field("engine", &self.engine.is_some())
            .finish()
    }
}

impl Hands {
    /// Does a step; `table` is the text of the node's table, where the step writes one.
    ///
    /// # Errors
    /// When it is refused, with the words.
    pub fn run(&self, step: &Step, table: impl Fn(&str) -> String) -> Result<()> {
        let (mut command, input) = match &step.act {
            Act::Engine(words) => (self.engine_command(words)?, String::new()),
            Act::InNode { node, words } => (self.in_node(node, words)?, String::new()),
            Act::Rules { node } => (self.in_node(node, &["nft", "-f", "-"])?, table(node)),
            Act::Kubectl(words) => (self.kubectl.command(words), String::new()),
            Act::Agent { node, words } => (self.agent(node, words)?, String::new()),
        };
        let outcome = command::outcome(&mut command, input.as_bytes(), STEP_WITHIN)?;
        if outcome.status.success() {
            return Ok(());
        }
        let said = said(&outcome);
        if step.or_said.iter().any(|words| said.contains(words)) {
            return Ok(());
        }
        bail!(
            "`{}` ended with {}: {said}",
            command::words(&command),
            outcome.status
        )
    }

    /// What a program in a node prints.
    ///
    /// # Errors
    /// When it ends badly.
    pub fn look(&self, node: &str, words: &[&str]) -> Result<String> {
        command::output(&mut self.in_node(node, words)?, STEP_WITHIN)
    }

    /// How a program in a node ends.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn outcome(&self, node: &str, words: &[&str]) -> Result<Output> {
        command::outcome(&mut self.in_node(node, words)?, &[], STEP_WITHIN)
    }

    /// Why packets cannot be delayed in this node; nothing where they can.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub fn without_netem(&self, node: &str) -> Result<Option<String>> {
        let queue = |verb| ["tc", "qdisc", verb, "dev", "lo", "root", "netem"];
        let tried = self.outcome(node, &queue("replace"))?;
        if tried.status.success() {
            self.look(node, &queue("del"))?;
            return Ok(None);
        }
        let said = said(&tried);
        let missing = ["qdisc kind is unknown", "No such file"];
        if missing.iter().any(|words| said.contains(words)) {
            return Ok(Some(
                "delay takes netem, which this kernel lacks".to_owned(),
            ));
        }
        bail!("node {node} cannot be asked for netem: {said}")
    }

    /// Waits until the API server answers.
    ///
    /// # Errors
    /// When it does not for two minutes.
    pub fn api_server(&self) -> Result<()> {
        let deadline = Instant::now() + API_SERVER_WITHIN;
        loop {
            let ready = ["get", "--raw=/readyz", "--request-timeout=5s"];
            let Err(error) = self.kubectl.run(ready) else {
                return Ok(());
            };
            if Instant::now() > deadline {
                return Err(error.context("the API server is not back"));
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// The testbed's pod on this node, where the agent is.
    fn agent(&self, node: &str, words: &[String]) -> Result<Command> {
        let namespace = format!("--namespace={}", agent::NAMESPACE);
        let on_node = format!("--field-selector=spec.nodeName={node}");
        let pods = self
            .kubectl
            .get(&[&namespace, "pods", AGENT_PODS, &on_node])?;
        let pods = facts::pods(&pods)?;
        let pod = pods.first();
        let pod =
            pod.with_context(|| format!("the testbed's agent does not run on node {node}"))?;
        let exec = ["exec", &namespace, &pod.place.name, "--", AGENT];
        let words = words.iter().map(String::as_str);
        Ok(self.kubectl.command(exec.into_iter().chain(words)))
    }

    fn engine_command<W: AsRef<str>>(&self, words: &[W]) -> Result<Command> {
        let engine = self.engine.as_ref();
        let mut command = engine.context("the nodes are no containers of an engine here")?();
        command.args(words.iter().map(AsRef::as_ref));
        Ok(command)
    }

    fn in_node<W: AsRef<str>>(&self, node: &str, words: &[W]) -> Result<Command> {
        let mut command = self.engine_command(&["exec", "--interactive", node])?;
        command.args(words.iter().map(AsRef::as_ref));
        Ok(command)
    }
}

fn said(outcome: &Output) -> String {
    let mut said = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
    if said.is_empty() {
        said = String::from_utf8_lossy(&outcome.stdout).trim().to_owned();
    }
    said
}
