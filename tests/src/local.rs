//! A bus on this machine: `svom-messaging local up` in a folder of its own, ended with everything it
//! started, whatever becomes of the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use sha2::{Digest, Sha256};
use svom_crds::SvomMessagingStatus;
use tempfile::TempDir;

use crate::bus::{Bus, Credentials};
use crate::poll;
use crate::ports::Ports;
use crate::processes::{self, Server, servers_of};
use crate::program::{SERVER_VARIABLE, outcome, run, svom_messaging};
use crate::report::print;
use crate::slots::Slot;

const ENDS_WITHIN: Duration = Duration::from_secs(60);
const APPLIED_WITHIN: Duration = Duration::from_secs(300);
const LAME_DUCK_WITHIN: Duration = Duration::from_secs(120);
const LOG_TAIL: usize = 30;

/// A bus on this machine. Fields are dropped in their order: the folder and the ports last.
#[derive(Debug)]
pub struct LocalBus {
    runner: Mutex<Option<Child>>,
    servers: Vec<String>,
    state: String,
    folder: TempDir,
    ports: Ports,
    _slot: Slot,
}

impl LocalBus {
    /// A folder and ports for a bus of this resource; nothing runs yet.
    ///
    /// # Errors
    /// When there is no room.
    pub fn prepare(resource: &str, slot: Slot) -> Result<Self> {
        Self::prepare_at(resource, slot, "state")
    }

    /// As [`LocalBus::prepare`], with this name for the folder of the bus's state.
    ///
    /// # Errors
    /// When there is no room.
    pub fn prepare_at(resource: &str, slot: Slot, state: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("svom-bus-").tempdir()?;
        fs::write(folder.path().join("resource.yaml"), resource)?;
        Ok(Self {
            runner: Mutex::new(None),
            servers: server_names(resource)?,
            state: state.to_owned(),
            folder,
            ports: Ports::take()?,
            _slot: slot,
        })
    }

    /// Starts a bus and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn up(resource: &str) -> Result<Self> {
        let bus = Self::prepare(resource, Slot::shared())?;
        bus.begin()?;
        Ok(bus)
    }

    /// Runs what is to be tried on a bus that is ready, and prints the ends of its logs when that
    /// fails.
    ///
    /// # Errors
    /// When the bus or what is tried fails.
    pub fn with(resource: &str, attempt: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        Self::prepare(resource, Slot::shared())?.run(attempt)
    }

    /// As [`LocalBus::with`], with no other bus beside it.
    ///
    /// # Errors
    /// When the bus or what is tried fails.
    pub fn alone_with(resource: &str, attempt: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        Self::prepare(resource, Slot::alone())?.run(attempt)
    }

    /// Starts what was prepared and runs what is to be tried on it, as [`LocalBus::with`].
    ///
    /// # Errors
    /// When the bus or what is tried fails.
    pub fn run(self, attempt: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let result = self.begin().and_then(|()| attempt(&self));
        if result.is_err() {
            self.print_logs();
        }
        result
    }

    /// Starts the runner on what lies in the folder and waits until the bus is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn begin(&self) -> Result<()> {
        self.launch()?;
        self.wait_until_ready()
    }

    /// Starts the runner on what lies in the folder and waits for nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&self) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .context("cannot write the runner's log")?;
        let mut command = self.up_command()?;
        if let Some(server) = env::var_os(SERVER_VARIABLE) {
            command.arg("--nats-server").arg(server);
        }
        command.stdout(log.try_clone()?).stderr(log);
        *self.runner() = Some(command.spawn().context("cannot start svom-messaging")?);
        Ok(())
    }

    /// Process id of the runner.
    ///
    /// # Errors
    /// When it was not started.
    pub fn runner_id(&self) -> Result<u32> {
        self.runner().as_ref().map(Child::id).context("no runner")
    }

    /// The command that starts the runner; which nats-server it takes is not said yet.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn up_command(&self) -> Result<Command> {
        let mut command = self.local(&["up"])?;
        command.arg("--file").arg(self.resource());
        command.args(["--port", &self.ports.first.to_string()]);
        command.arg("--secrets").arg(self.secrets());
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// A command of the group `local` for this bus.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn local(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(svom_messaging()?);
        command
            .arg("local")
            .args(words)
            .arg("--dir")
            .arg(self.state());
        Ok(command)
    }

    /// Ends the runner in order, and fails where it leaves a server behind.
    ///
    /// # Errors
    /// When a server outlives the runner.
    pub fn finish(&self) -> Result<()> {
        let left = self.end();
        ensure!(left.is_empty(), "svom-messaging ended and left {left:?}");
        Ok(())
    }

    /// The first port of its clients.
    pub fn port(&self) -> u16 {
        self.ports.first
    }

    /// Kills the runner alone (`SIGKILL`).
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_runner(&self) -> Result<()> {
        let mut runner = self.runner().take().context("no runner")?;
        runner.kill()?;
        runner.wait()?;
        Ok(())
    }

    /// Kills the runner and every server at once, as a machine that loses its power.
    ///
    /// # Errors
    /// When something outlives it.
    pub fn crash(&self) -> Result<()> {
        if self.runner().is_some() {
            self.kill_runner()?;
        }
        poll::until("every process to be gone", ENDS_WITHIN, || {
            let left = self.processes();
            left.iter()
                .for_each(|server| processes::signal(server.pid, Signal::KILL));
            Ok(left.is_empty().then_some(()))
        })
    }

    /// Folder of the bus's state, `DIR` of the command line.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join(&self.state)
    }

    /// Folder of brought secrets; not there unless a test makes it.
    pub fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    /// Folder of a server: its configuration, certificates, log and messages.
    pub fn store(&self, server: &str) -> PathBuf {
        self.state().join("servers").join(server)
    }

    /// Address of the server's port for other servers.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn route_address(&self, server: &str) -> Result<String> {
        let index = self.servers.iter().position(|name| name == server);
        let index = index.with_context(|| format!("there is no server {server}"))?;
        let port = usize::from(self.ports.first) + 2_000 + index;
        Ok(format!("127.0.0.1:{port}"))
    }

    /// The nats-servers that run.
    pub fn processes(&self) -> Vec<Server> {
        servers_of(&self.state())
    }

    /// The process of one server.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&self, server: &str) -> Result<Server> {
        let folder = self.store(server);
        self.processes()
            .into_iter()
            .find(|process| process.runs_in(&folder))
            .with_context(|| format!("{server} does not run"))
    }

    /// File of the resource.
    pub fn resource(&self) -> PathBuf {
        self.folder.path().join("resource.yaml")
    }

    /// Where the runner's output goes.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("runner.log")
    }

    fn runner(&self) -> MutexGuard<'_, Option<Child>> {
        self.runner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_gone(&self, server: &str, limit: Duration) -> Result<()> {
        poll::until(&format!("{server} to be gone"), limit, || {
            Ok(self.process(server).is_err().then_some(()))
        })
    }

    fn print_logs(&self) {
        let servers = self.servers.iter();
        let logs = servers.map(|server| self.store(server).join("log"));
        for path in [self.log()].into_iter().chain(logs) {
            print(format!("---- the end of {}:", path.display()));
            print(tail(&path, LOG_TAIL));
        }
    }

    /// Ends the runner, first gently; returns what of the bus is left then.
    pub fn end(&self) -> Vec<Server> {
        if let Some(mut runner) = self.runner().take() {
            if let Ok(pid) = i32::try_from(runner.id()) {
                processes::signal(pid, Signal::TERM);
            }
            let ended = poll::until("the runner to end", ENDS_WITHIN, || Ok(runner.try_wait()?));
            if ended.is_err() {
                // Its servers are looked for below, whether it could be killed or not.
                let _ = runner.kill().and_then(|()| runner.wait());
            }
        }
        self.processes()
    }
}

impl Drop for LocalBus {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print_logs();
        }
        let left = self.end();
        left.iter()
            .for_each(|server| processes::signal(server.pid, Signal::KILL));
        assert!(
            left.is_empty() || thread::panicking(),
            "svom-messaging ended and left servers running: {left:?}"
        );
    }
}

impl Bus for LocalBus {
    fn apply(&self, resource: &str) -> Result<()> {
        fs::write(self.resource(), resource)?;
        let mut apply = self.local(&["apply"])?;
        let output = outcome(apply.arg("--file").arg(self.resource()), APPLIED_WITHIN)?;
        let words =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        // What is in force and not ready yet, because messages are under way, is waited for.
        ensure!(
            output.status.success() || words.contains("Not ready (CatchingUp)"),
            "`local apply` ended with {}:\n{words}",
            output.status
        );
        self.wait_until_ready()
    }

    fn status(&self) -> Result<SvomMessagingStatus> {
        if let Some(runner) = self.runner().as_mut()
            && let Some(ended) = runner.try_wait()?
        {
            bail!(
                "svom-messaging local up has ended ({ended}):\n{}",
                tail(&self.log(), LOG_TAIL)
            );
        }
        let mut status = self.local(&["status", "--output", "json"])?;
        let output = outcome(&mut status, ENDS_WITHIN)?;
        let status: SvomMessagingStatus = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("no status: {}", String::from_utf8_lossy(&output.stderr)))?;
        let ready = crate::bus::is_ready(&status);
        if ready != output.status.success() {
            bail!(
                "`local status` ended with {} and says Ready={ready}",
                output.status
            );
        }
        Ok(status)
    }

    fn servers(&self) -> Vec<String> {
        self.servers.clone()
    }

    fn credentials(&self, user: &str) -> Result<Credentials> {
        Credentials::read(&self.state().join("users").join(user))
    }

    fn kill(&self, server: &str) -> Result<()> {
        run(&mut self.local(&["kill", server])?)?;
        self.wait_until_gone(server, ENDS_WITHIN)
    }

    fn stop(&self, server: &str) -> Result<()> {
        run(&mut self.local(&["stop", server])?)?;
        self.wait_until_gone(server, LAME_DUCK_WITHIN)
    }

    fn start(&self, server: &str) -> Result<()> {
        run(&mut self.local(&["start", server])?)?;
        self.wait_until_ready()
    }

    fn memory(&self, server: &str) -> Result<u64> {
        self.process(server)?.memory()
    }

    /// The bytes that the server's digest is made of: compact JSON with sorted keys, `<`, `>` and
    /// `&` escaped, and a newline.
    fn given_digest(&self, server: &str) -> Result<String> {
        let path = self.store(server).join("server.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value: serde_json::Value = serde_json::from_slice(&text)?;
        let compact = serde_json::to_string(&value)?
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        let hash = Sha256::digest(format!("{compact}\n"));
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("sha256:{hash}"))
    }
}

/// The servers' names follow from the resource's name and number of servers.
fn server_names(resource: &str) -> Result<Vec<String>> {
    let resource: serde_yaml::Value = serde_yaml::from_str(resource)?;
    let name = resource
        .get("metadata")
        .and_then(|metadata| metadata.get("name"))
        .and_then(serde_yaml::Value::as_str)
        .context("the resource has no name")?;
    let replicas = resource
        .get("spec")
        .and_then(|spec| spec.get("replicas"))
        .and_then(serde_yaml::Value::as_u64)
        .unwrap_or(3);
    Ok((0..replicas)
        .map(|index| format!("{name}-{index}"))
        .collect())
}

fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|problem| problem.to_string());
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all.iter()
        .skip(from)
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}
