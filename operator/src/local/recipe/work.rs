//! The pieces of work that the runner calls for.

use std::time::Duration;

use serde_json::Value;
use svom_crds::SvomMessagingStatus;
use svom_plan::change::{Change, changes};
use svom_plan::status::is_ready;
use svom_plan::{UnixSeconds, Valid, pki};

use super::judge::{Judgement, weigh};
use super::standing::runs;
use super::{AGAIN, Asked, BEING_BROUGHT_UP, Bus, BusError, Say, Undone, files, now};
use crate::local::control::server::Progress;
use crate::local::process::{State, States};
use crate::local::run::{Further, Recipe, Resource};

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
        self.announce(BEING_BROUGHT_UP);
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

    async fn apply(
        &mut self,
        resource: Resource,
        progress: &Progress,
        further: &Further,
    ) -> Result<Value, BusError> {
        let judged = self.judge(&resource).await?;
        let Some(old) = self
            .standing
            .as_ref()
            .map(|standing| standing.live.valid.clone())
        else {
            return Err(BusError::Failed("the bus is not up yet".to_owned()));
        };
        self.announce("a change is being applied");
        let say = |line: &str| progress.say(line);
        let done = self.put_in_force(&judged, further, &say).await;
        self.undone = done.as_ref().err().map(|error| Undone {
            wanted: judged.wanted,
            why: error.to_string(),
        });
        let status = self.report().await;
        done?;
        let in_force = self
            .standing
            .as_ref()
            .map(|standing| &standing.live.valid)
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
        self.tell_ends(&states);
        if self.was_ready == Some(true) && states == self.looked_at {
            // They changed in the course of work that ended with a good look at these very processes.
            return;
        }
        self.announce("a server fell or came back, and the bus is looked at");
        let Some(standing) = &mut self.standing else {
            return;
        };
        // While one is down or on its way there, nothing is to be waited for: its next state is told too.
        if states.values().all(runs) {
            standing.live.wait_until_whole(BACK_AGAIN, &|_| ()).await;
            if !standing.live.is_proven() {
                standing
                    .live
                    .sync_queues(states.values().all(runs), &|_| ())
                    .await;
                standing.live.prove(&|_| ()).await;
            }
        }
        self.report().await;
    }

    async fn moment_came(&mut self) {
        // Until this has come to its end it is due.
        self.again_at = Some(now());
        if let Some(due) = self.due() {
            self.announce(due);
            let before = self.undone.take();
            self.undone = self.take_up(before.as_ref()).await;
            match self.undone.as_ref().map(|undone| &undone.why) {
                None => (self.tell)("certificates and configuration are as wanted again"),
                // Once, and not with each try.
                Some(why) if before.is_none_or(|before| before.why != *why) => {
                    (self.tell)(&format!(
                        "certificates and configuration are not as wanted, and it is tried again in {AGAIN} s: {why}"
                    ))
                }
                Some(_) => {}
            }
        }
        self.again_at = None;
        self.report().await;
    }

    /// A paused bus renews nothing, and is looked at all the same; its status says when certificates
    /// end.
    fn next_moment(&self) -> Option<UnixSeconds> {
        self.again_at.into_iter().chain(self.renewal()).min()
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
    async fn put_in_force(
        &mut self,
        judged: &Judgement,
        further: &Further,
        say: Say<'_>,
    ) -> Result<(), BusError> {
        let Some(standing) = &mut self.standing else {
            return Ok(());
        };
        if judged.wanted.paused {
            standing.live.valid.paused = true;
            return Ok(());
        }
        let missing = match standing.next(&judged.wanted, &self.store) {
            Ok(next) => return self.bring_to(next, Some(further), say).await,
            Err(missing) => missing.problems(),
        };
        let less = standing.less(&judged.less)?;
        if let Ok(problems) = &missing {
            let mut all = std::mem::take(&mut self.asked.problems);
            all.extend(problems.iter().cloned());
            self.asked = Asked::wrong(self.asked.generation, all);
        }
        self.bring_to(less, None, say).await?;
        missing.map(drop).map_err(|error| {
            BusError::Failed(format!(
                "{error}; what the resource takes away was applied all the same"
            ))
        })
    }

    /// When certificates are due to be renewed. Those that were made and not taken up by every server
    /// are due no more.
    fn renewal(&self) -> Option<UnixSeconds> {
        let standing = self.standing.as_ref()?;
        if standing.live.valid.paused {
            return None;
        }
        // What failed is tried again with a pause.
        pki::next_renewal(
            &standing.live.valid,
            &standing.live.topology,
            &standing.live.material,
        )
        .map(|due| due.max(self.again_at.unwrap_or(due)))
    }

    /// What is to be done though nobody asks for it, in words.
    fn due(&self) -> Option<&'static str> {
        let standing = self.standing.as_ref()?;
        if standing.live.valid.paused {
            return None;
        }
        if self.renewal().is_some_and(|due| due <= now()) {
            return Some("certificates are being renewed");
        }
        let left = self.undone.is_some() || self.unread().is_some() || !standing.live.is_proven();
        left.then_some("what was left undone is being done")
    }

    /// Takes up what came to no end, else what is in force, and makes what is due for it; what is left
    /// then, if so.
    async fn take_up(&mut self, undone: Option<&Undone>) -> Option<Undone> {
        let standing = self.standing.as_ref()?;
        let wanted = undone.map_or(&standing.live.valid, |undone| &undone.wanted);
        let wanted = wanted.clone();
        let done = match standing.next(&wanted, &self.store) {
            Ok(next) => self.bring_to(next, None, &|_| ()).await,
            // With the secrets at hand the rest can be done.
            Err(error) if !standing.live.is_proven() => {
                Err(self.finish(&|_| ()).await.err().unwrap_or(error))
            }
            Err(error) => Err(error),
        };
        let why = match done {
            Ok(()) => self.unread()?,
            Err(error) => error.to_string(),
        };
        Some(Undone { wanted, why })
    }

    /// Tells which servers ended by themselves, each end once.
    fn tell_ends(&mut self, states: &States) {
        for (name, state) in states {
            if let State::Restarting { ended, pause, .. } = state
                && self.heard_of.get(name) != Some(state)
            {
                let pause = pause.as_secs_f32();
                (self.tell)(&format!(
                    "server {name} ended ({ended}); it is started again in {pause} s"
                ));
            }
        }
        self.heard_of.clone_from(states);
    }
}
