//! A bus on this machine: `svom-messaging local up` in a folder of its own, ended with everything it
//! started, whatever becomes of the test.

mod places;
mod served;

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use svom_cluster::slots::Slot;
use tempfile::TempDir;

use crate::bus::Bus;
use crate::poll;
use crate::ports::Ports;
use crate::processes::{self, Server};
use crate::program::{SERVER_VARIABLE, svom_messaging};
use crate::report::print;
use crate::written::Written;

const ENDS_WITHIN: Duration = Duration::from_secs(60);
const LOG_TAIL: usize = 30;

/// Where its nats-server comes from.
#[derive(Debug)]
enum Program {
    /// The one that the environment names to all tests, where it names one.
    OfAllTests,
    /// This one.
    This(PathBuf),
    /// The runner finds it, with these variables.
    FoundWith(Vec<(&'static str, OsString)>),
}

/// A bus on this machine. Fields are dropped in their order: the folder and the ports last.
#[derive(Debug)]
pub struct LocalBus {
    runner: Mutex<Option<Child>>,
    servers: Vec<String>,
    state: String,
    program: Program,
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
            servers: Written::read(resource)?.servers,
            state: state.to_owned(),
            program: Program::OfAllTests,
            folder,
            ports: Ports::take()?,
            _slot: slot,
        })
    }

    /// The same with this program as its nats-server.
    #[must_use]
    pub fn served_by(mut self, program: PathBuf) -> Self {
        self.program = Program::This(program);
        self
    }

    /// The same, where the runner finds its nats-server by itself, with these variables of its
    /// environment.
    #[must_use]
    pub fn finding_its_server(mut self, variables: Vec<(&'static str, OsString)>) -> Self {
        self.program = Program::FoundWith(variables);
        self
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

    /// The command that starts the runner.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn up_command(&self) -> Result<Command> {
        let mut command = self.up_command_without_server()?;
        self.with_server(&mut command);
        Ok(command)
    }

    /// Has a command take the nats-server of this bus, and so never build one.
    pub fn with_server(&self, command: &mut Command) {
        let named = match &self.program {
            Program::OfAllTests => env::var_os(SERVER_VARIABLE).map(PathBuf::from),
            Program::This(program) => Some(program.clone()),
            Program::FoundWith(variables) => {
                command.envs(variables.iter().cloned());
                None
            }
        };
        if let Some(server) = named {
            command.arg("--nats-server").arg(server);
        }
    }

    /// The same; which nats-server it takes is not said yet.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn up_command_without_server(&self) -> Result<Command> {
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

    fn runner(&self) -> MutexGuard<'_, Option<Child>> {
        self.runner.lock().unwrap_or_else(PoisonError::into_inner)
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
