//! The pieces of work that the runner calls for.

use std::time::Duration;

use serde_json::Value;
use svom_crds::SvomMessagingStatus;
use svom_plan::change::{Change, changes};
use svom_plan::status::is_ready;
use svom_plan::{UnixSeconds, Valid, pki};

use super::judge::{Judgement, weigh};
use super::{Asked, Bus, BusError, Say, files, now, summary};
use crate::local::control::server::Progress;
use crate::local::process::{State, States};
use crate::local::run::{Recipe, Resource};

/// How long after a piece of work that failed it is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// How long a server that was started again may take until it is looked at as down.
const BACK_AGAIN: Duration = Duration::from_secs(20);

/// What `local apply` is told.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyAnswer {
    /// Every difference, with what it took.
    pub changes: Vec<Change>,
    /// What is wrong with the resource; then only what it takes away was applied.
    pub problems: Vec<String>,
    /// Whether everything that was asked for is in force and proven.
    pub ready: bool,
    /// The status after it.
    pub status: SvomMessagingStatus,
}

impl Recipe for Bus {
    type Error = BusError;

    async fn begin(&mut self) -> Result<(), BusError> {
        let wanted = match files::recall(&self.store)? {
            Some(old) => self.taken_up(&old)?,
            None if self.wanted.paused => {
                return Err(BusError::Refused(
                    "spec.paused is true, and there is no bus yet that could be observed: set it to false"
                        .to_owned(),
                ));
            }
            None => self.wanted.clone(),
        };
        self.asked.generation = 1;
        self.announce("the bus is being brought up");
        let tell = std::mem::replace(&mut self.tell, Box::new(|_| ()));
        let done = self.bring_up(&wanted, &*tell).await;
        self.tell = tell;
        done?;
        let status = self.report().await;
        if let Some(standing) = &self.standing {
            (self.tell)(&standing.summary(&status, &self.store));
        }
        Ok(())
    }

    async fn apply(&mut self, resource: Resource, progress: &Progress) -> Result<Value, BusError> {
        let judged = self.judge(&resource).await?;
        let Some(old) = self
            .standing
            .as_ref()
            .map(|standing| standing.valid.clone())
        else {
            return Err(BusError::Failed("the bus is not up yet".to_owned()));
        };
        self.announce("a change is being applied");
        let say = |line: &str| progress.say(line);
        let done = self.put_in_force(&judged, &say).await;
        let status = self.report().await;
        done?;
        self.retry_at = self.unread().map(|_| again());
        let in_force = self
            .standing
            .as_ref()
            .map(|standing| &standing.valid)
            .unwrap_or(&old);
        let made = changes(&old, in_force, None, now());
        let all = made
            .iter()
            .chain(&self.asked.refused)
            .chain(&self.asked.waiting);
        let answer = ApplyAnswer {
            changes: all.cloned().collect(),
            problems: self
                .asked
                .problems
                .iter()
                .map(ToString::to_string)
                .collect(),
            ready: is_ready(&status),
            status,
        };
        serde_json::to_value(&answer).map_err(|error| BusError::Failed(error.to_string()))
    }

    async fn look(&mut self) -> Value {
        self.report().await;
        self.told.borrow().clone()
    }

    async fn servers_changed(&mut self, states: States) {
        for (name, state) in &states {
            if let State::Restarting { ended, pause, .. } = state {
                let pause = pause.as_secs_f32();
                (self.tell)(&format!(
                    "server {name} ended ({ended}); it is started again in {pause} s"
                ));
            }
        }
        let was_ready = self.was_ready;
        if was_ready && states == self.looked_at {
            // They changed in the course of work that ended with a good look at these very processes.
            return;
        }
        self.announce("a server fell or came back, and the bus is looked at");
        let Some(standing) = &mut self.standing else {
            return;
        };
        // While one is down or on its way there, nothing is to be waited for: its next state is told too.
        let runs = |state: &State| matches!(state, State::Running { .. });
        if states.values().all(runs) {
            standing.wait_until_whole(BACK_AGAIN, &|_| ()).await;
            if !standing.is_proven() {
                standing.sync_queues(&states, &|_| ()).await;
                standing.prove(&|_| ()).await;
            }
        }
        let status = self.report().await;
        match (was_ready, is_ready(&status)) {
            (true, false) => (self.tell)(&format!("not ready: {}", summary::why(&status))),
            (false, true) => (self.tell)("ready again"),
            _ => {}
        }
    }

    async fn moment_came(&mut self) {
        self.retry_at = None;
        let Some(valid) = self
            .standing
            .as_ref()
            .map(|standing| standing.valid.clone())
        else {
            return;
        };
        self.announce("what is due of certificates, or was left undone, is being done");
        let failed = match self.renew(&valid).await {
            Ok(None) => return (self.tell)("certificates and configuration are as wanted again"),
            Ok(Some(why)) => why,
            Err(error) => {
                self.report().await;
                error.to_string()
            }
        };
        let seconds = RETRY.as_secs();
        (self.tell)(&format!(
            "certificates and configuration are not as wanted, and it is tried again in {seconds} s: {failed}"
        ));
        self.retry_at = Some(again());
    }

    /// Certificates that were made and not taken up by every server are due no more, so a failure
    /// counts before them. A paused bus renews nothing; its status says when certificates end.
    fn next_moment(&self) -> Option<UnixSeconds> {
        let standing = self.standing.as_ref()?;
        if standing.valid.paused {
            return None;
        }
        let due = || pki::next_renewal(&standing.valid, &standing.topology, &standing.material);
        self.retry_at.or_else(due)
    }
}

impl Bus {
    /// What may be put in force of the resource to begin with, where a bus was here before.
    fn taken_up(&mut self, old: &Valid) -> Result<Valid, BusError> {
        let (wanted, asked) = weigh(old, &self.wanted, None, 1);
        if asked.refused.is_empty() {
            self.asked = asked;
            return Ok(wanted);
        }
        let refused: Vec<String> = asked.refused.iter().map(ToString::to_string).collect();
        Err(BusError::Refused(format!(
            "{} was made for another state of the resource, and this cannot be changed: {}",
            self.place.folder.path().display(),
            refused.join("; ")
        )))
    }

    /// Puts in force what may be. What of it cannot be had, as a Secret that is not there, holds up
    /// nothing that is taken away.
    async fn put_in_force(&mut self, judged: &Judgement, say: Say<'_>) -> Result<(), BusError> {
        let Some(standing) = &mut self.standing else {
            return Ok(());
        };
        if judged.wanted.paused {
            standing.valid.paused = true;
            return Ok(());
        }
        let missing = match standing.next(&judged.wanted, &self.store) {
            Ok(next) => return self.bring_to(next, say).await,
            Err(missing) => missing.problems(),
        };
        let less = standing.less(&judged.less)?;
        if let Ok(problems) = &missing {
            let mut all = std::mem::take(&mut self.asked.problems);
            all.extend(problems.iter().cloned());
            self.asked = Asked::wrong(self.asked.generation, all);
        }
        self.bring_to(less, say).await?;
        missing.map(drop).map_err(|error| {
            BusError::Failed(format!(
                "{error}; what the resource takes away was applied all the same"
            ))
        })
    }

    /// Renews what is due and repeats what was left undone; what is left then, if so.
    async fn renew(&mut self, valid: &Valid) -> Result<Option<String>, BusError> {
        let Some(standing) = &self.standing else {
            return Ok(None);
        };
        let next = standing.next(valid, &self.store)?;
        self.bring_to(next, &|_| ()).await?;
        self.report().await;
        Ok(self.unread())
    }

    /// A server that runs and has not read what was written for it, in words. (Those that are down
    /// read it when they start.)
    fn unread(&self) -> Option<String> {
        let unread = &self.standing.as_ref()?.unread;
        let states = self.servers.states();
        let runs = |name: &&String| matches!(states.get(*name), Some(State::Running { .. }));
        let name = unread.iter().find(runs)?;
        Some(format!(
            "server {name} has not read its configuration again"
        ))
    }
}

/// When what failed now is tried again.
fn again() -> UnixSeconds {
    now().saturating_add_unsigned(RETRY.as_secs())
}
