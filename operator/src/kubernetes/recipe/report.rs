//! What is told: the status, and an event when it turns.

use svom_crds::SvomMessagingStatus;
use svom_crds::status::Condition;
use svom_plan::change::{Change, Effect};
use svom_plan::kubernetes::labels::selector_text;
use svom_plan::kubernetes::{InForce, external_url, external_websocket_url, names};
use svom_plan::status::{Findings, Setting, Underway, status, underway, unusable};
use svom_plan::{Problem, handout};

use super::judge::Asked;
use super::rest::Made;
use super::{Pass, nothing_found};
use crate::kubernetes::api::ApiError;
use crate::kubernetes::events;

impl Pass<'_> {
    /// Tells that a resource is being brought about before it is: who asks meanwhile must not be told the
    /// state of before as if it were of this generation.
    pub(super) async fn announce(&mut self, aim: &InForce, asked: &Asked) -> Result<(), ApiError> {
        let generation = self.generation();
        let before = self.told.clone().unwrap_or_default();
        let is_told = before.observed_generation == generation;
        if is_told || asked.nothing_new || aim.valid.paused || !asked.problems.is_empty() {
            return Ok(());
        }
        let what = if asked.formed {
            "a change is being applied"
        } else {
            "the bus is being made"
        };
        self.tell(underway(
            before,
            generation,
            Underway::Change(what),
            self.now,
        ))
        .await
    }

    /// Tells what kept a pass from coming to its end.
    pub(super) async fn report_failure(&mut self, error: &ApiError) -> Result<(), ApiError> {
        let before = self.told.clone().unwrap_or_default();
        let what = format!("{error}; it is tried again");
        self.tell(underway(
            before,
            self.generation(),
            Underway::Failure(&what),
            self.now,
        ))
        .await
    }

    /// Tells what is wrong with a resource of which nothing is in force.
    pub(super) async fn report_unusable(&mut self, problems: &[Problem]) -> Result<(), ApiError> {
        let status = unusable(problems, self.generation(), self.told.as_ref(), self.now);
        self.tell(status).await
    }

    /// Tells that a resource is paused before anything was made of it.
    pub(super) async fn report_not_begun(&mut self, wanted: &InForce) -> Result<(), ApiError> {
        let findings = Findings {
            waiting: vec![Change {
                path: "spec.paused".to_owned(),
                effect: Effect::Nothing,
                what: "the bus is not made yet".to_owned(),
                why: "spec.paused is true".to_owned(),
                instead: None,
            }],
            ..nothing_found(self.now)
        };
        let status = status(&self.setting(wanted), &findings);
        self.tell(status).await
    }

    /// Tells what was found.
    pub(super) async fn report(
        &mut self,
        made: &Made,
        mut found: Findings,
    ) -> Result<SvomMessagingStatus, ApiError> {
        let Made {
            gathered,
            asked,
            applied,
            ..
        } = made;
        found.refused.extend(asked.refused.iter().cloned());
        found.problems.clone_from(&asked.problems);
        found.waiting.clone_from(&asked.waiting);
        found.is_first = !asked.formed;
        found.in_the_way.clone_from(&applied.in_the_way);
        found.failures.extend(applied.failures.iter().cloned());
        let state = &applied.state;
        let topology = self.topology(state, gathered)?;
        let service = gathered.service(&names::external(&self.identity.name))?;
        let outside = state.settings.external.as_ref().zip(service.as_ref());
        let setting = Setting {
            internal: handout::url(&topology),
            external: outside.and_then(|(said, service)| external_url(said, service)),
            websocket: handout::websocket_url(&state.valid, &topology),
            websocket_external: outside
                .and_then(|(said, service)| external_websocket_url(said, service)),
            ..self.setting(state)
        };
        let told = status(&setting, &found);
        self.tell(told.clone()).await?;
        Ok(told)
    }

    /// What does not depend on where the servers stand.
    fn setting<'b>(&'b self, state: &'b InForce) -> Setting<'b> {
        let name = &self.identity.name;
        let users = state.valid.users.keys();
        Setting {
            valid: &state.valid,
            generation: self.generation(),
            selector: Some(selector_text(name)),
            internal: String::new(),
            external: None,
            websocket: None,
            websocket_external: None,
            ca: names::trust(name),
            credentials: users
                .map(|user| (user.clone(), names::user(name, user)))
                .collect(),
            before: self.told.as_ref(),
        }
    }

    /// Writes the status where it is another one than was told last, and an event where Ready turned.
    async fn tell(&mut self, status: SvomMessagingStatus) -> Result<(), ApiError> {
        if self.told.as_ref() == Some(&status) {
            return Ok(());
        }
        // A status is plain data: it can always be written.
        let json = serde_json::to_value(&status).unwrap_or_default();
        self.api.write_status(&self.identity.name, &json).await?;
        let before = self.told.as_ref().and_then(ready);
        if let Some(now) = ready(&status)
            && before.is_none_or(|before| turned(before, now))
        {
            self.send_event(now).await;
        }
        self.told = Some(status);
        Ok(())
    }

    /// What it says stands in the status too: that it could not be sent changes nothing.
    async fn send_event(&self, ready: &Condition) {
        let event = events::turned(ready, &self.reference, self.process, self.now);
        if let Err(error) = self.api.send(&event).await {
            tracing::warn!(%error, name = self.identity.name, "an event could not be sent");
        }
    }
}

fn ready(status: &SvomMessagingStatus) -> Option<&Condition> {
    status.conditions.iter().find(|one| one.type_ == "Ready")
}

fn turned(before: &Condition, now: &Condition) -> bool {
    before.status != now.status || before.reason != now.reason
}
