//! The runner in front: it stays with a bus until it is told to end. In: the recipe, the servers, and
//! everything that can happen: a signal, a request, a server's end, a moment. Out: calls of the
//! recipe, one at a time; and in the end no process and no lock that is left.
//!
//! Signals, requests and servers are attended to while the recipe works; a signal or a `down` cuts its
//! work short where it waits, as a crash would, and the recipe persists before it acts. Likewise a
//! change that somebody asks for cuts short what the recipe does of its own accord: that is begun anew
//! when the change is made.

pub(in crate::local) mod clock;
mod requests;
#[cfg(test)]
mod tests;
mod worker;

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use serde_json::Value;
use svom_plan::UnixSeconds;
use tokio::sync::{mpsc, watch};

use super::control::server::{Asked, Control, Progress, Responder};
use super::folder::{Folder, FolderError};
use super::lock::Lock;
use super::process::{Servers, States};
use crate::signals::Signals;
use requests::Wanted;
use worker::{Busy, Worker};

pub use requests::Further;

/// How long servers may take to end when the bus does.
const SHUTDOWN_BOUND: Duration = Duration::from_secs(20);
/// How long clients may take to take in the last answer.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What is done with a bus: observe, plan, mint, apply, prove, report. Each call does one piece of work
/// to its end; the runner makes the next one when it has returned. A future may be dropped wherever it
/// waits.
pub trait Recipe {
    /// What went wrong, in words for people.
    type Error: fmt::Display;

    /// Brings the bus up. An error ends the run.
    fn begin(&mut self) -> impl Future<Output = Result<(), Self::Error>>;

    /// Brings the bus to another resource. What takes minutes is left undone when a further change is
    /// asked for: that one may take a right away, and goes on with the rest.
    fn apply(
        &mut self,
        resource: Resource,
        progress: &Progress,
        further: &Further,
    ) -> impl Future<Output = Result<Value, Self::Error>>;

    /// Looks at the bus, for somebody who asks how it is, and returns the status. With bounds on all
    /// that it waits for.
    fn look(&mut self) -> impl Future<Output = Value>;

    /// Servers went up or down: by themselves, on request, or through the recipe's own work. It is
    /// dropped, and called again, when they do so meanwhile or a change is asked for.
    fn servers_changed(&mut self, states: States) -> impl Future<Output = ()>;

    /// The moment of [`Recipe::next_moment`] has come. It is dropped when a change is asked for; what
    /// was left undone must have a moment then.
    fn moment_came(&mut self) -> impl Future<Output = ()>;

    /// When there is something to do though nothing happens, as a certificate to renew.
    fn next_moment(&self) -> Option<UnixSeconds>;
}

/// A resource as it was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Name of its file, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// What a run is made of.
#[derive(Debug)]
pub struct Run {
    /// The state folder.
    pub folder: Folder,
    /// The lock on it, held to the end.
    pub lock: Lock,
    /// The servers; the recipe has a clone.
    pub servers: Servers,
    /// The status as the recipe last knew it, for who asks while it works.
    pub last_status: watch::Receiver<Value>,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// By a signal of this name.
    Signal(&'static str),
    /// By a request.
    Down {
        /// Whether the state folder was deleted.
        deleted: bool,
    },
}

/// Why a run ended that was to go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E: fmt::Display> {
    /// The control socket cannot be made.
    #[error("the socket {path} cannot be made: {source}. Name a folder on a local disk with --dir")]
    Control {
        /// The socket.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(io::Error),
    /// The bus could not be brought up.
    #[error("{0:#}")]
    Recipe(E),
    /// The state folder could not be deleted.
    #[error(transparent)]
    Delete(FolderError),
}

/// Runs the future on this thread, which must be the main one: servers end with the thread that
/// started them.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(future))
}

enum Leave<E> {
    Signal(&'static str),
    Down { delete: bool, responder: Responder },
    Failed(E),
}

/// Runs the bus until it is told to end.
pub async fn run<R: Recipe>(run: Run, mut recipe: R) -> Result<Left, RunError<R::Error>> {
    let Run {
        folder,
        lock,
        servers,
        last_status,
    } = run;
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let mut control = Control::listen(&folder).map_err(|source| RunError::Control {
        path: folder.socket().display().to_string(),
        source,
    })?;
    let (asked, mut requests) = mpsc::channel::<Asked>(16);
    let (wanted, work) = Wanted::new();
    let busy = Cell::new(Busy::Asked);
    let desk = requests::Desk {
        servers: &servers,
        wanted: &wanted,
        busy: &busy,
        last_status: &last_status,
    };
    let worker = Worker {
        work,
        servers: &servers,
        busy: &busy,
        last_status: &last_status,
    };

    let leave = tokio::select! {
        biased;
        signal = signals.next() => Leave::Signal(signal),
        (delete, responder) = desk.attend(&mut requests) => Leave::Down { delete, responder },
        error = worker.work_on(&mut recipe) => Leave::Failed(error),
        never = control.serve(&asked) => match never {},
    };
    // Its clients would only try to reach servers that are ending.
    drop(recipe);
    drop((requests, wanted));
    control.close();
    shut_down(&servers, &mut signals).await;
    let left = finish(leave, &folder);
    control.finish(LAST_ANSWERS).await;
    drop(lock);
    left
}

/// Ends all servers in order; a further signal ends them at once.
async fn shut_down(servers: &Servers, signals: &mut Signals) {
    tokio::select! {
        () = servers.shutdown(SHUTDOWN_BOUND) => {}
        _ = signals.next() => servers.shutdown(Duration::ZERO).await,
    }
}

fn finish<E: fmt::Display>(leave: Leave<E>, folder: &Folder) -> Result<Left, RunError<E>> {
    match leave {
        Leave::Signal(name) => Ok(Left::Signal(name)),
        Leave::Failed(error) => Err(RunError::Recipe(error)),
        Leave::Down { delete, responder } => {
            let done = if delete { folder.delete() } else { Ok(()) };
            responder.end(match &done {
                Ok(()) => Ok(Value::Null),
                Err(error) => Err(error.to_string()),
            });
            done.map(|()| Left::Down { deleted: delete })
                .map_err(RunError::Delete)
        }
    }
}
