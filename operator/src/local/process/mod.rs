//! The servers of a bus as processes of this machine. In: the server program and the state folder,
//! then what is asked of a [`Servers`]. Out: the state of each server, in words where it is not
//! running. One task owns all children, so that a pid is never used after its process was reaped; it
//! waits and never polls. It knows nothing of clusters: whether a running server is any good is asked
//! over NATS.

mod actor;
mod child;
mod log;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::folder::Folder;
use actor::Command;

/// How long a server that is to end in lame duck may take: its configuration gives it 30 seconds for
/// clients and 10 of grace before.
pub const LAME_DUCK_BOUND: Duration = Duration::from_secs(60);

/// The state of every server, by name.
pub type States = BTreeMap<String, State>;

/// The state of a server's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running {
        /// Its process.
        pid: u32,
    },
    /// It was told to end and has not ended.
    Ending {
        /// Its process.
        pid: u32,
    },
    /// It stays down until it is started.
    Down(Why),
    /// It ended by itself and is started again after a pause.
    Restarting {
        /// How it ended, and the last that it said.
        ended: String,
        /// How many times in a row it ended before it had run for long.
        times: u32,
        /// How long the pause is.
        pause: Duration,
    },
}

/// Why a server stays down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody has started it.
    NotStarted,
    /// It was killed on request.
    Killed,
    /// It was stopped on request.
    Stopped,
    /// The bus ends.
    Shutdown,
    /// Its process could not be started.
    CannotStart(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("nobody has started it"),
            Self::Killed => f.write_str("it was killed on request"),
            Self::Stopped => f.write_str("it was stopped on request"),
            Self::Shutdown => f.write_str("the bus ends"),
            Self::CannotStart(why) => write!(f, "it cannot be started: {why}"),
        }
    }
}

/// How a start went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It has a process now.
    Now(u32),
    /// It had one.
    Already(u32),
}

/// How a server came to be down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was down, and stays so.
    WasDown,
    /// It ended as it was told.
    AsTold,
    /// It did not end in time and was killed.
    Forced,
}

/// Why something that was asked of the servers is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServersError {
    /// There is no such server.
    #[error("there is no server {name}: this bus has {}", known.join(", "))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// It is on its way down.
    #[error(
        "server {name} is still ending: wait for that, or end it at once with `svom-messaging local kill {name}`"
    )]
    StillEnding {
        /// The server.
        name: String,
    },
    /// It is not down.
    #[error("server {name} runs: stop it first")]
    NotDown {
        /// The server.
        name: String,
    },
    /// Its process could not be started.
    #[error("server {name} cannot be started: {why}")]
    CannotStart {
        /// The server.
        name: String,
        /// What the system says.
        why: String,
    },
    /// The bus ends, and with it every server.
    #[error("the bus is ending")]
    Leaving,
}

/// What runs the servers.
#[derive(Clone, Debug)]
pub struct Program {
    /// The nats-server program.
    pub binary: PathBuf,
    /// The state folder; a server's own is `servers/NAME` in it and holds its `server.json`.
    pub folder: Folder,
}

/// The servers of a bus. Clones speak of the same ones. When the last is dropped, or the runtime
/// ends, every process is killed.
#[derive(Clone, Debug)]
pub struct Servers {
    commands: mpsc::Sender<Command>,
    states: watch::Receiver<States>,
}

impl Servers {
    /// No server yet. Must be called in a current-thread runtime that the main thread drives: on
    /// Linux the system kills a server when the thread that started it ends.
    pub fn new(program: Program) -> Self {
        let (commands, received) = mpsc::channel(16);
        let (publish, states) = watch::channel(States::new());
        tokio::spawn(actor::serve(program, received, publish));
        Self { commands, states }
    }

    /// The states now.
    pub fn states(&self) -> States {
        self.states.borrow().clone()
    }

    /// The states as they change; a state that lasted only a moment may be missed.
    pub fn watch(&self) -> watch::Receiver<States> {
        self.states.clone()
    }

    /// Makes a server known, down until it is started. One that is known stays as it is.
    pub async fn add(&self, name: &str) -> Result<(), ServersError> {
        self.ask(|reply| Command::Add(name.into(), reply)).await
    }

    /// Forgets a server that is down.
    pub async fn remove(&self, name: &str) -> Result<(), ServersError> {
        self.ask(|reply| Command::Remove(name.into(), reply))
            .await?
    }

    /// Starts a server that is down, or that waits to be started again.
    pub async fn start(&self, name: &str) -> Result<Started, ServersError> {
        self.ask(|reply| Command::Start(name.into(), reply)).await?
    }

    /// Kills a server, as a crash would; it stays down. Returns when it has ended.
    pub async fn kill(&self, name: &str) -> Result<Ended, ServersError> {
        self.ask(|reply| Command::Kill(name.into(), reply)).await?
    }

    /// Ends a server in lame duck: it hands its leaderships over and sends its clients away; it stays
    /// down. Returns when it has ended; after the bound it is killed.
    pub async fn stop(&self, name: &str, bound: Duration) -> Result<Ended, ServersError> {
        self.ask(|reply| Command::Stop(name.into(), bound, reply))
            .await?
    }

    /// Ends all servers at once and in order, those that take longer than the bound by force. Returns
    /// when all have ended. Nothing is started after this.
    pub async fn shutdown(&self, bound: Duration) {
        // The one error says that they have ended.
        let _ = self.ask(|reply| Command::Shutdown(bound, reply)).await;
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, ServersError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| ServersError::Leaving)?;
        answer.await.map_err(|_| ServersError::Leaving)
    }
}
