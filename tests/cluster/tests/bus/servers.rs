//! The bus as its clients see it: whether it is whole, what it acknowledges, and what it has kept.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use svom_cluster::fault::Pod;

use crate::bed::{Bed, NAMESPACE, address, eventually, fresh};

/// How one server answers for itself.
#[derive(Debug, Deserialize)]
pub struct State {
    /// What it says of its own health, and whether that is good.
    pub healthy: bool,
    pub words: String,
    /// Of the group that every server is in.
    pub meta_leader: Option<String>,
    pub servers: Option<usize>,
    /// Of the stream.
    pub leader: Option<String>,
    pub current: Vec<String>,
    pub messages: Option<u64>,
}

impl Bed {
    /// The servers' pods, in the order of their names.
    pub fn servers(&self) -> Result<Vec<Pod>> {
        Ok(self.pods("bus")?.into_values().collect())
    }

    /// What each of these servers says of itself, asked from the control plane's node.
    pub fn states(&self, servers: &[Pod]) -> Result<Vec<State>> {
        let hosts = hosts(servers)?;
        let words: Vec<&str> = ["state"]
            .into_iter()
            .chain(hosts.iter().map(String::as_str))
            .collect();
        let said = self.ask_from_outside(&words)?;
        let states = said.lines().map(serde_json::from_str);
        states
            .collect::<Result<_, _>>()
            .context("the client says no states")
    }

    /// Makes the stream, of three replicas.
    pub fn make_stream(&self) -> Result<()> {
        eventually("the stream", || {
            self.ask_servers("make-stream", &[]).map(drop)
        })
    }

    /// Waits until three servers are Ready and healthy, all know the same leaders, every replica is
    /// current with as many messages, and the bus acknowledges. Nobody may publish at the same time.
    pub fn whole(&self) -> Result<()> {
        eventually("a whole bus", || self.is_whole())
    }

    /// Waits until the bus is whole again; fails when something that was acknowledged is not in it.
    pub fn whole_with(&self, acknowledged: &[String]) -> Result<()> {
        self.whole()?;
        self.nothing_lost(acknowledged)
    }

    fn is_whole(&self) -> Result<()> {
        let servers = self.servers()?;
        ensure!(servers.len() == 3, "{} servers are on nodes", servers.len());
        let waiting = servers.iter().find(|pod| !pod.ready);
        ensure!(waiting.is_none(), "{waiting:?} is not Ready");
        let states = self.states(&servers)?;
        let first = states.first().context("no server answers")?;
        for state in &states {
            let agreed = state.meta_leader == first.meta_leader
                && state.leader == first.leader
                && state.messages == first.messages;
            let formed = state.servers == Some(3) && state.meta_leader.is_some();
            ensure!(state.healthy && formed && agreed, "{states:?}");
        }
        let leader = first.leader.as_ref().context("the stream has no leader")?;
        let leads = |(pod, _): &(&Pod, &State)| &pod.place.name == leader;
        let led = servers.iter().zip(&states).find(leads);
        let (_, led) =
            led.with_context(|| format!("{leader} leads the stream and is no server"))?;
        ensure!(
            led.current.len() == 2,
            "not every replica is current: {led:?}"
        );
        self.ask_servers("publish", &[&fresh("whole"), "1"])
            .map(drop)
    }

    /// The names of all messages with this prefix that the stream holds.
    fn stored(&self, prefix: &str) -> Result<BTreeSet<String>> {
        let said = eventually("what the stream holds", || {
            self.ask_servers("stored", &[prefix])
        })?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    fn nothing_lost(&self, acknowledged: &[String]) -> Result<()> {
        let first = acknowledged.first();
        let first = first.context("nothing was acknowledged at all")?;
        let (prefix, _) = first.rsplit_once('-').context("a name without a number")?;
        let stored = self.stored(prefix)?;
        let lost: Vec<_> = acknowledged
            .iter()
            .filter(|name| !stored.contains(*name))
            .collect();
        ensure!(
            lost.is_empty(),
            "{} of {} acknowledged messages are lost, the first: {:?}",
            lost.len(),
            acknowledged.len(),
            lost.first()
        );
        Ok(())
    }

    /// Asks the client program on the control plane's node, with the addresses of all servers.
    fn ask_servers(&self, word: &str, words: &[&str]) -> Result<String> {
        let hosts = hosts(&self.servers()?)?;
        let all = [word].into_iter().chain(words.iter().copied());
        let all: Vec<_> = all.chain(hosts.iter().map(String::as_str)).collect();
        self.ask_from_outside(&all)
    }

    /// A publisher on the control plane's node, with names that begin with this word and are nobody else's.
    pub fn publisher(&self, word: &str) -> Result<Publisher> {
        let pod = self.outside()?;
        let hosts = hosts(&self.servers()?)?;
        let exec = [
            "exec",
            "--stdin",
            "--namespace",
            NAMESPACE,
            &pod.place.name,
            "--",
        ];
        let prefix = fresh(word);
        let program = ["python3", "/programs/client.py", "publish", &prefix, "0"];
        let words = exec.into_iter().chain(program);
        let mut command = self
            .kubectl
            .command(words.chain(hosts.iter().map(String::as_str)));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start a publisher")?;
        let output = child
            .stdout
            .take()
            .context("a publisher without an output")?;
        let acknowledged = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&acknowledged);
        thread::spawn(move || {
            for name in BufReader::new(output).lines().map_while(Result::ok) {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(name);
            }
        });
        Ok(Publisher {
            input: child.stdin.take(),
            child,
            acknowledged,
        })
    }
}

/// Publishes until it is dropped.
pub struct Publisher {
    child: Child,
    /// The program ends when nobody holds this any more.
    input: Option<ChildStdin>,
    acknowledged: Arc<Mutex<Vec<String>>>,
}

impl Publisher {
    /// The names of what was acknowledged so far.
    pub fn acknowledged(&self) -> Vec<String> {
        let names = self.acknowledged.lock();
        names.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it; the names of what was acknowledged.
    pub fn end(self) -> Vec<String> {
        self.acknowledged()
    }

    /// Fails when more was acknowledged than these, but for one that may have been on its way.
    pub fn has_stood_still_since(&self, acknowledged: usize) -> Result<()> {
        let now = self.acknowledged().len();
        ensure!(
            now <= acknowledged + 1,
            "one server of three has acknowledged {} messages",
            now - acknowledged
        );
        Ok(())
    }

    /// Waits until so many more are acknowledged.
    pub fn waits_for_more(&self, count: usize) -> Result<()> {
        let before = self.acknowledged().len();
        eventually(&format!("{count} more acknowledgements"), || {
            let now = self.acknowledged().len();
            ensure!(now >= before + count, "{} more", now - before);
            Ok(())
        })
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        drop(self.input.take());
        // It may have ended with its pod, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hosts(servers: &[Pod]) -> Result<Vec<String>> {
    servers.iter().map(address).collect()
}
