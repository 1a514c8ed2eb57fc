//! Who does what is asked. In: requests. Out: what concerns one server goes to it at once, even while
//! the recipe works (the recipe may be waiting for the very server that somebody wants to start); what
//! concerns the bus is queued for the recipe; `down` ends the run. It never waits for any of them.

use std::cell::Cell;
use std::future::Future;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::super::control::Request;
use super::super::control::server::{Asked, Progress, Responder};
use super::super::process::{Ended, LAME_DUCK_BOUND, Servers, ServersError, Started};
use super::Resource;
use super::worker::Busy;

/// Changes that wait for the one that is being made.
const CHANGES_MAX: usize = 4;
const LOOKS_MAX: usize = 32;

/// Where work for the recipe is put.
pub struct Wanted {
    changes: mpsc::Sender<Change>,
    looks: mpsc::Sender<Responder>,
    /// How many changes were queued so far.
    asked: watch::Sender<u64>,
}

/// Where the recipe's work is taken from.
pub struct Work {
    /// Resources to bring the bus to.
    pub changes: mpsc::Receiver<Change>,
    /// Questions how it is.
    pub looks: mpsc::Receiver<Responder>,
}

/// A change that is asked for.
pub struct Change {
    /// The resource to bring the bus to.
    pub resource: Resource,
    /// Where the answer goes.
    pub responder: Responder,
    /// Those that come after it.
    pub further: Further,
}

/// The changes that were asked for after one.
#[derive(Debug)]
pub struct Further {
    asked: watch::Receiver<u64>,
    /// How many there were with this one.
    this: u64,
}

impl Further {
    /// Returns when there is one, at once where it waits already.
    pub async fn asked_for(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked > self.this).await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }

    /// There is none, or there is one.
    #[cfg(test)]
    pub fn already(is_asked_for: bool) -> Self {
        Self {
            asked: watch::channel(u64::from(is_asked_for)).1,
            this: 0,
        }
    }
}

impl Wanted {
    /// Both ends.
    pub fn new() -> (Self, Work) {
        let (change, changes) = mpsc::channel(CHANGES_MAX);
        let (look, looks) = mpsc::channel(LOOKS_MAX);
        (
            Self {
                changes: change,
                looks: look,
                asked: watch::Sender::new(0),
            },
            Work { changes, looks },
        )
    }

    /// Queues a resource to bring the bus to.
    pub fn change(&self, resource: Resource, responder: Responder) {
        let this = *self.asked.borrow() + 1;
        let further = Further {
            asked: self.asked.subscribe(),
            this,
        };
        let change = Change {
            resource,
            responder,
            further,
        };
        match self.changes.try_send(change) {
            Ok(()) => {
                self.asked.send_replace(this);
            }
            Err(full) => full.into_inner().responder.end(Err(format!(
                "{CHANGES_MAX} changes wait already: try again when they are made"
            ))),
        }
    }

    /// Queues a question how the bus is.
    pub fn look(&self, responder: Responder) {
        if let Err(full) = self.looks.try_send(responder) {
            full.into_inner()
                .end(Err("too many ask for the status at once: try again".into()));
        }
    }

    fn no_change_waits(&self) -> bool {
        self.changes.capacity() == self.changes.max_capacity()
    }
}

/// What requests are attended to with.
pub struct Desk<'a> {
    /// The servers.
    pub servers: &'a Servers,
    /// Where work for the recipe is put.
    pub wanted: &'a Wanted,
    /// What the recipe is at.
    pub busy: &'a Cell<Busy>,
    /// The status as the recipe last knew it.
    pub last_status: &'a watch::Receiver<Value>,
}

impl Desk<'_> {
    /// Attends to requests until one of them ends the run: whether the folder is to be deleted, and
    /// where the answer goes when that is done.
    pub async fn attend(&self, requests: &mut mpsc::Receiver<Asked>) -> (bool, Responder) {
        loop {
            let Some(Asked { request, responder }) = requests.recv().await else {
                // The socket is gone; its own end says so.
                std::future::pending::<()>().await;
                continue;
            };
            match request {
                Request::Down { delete } => return (delete, responder),
                Request::Status {} => self.status(responder),
                Request::Apply { file, text } => self.change(Resource { file, text }, responder),
                Request::Kill { server } => act(responder, kill(self.servers.clone(), server)),
                Request::Start { server } => act(responder, start(self.servers.clone(), server)),
                Request::Stop { server } => {
                    let progress = responder.progress().clone();
                    act(responder, stop(self.servers.clone(), server, progress));
                }
            }
        }
    }

    /// A fresh look where nothing long is before it, else what was last known.
    fn status(&self, responder: Responder) {
        if self.busy.get() != Busy::No || !self.wanted.no_change_waits() {
            let known = self.last_status.borrow().clone();
            return responder.end(Ok(known));
        }
        self.wanted.look(responder);
    }

    fn change(&self, resource: Resource, responder: Responder) {
        if self.busy.get() == Busy::Asked || !self.wanted.no_change_waits() {
            responder
                .progress()
                .say("waits for the work that is being done on the bus");
        }
        self.wanted.change(resource, responder);
    }
}

/// Answers when the act is done, and holds nobody up until then.
fn act(
    responder: Responder,
    act: impl Future<Output = Result<String, ServersError>> + Send + 'static,
) {
    tokio::spawn(async move {
        let done = act.await;
        responder.end(
            done.map(|what| json!(what))
                .map_err(|error| error.to_string()),
        );
    });
}

async fn kill(servers: Servers, name: String) -> Result<String, ServersError> {
    Ok(match servers.kill(&name).await? {
        Ended::WasDown => format!("server {name} was down and stays down"),
        Ended::AsTold | Ended::Forced => format!("server {name} was killed and stays down"),
    })
}

async fn stop(servers: Servers, name: String, progress: Progress) -> Result<String, ServersError> {
    progress.say(format!(
        "server {name} hands over and sends its clients away, which takes up to {} s",
        LAME_DUCK_BOUND.as_secs()
    ));
    Ok(match servers.stop(&name, LAME_DUCK_BOUND).await? {
        Ended::WasDown => format!("server {name} was down and stays down"),
        Ended::AsTold => format!("server {name} has ended and stays down"),
        Ended::Forced => format!(
            "server {name} did not end in {} s, was killed, and stays down",
            LAME_DUCK_BOUND.as_secs()
        ),
    })
}

async fn start(servers: Servers, name: String) -> Result<String, ServersError> {
    Ok(match servers.start(&name).await? {
        Started::Now(pid) => format!("server {name} is started (process {pid})"),
        Started::Already(pid) => format!("server {name} runs already (process {pid})"),
    })
}
