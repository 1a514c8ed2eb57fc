//! The recipe for one bus on this machine: observe, plan, mint, apply, prove, report.
//!
//! In: a resource, the state folder, the servers' processes. Out: a bus that is as the resource wants
//! it, and a status that says whether it is. What to do is decided by `svom_plan`; this calls it and
//! carries it out. It persists before it uses, so that it may be cut short anywhere.

mod apply;
mod at_start;
mod files;
mod judge;
mod standing;
mod summary;
#[cfg(test)]
mod tests;
mod work;

use std::path::PathBuf;

use serde_json::Value;
use svom_crds::SvomMessagingStatus;
use svom_plan::change::Change;
use svom_plan::status::{Findings, Setting, is_ready, is_settled, status};
use svom_plan::{Problem, UnixSeconds, Valid};
use tokio::sync::watch;

use super::folder::Folder;
use super::process::{Servers, State, States};
use super::run::Further;
use crate::bus::{Say, mark_down};
use crate::clock::now;
use crate::store::{Files, Store, StoreError};
use apply::Next;
use standing::{Standing, presences, runs};

pub use work::ApplyAnswer;

/// Why a piece of work is not done.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The resource is wrong.
    #[error("{0}")]
    Resource(String),
    /// The state folder was made for something that this resource cannot become.
    #[error("{0}")]
    Refused(String),
    /// A secret or a file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What a server's configuration cannot say, or does not fit.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
    /// The operator's own connections.
    #[error(transparent)]
    Connection(#[from] crate::nats::bus::BusError),
    /// Anything else, in words.
    #[error("{0}")]
    Failed(String),
}

impl BusError {
    /// The problems of the resource, where that is what is wrong; else the error itself.
    fn problems(self) -> Result<Vec<Problem>, Self> {
        match self {
            Self::Problems(problems) | Self::Store(StoreError::Problems(problems)) => Ok(problems),
            other => Err(other),
        }
    }
}

/// Where and how a bus runs.
pub struct Place {
    /// The state folder.
    pub folder: Folder,
    /// Port of the first server.
    pub port: u16,
    /// Folder with Secrets that a person brings.
    pub secrets: Option<PathBuf>,
    /// Whether the run before this one ended without letting go of the folder.
    pub after_crash: bool,
}

/// What is told to the person in front.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// How long after something was found that may come right, or failed, it is looked at or tried again.
const AGAIN: u64 = 60;

/// What is done from the start of the servers to their proof.
const BEING_BROUGHT_UP: &str = "the bus is being brought up";

/// One bus on this machine.
pub struct Bus {
    place: Place,
    store: Store,
    servers: Servers,
    /// The resource to begin with.
    wanted: Valid,
    standing: Option<Standing>,
    /// What was asked for last and cannot be had.
    asked: Asked,
    undone: Option<Undone>,
    /// When it is looked at again though nothing happens.
    again_at: Option<UnixSeconds>,
    told: watch::Sender<Value>,
    /// What was found last, and whether that was good; absent before the first look.
    found: Findings,
    was_ready: Option<bool>,
    /// The servers' processes when that was found.
    looked_at: States,
    /// The servers' processes of which was told last.
    heard_of: States,
    before: Option<SvomMessagingStatus>,
    tell: Tell,
}

/// What was asked for last and is not in force.
#[derive(Clone, Debug, Default)]
struct Asked {
    generation: i64,
    problems: Vec<Problem>,
    refused: Vec<Change>,
    waiting: Vec<Change>,
}

/// Work that came to no end.
struct Undone {
    /// What was to be put in force.
    wanted: Valid,
    why: String,
}

impl Bus {
    /// A bus that is not up yet, and where its status is told.
    ///
    /// # Errors
    /// The state folder is not as it should be.
    pub fn new(
        place: Place,
        wanted: Valid,
        servers: Servers,
        tell: Tell,
    ) -> Result<(Self, watch::Receiver<Value>), BusError> {
        let store = Store::open(
            Files::default(),
            place.folder.path().to_owned(),
            place.secrets.clone(),
        )?;
        let (told, status) = watch::channel(Value::Null);
        let bus = Self {
            place,
            store,
            servers,
            wanted,
            standing: None,
            asked: Asked::default(),
            undone: None,
            again_at: None,
            told,
            found: Findings::default(),
            was_ready: None,
            looked_at: States::new(),
            heard_of: States::new(),
            before: None,
            tell,
        };
        Ok((bus, status))
    }

    /// Brings the bus up and proves it; what fails on the way is in the findings.
    async fn bring_up(&mut self, wanted: &Valid, say: Say<'_>) -> Result<(), BusError> {
        let (standing, missing) =
            Standing::bring_up(&self.place, &self.store, &self.servers, wanted, say).await?;
        self.standing = Some(standing);
        if !missing.is_empty() {
            // What follows waits long for servers that do not answer, and somebody may ask meanwhile.
            self.look_at_all().await;
            self.announce(BEING_BROUGHT_UP);
        }
        self.finish(say).await
    }

    /// Brings the bus that stands to another state and proves it, likewise. Servers are restarted only
    /// where `further` is given, which stops that.
    async fn bring_to(
        &mut self,
        next: Next,
        further: Option<&Further>,
        say: Say<'_>,
    ) -> Result<(), BusError> {
        if let Some(standing) = &mut self.standing {
            let states = self.servers.states();
            standing.bring_to(next, &self.store, &states, say).await?;
            if let Some(further) = further {
                standing
                    .restart_one_by_one(&self.store, &self.servers, say, further)
                    .await?;
            }
        }
        self.finish(say).await
    }

    /// The state that the next run begins from, then queues and proof. The caller looks and reports.
    async fn finish(&mut self, say: Say<'_>) -> Result<(), BusError> {
        let Some(standing) = &mut self.standing else {
            return Ok(());
        };
        files::remember(&self.store, &standing.live.valid)?;
        let all_run = self.servers.states().values().all(runs);
        standing.live.sync_queues(all_run, say).await;
        standing.live.prove(say).await;
        Ok(())
    }

    /// Tells that something is being done, before it is: who asks meanwhile must not be told the state
    /// of before as if it still held.
    fn announce(&mut self, changing: impl Into<String>) {
        let mut findings = Findings {
            now: now(),
            changing: Some(changing.into()),
            ..self.found.clone()
        };
        mark_down(&mut findings.servers, &presences(&self.servers.states()));
        self.tell_status(findings);
    }

    /// Looks at everything.
    async fn look_at_all(&mut self) {
        let Some(standing) = &mut self.standing else {
            return;
        };
        let states = self.servers.states();
        self.found = standing.find(&states, now()).await;
        let undone = self.undone.as_ref().map(|undone| undone.why.clone());
        self.found.failures.extend(undone);
        self.looked_at = states;
    }

    /// Looks at everything, and tells the status, and the person in front where that is another one.
    async fn report(&mut self) -> SvomMessagingStatus {
        self.look_at_all().await;
        let told = self.tell_status(self.found.clone());
        let is_ready = is_ready(&told);
        match self.was_ready.replace(is_ready) {
            Some(true) if !is_ready => (self.tell)(&format!("not ready: {}", summary::why(&told))),
            Some(false) if is_ready => (self.tell)("ready again"),
            _ => {}
        }
        let may_come_right = !is_settled(&told) || self.unread().is_some();
        self.again_at = may_come_right.then(|| self.next_try());
        told
    }

    /// Who asks often must not put it off, nor a clock that was set back: one that is due stays so until
    /// it has come.
    fn next_try(&self) -> UnixSeconds {
        let latest = now().saturating_add_unsigned(AGAIN);
        self.again_at.map_or(latest, |at| at.min(latest))
    }

    /// A server that runs and has not read what was written for it, in words. (Those that are down
    /// read it when they start.)
    fn unread(&self) -> Option<String> {
        let unread = &self.standing.as_ref()?.live.unread;
        let states = self.servers.states();
        let runs = |name: &&String| matches!(states.get(*name), Some(State::Running { .. }));
        let name = unread.keys().find(runs)?;
        Some(format!(
            "server {name} has not read its configuration again"
        ))
    }

    fn tell_status(&mut self, mut findings: Findings) -> SvomMessagingStatus {
        findings.refused.extend(self.asked.refused.iter().cloned());
        findings.problems.clone_from(&self.asked.problems);
        findings.waiting.clone_from(&self.asked.waiting);
        let standing = self.standing.as_ref();
        let valid = standing.map_or(&self.wanted, |standing| &standing.live.valid);
        let folder = |user| self.store.user_folder(user).display().to_string();
        let setting = Setting {
            valid,
            generation: self.asked.generation,
            selector: None,
            external: None,
            internal: standing.map(Standing::url).unwrap_or_default(),
            websocket: standing.and_then(Standing::websocket_url),
            websocket_external: None,
            ca: self.store.authority_file().display().to_string(),
            credentials: valid
                .users
                .keys()
                .map(|user| (user.clone(), folder(user)))
                .collect(),
            before: self.before.as_ref(),
        };
        let told = status(&setting, &findings);
        // A status is plain data: it can always be written.
        self.told
            .send_replace(serde_json::to_value(&told).unwrap_or_default());
        self.before = Some(told.clone());
        told
    }
}
