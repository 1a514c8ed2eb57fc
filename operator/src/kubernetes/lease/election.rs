//! The election, held with a live API server: carries out what the candidate asks for.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, Error};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::candidate::{Action, Answer, Candidate};
use super::decide::Timing;
use super::{Leading, Moment, Term};
use crate::kubernetes::random;

/// How much longer a standby waits between two looks than it must, at most: so that several do not
/// look at the same time.
const SPREAD: f64 = 0.25;
/// How long the release at the end may take.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Where the Lease is, and as whom this process holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Name of this process. No two that run may have the same.
    pub identity: String,
}

/// The election of one process among those that ask for the same Lease.
#[derive(Debug)]
pub struct Election {
    api: Api<Lease>,
    place: Place,
    candidate: Candidate,
    /// What else than the election is in the Lease; it stays as it is.
    metadata: ObjectMeta,
    trouble: Option<String>,
}

enum Stepped {
    On,
    Pause,
    Down,
}

impl Election {
    /// An election at a place.
    pub fn new(client: Client, place: Place, timing: Timing) -> Self {
        Self {
            api: Api::namespaced(client, &place.namespace),
            candidate: Candidate::new(place.identity.clone(), timing),
            metadata: ObjectMeta::default(),
            trouble: None,
            place,
        }
    }

    /// Returns when this process leads. `waits` is called where another one does.
    pub async fn win(&mut self, waits: impl Fn()) -> (Term, Leading) {
        let mut waits_for = None;
        loop {
            let stepped = self.step().await;
            if let Some(until) = self.candidate.leading() {
                info!(lease = %self.place.name, identity = %self.place.identity, "this process leads");
                return Term::begin(until);
            }
            if matches!(stepped, Stepped::Pause) {
                let holder = self.candidate.holder().map(str::to_owned);
                if holder.is_some() && holder != waits_for {
                    info!(lease = %self.place.name, holder = holder.as_deref(), "waiting for the Lease");
                    waits_for = holder;
                    waits();
                }
                let spread = 1.0 + SPREAD * random::fraction();
                sleep(self.candidate.timing().retry.mul_f64(spread)).await;
            }
        }
    }

    /// Renews the Lease; returns when this process leads no more.
    pub async fn lead(&mut self, term: &Term) {
        sleep(self.candidate.timing().retry).await;
        loop {
            let stepped = self.step().await;
            if let Some(until) = self.candidate.leading() {
                term.prolong(until);
            }
            match stepped {
                Stepped::On => {}
                Stepped::Pause => sleep(self.candidate.timing().retry).await,
                Stepped::Down => return,
            }
        }
    }

    /// Gives the Lease back, so that the next process begins at once. Whoever acted has stopped.
    pub async fn release(mut self) {
        if timeout(LAST_WORDS, self.give_back()).await.is_err() {
            warn!(lease = %self.place.name, "the Lease could not be given back in time: it runs out by itself");
        }
    }

    async fn give_back(&mut self) {
        // What was written last may never have been answered.
        self.ask(&Action::Look).await;
        let Some(action) = self.candidate.release(clock()) else {
            return;
        };
        if let Answer::Lease { .. } = self.ask(&action).await {
            info!(lease = %self.place.name, "the Lease is given back");
        }
    }

    async fn step(&mut self) -> Stepped {
        let action = self.candidate.act(Moment::now(), clock());
        match &action {
            Action::Wait => return Stepped::Pause,
            Action::StepDown => return Stepped::Down,
            Action::Look | Action::Create(_) | Action::Replace { .. } => {}
        }
        match (&action, self.ask(&action).await) {
            (_, Answer::Nothing) => Stepped::Pause,
            // Written: the next renewal is due in a while.
            (Action::Create(_) | Action::Replace { .. }, Answer::Lease { .. }) => Stepped::Pause,
            _ => Stepped::On,
        }
    }

    /// Asks the API server, and tells the candidate.
    async fn ask(&mut self, action: &Action) -> Answer {
        let begun = Moment::now();
        let bound = self.candidate.timing().renew / 2;
        let answer = match timeout(bound, self.call(action)).await {
            Ok(Ok(Some(lease))) => self.read(lease),
            Ok(Ok(None)) => Answer::Nothing,
            Ok(Err(error)) => self.failed(action, &error),
            Err(_) => {
                self.tell(format!("no answer within {} s", bound.as_secs()));
                Answer::Nothing
            }
        };
        let now = Moment::now();
        self.candidate.answered(action, begun, answer.clone(), now);
        answer
    }

    async fn call(&self, action: &Action) -> Result<Option<Lease>, Error> {
        let name = &self.place.name;
        let params = PostParams::default();
        match action {
            Action::Look => self.api.get(name).await.map(Some),
            Action::Create(spec) => {
                let metadata = ObjectMeta {
                    name: Some(name.clone()),
                    ..ObjectMeta::default()
                };
                self.api
                    .create(&params, &lease(metadata, spec))
                    .await
                    .map(Some)
            }
            Action::Replace { version, spec } => {
                let metadata = ObjectMeta {
                    resource_version: Some(version.clone()),
                    ..self.metadata.clone()
                };
                self.api
                    .replace(name, &params, &lease(metadata, spec))
                    .await
                    .map(Some)
            }
            Action::Wait | Action::StepDown => Ok(None),
        }
    }

    fn read(&mut self, lease: Lease) -> Answer {
        if self.trouble.take().is_some() {
            info!(lease = %self.place.name, "the API server answers about the Lease again");
        }
        self.metadata = lease.metadata;
        Answer::Lease {
            spec: lease.spec.unwrap_or_default(),
            version: self.metadata.resource_version.clone().unwrap_or_default(),
        }
    }

    fn failed(&mut self, action: &Action, error: &Error) -> Answer {
        match error {
            Error::Api(status) if status.code == 409 => Answer::Conflict,
            Error::Api(status) if status.code == 404 && !matches!(action, Action::Create(_)) => {
                Answer::Missing
            }
            _ => {
                self.tell(told(error));
                Answer::Nothing
            }
        }
    }

    /// Says what is in the way, once.
    fn tell(&mut self, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            let (lease, namespace) = (&self.place.name, &self.place.namespace);
            warn!(%lease, %namespace, trouble, "the Lease cannot be read or written; trying again");
            self.trouble = Some(trouble);
        }
    }
}

fn lease(metadata: ObjectMeta, spec: &LeaseSpec) -> Lease {
    Lease {
        metadata,
        spec: Some(spec.clone()),
    }
}

fn told(error: &Error) -> String {
    match error {
        Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

/// The wall clock, for people who read the Lease.
fn clock() -> MicroTime {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or_default();
    MicroTime(Timestamp::from_microsecond(micros).unwrap_or_default())
}
