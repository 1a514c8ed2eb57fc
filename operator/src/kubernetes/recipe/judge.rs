//! What the resource asks for, what of it may be put in force, and what may not.

use svom_crds::SvomMessaging;
use svom_plan::change::{Change, Effect, only_revocations};
use svom_plan::kubernetes::settings::TESTED_VERSION;
use svom_plan::kubernetes::{InForce, Settings, change, names, settings};
use svom_plan::server_config::check_size;
use svom_plan::valid::validate;
use svom_plan::{Problem, Valid};

use super::Pass;
use crate::kubernetes::api::{ApiError, Kind, typed};

/// What is to be done.
pub(super) enum Judgement {
    /// Nothing can be made of it, and nothing is in force.
    Unusable(Vec<Problem>),
    /// It is paused before anything was made.
    NotBegun(Box<InForce>),
    /// A state is to be brought about.
    Aim(Box<Aim>),
}

/// A state that is to be brought about.
pub(super) struct Aim {
    /// The state.
    pub(super) wanted: InForce,
    /// What is in force less what the resource takes away: where the rest cannot be had.
    pub(super) less: InForce,
    /// What beside it was asked for.
    pub(super) asked: Asked,
}

/// What was asked for and is not in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) problems: Vec<Problem>,
    pub(super) refused: Vec<Change>,
    pub(super) waiting: Vec<Change>,
    /// Whether the aim is what is in force already.
    pub(super) nothing_new: bool,
    /// Whether a bus has formed once.
    pub(super) formed: bool,
}

impl Pass<'_> {
    /// Weighs the resource against what is in force.
    pub(super) async fn judge(&mut self) -> Result<Judgement, ApiError> {
        let name = names::in_force(&self.identity.name);
        let secret = self.api.get(Kind::Secret, &name).await?;
        let secret = secret.as_ref().map(typed).transpose()?;
        let old = secret.as_ref().map(InForce::read).transpose();
        let (old, wanted) = match (old, self.wanted()) {
            (Ok(old), wanted) => (old.flatten(), wanted),
            (Err(problem), wanted) => {
                let mut problems = wanted.err().unwrap_or_default();
                problems.push(problem);
                return Ok(Judgement::Unusable(problems));
            }
        };
        Ok(match (old, wanted) {
            (None, Err(problems)) => Judgement::Unusable(problems),
            (None, Ok((valid, settings))) => begun(valid, settings),
            (Some(old), wanted) => self.weigh(old, wanted).await,
        })
    }

    /// What the resource asks for, where every rule holds for it.
    fn wanted(&self) -> Result<(Valid, Settings), Vec<Problem>> {
        let resource = self.resource()?;
        let (valid, settings) = match (validate(resource), settings(resource)) {
            (Ok(valid), Ok(settings)) => (valid, settings),
            (valid, settings) => {
                let mut problems = valid.err().unwrap_or_default();
                problems.extend(settings.err().unwrap_or_default());
                return Err(problems);
            }
        };
        check_size(&valid).map(|()| (valid, settings))
    }

    fn resource(&self) -> Result<&SvomMessaging, Vec<Problem>> {
        self.observed.resource.as_ref().map_err(|malformed| {
            let message = format!("{}: the resource cannot be read here", malformed.message);
            vec![Problem::new(malformed.path.clone(), message)]
        })
    }

    async fn weigh(
        &mut self,
        old: InForce,
        wanted: Result<(Valid, Settings), Vec<Problem>>,
    ) -> Judgement {
        let less = |old: &InForce| match self.resource() {
            Ok(resource) => InForce {
                valid: only_revocations(&old.valid, &resource.spec),
                ..old.clone()
            },
            Err(_) => old.clone(),
        };
        let less = less(&old);
        let mut asked = Asked {
            formed: true,
            ..Asked::default()
        };
        let (valid, settings) = match wanted {
            Ok(wanted) => wanted,
            Err(problems) => {
                asked.problems = problems;
                asked.nothing_new = less == old;
                let wanted = less.clone();
                return aim(wanted, less, asked);
            }
        };
        let queues = match &self.known.live {
            Some(live) => live.observe_queues().await.ok(),
            None => None,
        };
        let changes = change::changes(&old, &valid, &settings, queues.as_ref(), self.now);
        if valid.paused {
            asked.waiting = changes;
            asked.waiting.retain(|change| change.path != "spec.paused");
            asked.nothing_new = true;
            let mut held = old;
            held.valid.paused = true;
            return aim(held, less, asked);
        }
        let wanted = change::in_force(&old, &valid, &settings, &changes);
        asked.refused = changes;
        asked
            .refused
            .retain(|change| change.effect == Effect::Refuse);
        asked.nothing_new = wanted == old;
        aim(wanted, less, asked)
    }
}

fn aim(wanted: InForce, less: InForce, asked: Asked) -> Judgement {
    Judgement::Aim(Box::new(Aim {
        wanted,
        less,
        asked,
    }))
}

/// The first state of a bus.
fn begun(valid: Valid, settings: Settings) -> Judgement {
    let version = valid.version.clone();
    let wanted = InForce {
        version: version.unwrap_or_else(|| TESTED_VERSION.to_owned()),
        valid,
        settings,
    };
    if wanted.valid.paused {
        return Judgement::NotBegun(Box::new(wanted));
    }
    aim(wanted.clone(), wanted, Asked::default())
}
