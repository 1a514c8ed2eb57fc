//! The recipe for one bus on Kubernetes: look, judge, mint, apply, reload, prove, report.
//!
//! In: a resource, and the API server. Out: a bus that is as the resource wants it, or one step nearer,
//! and a status that says whether it is. What to do is decided by `svom_plan`; this carries it out. It
//! persists before it uses, and keeps nothing in memory that it could not find again, so that it may be
//! cut short anywhere and go on in another process.

mod apply;
mod judge;
mod live;
mod reading;
mod report;
mod rest;
mod workload;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use svom_crds::SvomMessagingStatus;
use svom_plan::UnixSeconds;
use svom_plan::kubernetes::Identity;
use svom_plan::status::{Findings, is_ready, is_settled};

use super::api::{Api, ApiError};
use super::controller::{Failure, Key, Next, Observed, Reconcile};
use super::gathered::Gathered;
use super::lease::Leading;
use super::metrics::Buses;
use super::process::Tools;
use super::write::WithoutEffect;
use crate::bus::Live;
use crate::clock::now;
use judge::{Aim, Judgement};
use rest::{AtRest, Made};

/// What the API server answers where an object is not as its definition says.
const INVALID: u16 = 422;
/// How long after something was found that may come right by itself it is looked at again, where
/// nothing tells before.
const SOON: Duration = Duration::from_secs(5);
/// How often a bus that is well is looked at.
const WELL: Duration = Duration::from_secs(60);

/// The recipe, for every bus.
pub struct Recipe {
    client: Client,
    /// In whose name events are told.
    process: String,
    buses: Buses,
    known: Mutex<BTreeMap<Key, Known>>,
}

/// What is remembered of one bus between two looks, and can be found anew.
#[derive(Default)]
struct Known {
    live: Option<Live>,
    without_effect: WithoutEffect,
    at_rest: Option<AtRest>,
}

/// One look at one bus, and what is done about it.
struct Pass<'a> {
    api: Api<'a>,
    identity: Identity,
    observed: &'a Observed,
    process: &'a str,
    key: &'a Key,
    buses: &'a Buses,
    reference: ObjectReference,
    known: &'a mut Known,
    now: UnixSeconds,
    /// What was told last.
    told: Option<SvomMessagingStatus>,
}

impl Recipe {
    /// The recipe, with these tools.
    pub fn new(tools: Tools) -> Self {
        Self {
            client: tools.client,
            process: tools.identity,
            buses: tools.buses,
            known: Mutex::default(),
        }
    }

    fn take(&self, key: &Key) -> Known {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(key).unwrap_or_default()
    }

    fn put(&self, key: &Key, of: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key.clone(), of);
    }
}

impl Reconcile for Recipe {
    async fn reconcile(
        &self,
        key: &Key,
        resource: &Observed,
        leading: &Leading,
    ) -> Result<Next, Failure> {
        if resource.metadata.deletion_timestamp.is_some() {
            self.forget(key).await;
            return Ok(Next::WhenSomethingChanges);
        }
        let mut known = self.take(key);
        let identity = Identity {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: resource.metadata.uid.clone().unwrap_or_default(),
        };
        let wrote = Cell::new(false);
        let mut pass = Pass {
            api: Api::new(&self.client, &key.namespace, leading, &wrote),
            process: &self.process,
            key,
            buses: &self.buses,
            reference: reference(&identity, resource),
            identity,
            observed: resource,
            known: &mut known,
            now: now(),
            told: resource.status.clone(),
        };
        let mut done = pass.run().await;
        if let Err(error) = &done
            && error.is_worth_telling()
            && let Err(untold) = pass.report_failure(error).await
        {
            done = Err(untold);
        }
        self.put(key, known);
        done.map_err(failure)
    }

    async fn forget(&self, key: &Key) {
        drop(self.take(key));
        self.buses.remove(key);
    }
}

impl Pass<'_> {
    async fn run(&mut self) -> Result<Next, ApiError> {
        if let Some(made) = self.as_before().await? {
            return self.look_and_report(made).await;
        }
        match self.judge().await? {
            Judgement::Unusable(problems) => match self.report_unusable(&problems).await {
                // A resource that its definition does not take any more takes no status either.
                Err(error) if error.code() == Some(INVALID) => {
                    tracing::warn!(%error, resource = %self.key, "its status cannot be told");
                    Ok(Next::WhenSomethingChanges)
                }
                told => told.map(|()| Next::WhenSomethingChanges),
            },
            Judgement::NotBegun(wanted) => {
                self.report_not_begun(&wanted).await?;
                Ok(Next::WhenSomethingChanges)
            }
            Judgement::Aim(aim) => {
                let made = self.bring_about(*aim).await?;
                self.look_and_report(made).await
            }
        }
    }

    /// Brings the objects of one state about, as far as that goes now.
    async fn bring_about(&mut self, aim: Aim) -> Result<Made, ApiError> {
        let Aim {
            wanted,
            less,
            mut asked,
        } = aim;
        self.announce(&wanted, &asked).await?;
        let listed = self.list(&wanted).await?;
        let mut gathered = Gathered::read(&self.identity.name, &listed)?;
        let applied = self
            .apply(&wanted, &less, &mut gathered, &mut asked)
            .await?;
        Ok(Made {
            versions: listed.versions,
            gathered,
            asked,
            applied,
        })
    }

    /// Looks at the servers, sees to what is theirs, and reports.
    async fn look_and_report(&mut self, mut made: Made) -> Result<Next, ApiError> {
        let formed = made.asked.formed;
        let found = self
            .look(&mut made.applied, &mut made.gathered, formed)
            .await?;
        match &self.known.live {
            Some(live) => {
                let reading = reading::reading(live, &found);
                self.buses.set(self.key, reading, Instant::now());
            }
            None => self.buses.remove(self.key),
        }
        let status = self.report(&made, found).await?;
        let renewal = made.next_renewal();
        let next = self.next(&status, renewal);
        self.known.at_rest = self.rests(made, &status, renewal);
        Ok(next)
    }

    fn next(&self, status: &SvomMessagingStatus, renewal: Option<UnixSeconds>) -> Next {
        let until_renewal = renewal
            .map(|due| due.saturating_sub(self.now).max(1))
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(WELL, Duration::from_secs);
        let well = is_ready(status) || is_settled(status);
        Next::After(if well { WELL.min(until_renewal) } else { SOON })
    }

    fn generation(&self) -> i64 {
        self.observed.metadata.generation.unwrap_or_default()
    }
}

fn reference(identity: &Identity, resource: &Observed) -> ObjectReference {
    ObjectReference {
        api_version: Some(svom_crds::API_VERSION.to_owned()),
        kind: Some(svom_crds::KIND.to_owned()),
        name: Some(identity.name.clone()),
        namespace: Some(identity.namespace.clone()),
        resource_version: resource.metadata.resource_version.clone(),
        uid: Some(identity.uid.clone()),
        ..ObjectReference::default()
    }
}

fn failure(error: ApiError) -> Failure {
    let kind = match &error {
        ApiError::Lost(_) => "leadership_lost",
        ApiError::Silent { .. } => "api_silent",
        ApiError::Malformed { .. } => "object_malformed",
        ApiError::Refused { .. } if error.is_conflict() => "api_conflict",
        ApiError::Refused { .. } => "api_refused",
    };
    Failure {
        kind,
        error: error.into(),
    }
}

/// Findings before anything was looked at.
fn nothing_found(now: UnixSeconds) -> Findings {
    Findings {
        now,
        ..Findings::default()
    }
}
