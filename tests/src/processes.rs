//! The processes of a bus as the system shows them: found by the folder they were started for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// A running nats-server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its process id.
    pub pid: i32,
    /// Its command line.
    pub arguments: Vec<String>,
}

impl Server {
    /// The process with this number, where it is a nats-server.
    pub fn running(pid: i32) -> Option<Self> {
        let arguments = arguments(pid)?;
        Some(Self { pid, arguments })
    }

    /// The one that runs in this container of a node whose processes this machine sees.
    pub fn in_container(id: &str) -> Option<Self> {
        let is_in = |pid: &i32| {
            let group = fs::read_to_string(format!("/proc/{pid}/cgroup"));
            group.is_ok_and(|group| group.contains(id))
        };
        all().filter(is_in).find_map(Self::running)
    }

    /// Whether it was started on a file in this folder.
    pub fn runs_in(&self, folder: &Path) -> bool {
        let mut arguments = self.arguments.iter();
        arguments.any(|argument| Path::new(argument).starts_with(folder))
    }

    /// The program that runs.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn program(&self) -> Result<PathBuf> {
        let link = format!("/proc/{}/exe", self.pid);
        fs::read_link(&link).with_context(|| format!("cannot read {link}"))
    }

    /// Resident memory, bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let kibibytes = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse::<u64>().ok())
            .with_context(|| format!("{path} has no VmRSS"))?;
        Ok(kibibytes * 1024)
    }
}

/// The nats-servers whose command line names the folder or that run in it.
pub fn servers_of(folder: &Path) -> Vec<Server> {
    let mut servers: Vec<Server> = all().filter_map(|pid| server(pid, folder)).collect();
    servers.sort_by_key(|server| server.pid);
    servers
}

/// Every process.
fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The command line of a nats-server.
fn arguments(pid: i32) -> Option<Vec<String>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    arguments
        .first()
        .is_some_and(|program| program.contains("nats-server"))
        .then_some(arguments)
}

fn server(pid: i32, folder: &Path) -> Option<Server> {
    let Server { pid, arguments } = Server::running(pid)?;
    let named = arguments
        .iter()
        .any(|argument| argument.contains(&*folder.to_string_lossy()));
    let inside =
        || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|place| place.starts_with(folder));
    (named || inside()).then_some(Server { pid, arguments })
}

/// The processes that work in the folder or below it, also where it was removed since.
pub fn working_in(folder: &Path) -> Vec<i32> {
    let works = |pid: &i32| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|place| place.starts_with(folder))
    };
    all().filter(works).collect()
}

/// Sends a signal; a process that is gone already is no error.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // The only failures are "gone" and "not ours"; what follows looks whether it is gone.
        let _ = kill_process(pid, signal);
    }
}
