//! What was asked for, and what of it may be put in force.

use svom_plan::change::{Effect, changes, in_force, only_revocations};
use svom_plan::queues::ObservedQueues;
use svom_plan::valid::validate;
use svom_plan::{Problem, Valid};

use super::{Asked, Bus, BusError, now};
use crate::local::run::Resource;
use crate::resource::{self, Checked};

/// What is to be done with a resource.
pub(super) struct Judgement {
    /// What may be put in force.
    pub(super) wanted: Valid,
    /// What is in force less what the resource takes away: to be put in force where the rest cannot.
    pub(super) less: Valid,
}

impl Bus {
    /// What the resource that was handed in asks for, and what of it may be put in force.
    pub(super) async fn judge(&mut self, resource: &Resource) -> Result<Judgement, BusError> {
        let Some(standing) = &self.standing else {
            return Err(BusError::Failed("the bus is not up yet".to_owned()));
        };
        let old = &standing.live.valid;
        let read = svom_crds::read::read(resource.text.as_bytes()).map_err(|_| wrong(resource))?;
        let less = only_revocations(old, &read.spec);
        let generation = self.asked.generation + 1;
        let new = match validate(&read) {
            Ok(new) => new,
            Err(problems) => {
                self.asked = Asked::wrong(generation, problems);
                let wanted = less.clone();
                return Ok(Judgement { wanted, less });
            }
        };
        let observed = standing.live.observe_queues().await.ok();
        let (wanted, asked) = weigh(old, &new, observed.as_ref(), generation);
        self.asked = asked;
        Ok(Judgement { wanted, less })
    }
}

/// What of a change may be put in force, and what may not.
pub(super) fn weigh(
    old: &Valid,
    new: &Valid,
    observed: Option<&ObservedQueues>,
    generation: i64,
) -> (Valid, Asked) {
    let changes = changes(old, new, observed, now());
    let mut asked = Asked {
        generation,
        ..Asked::default()
    };
    if new.paused {
        asked.waiting = changes;
        asked.waiting.retain(|change| change.path != "spec.paused");
        let held = Valid {
            paused: true,
            ..old.clone()
        };
        return (held, asked);
    }
    let allowed = in_force(old, new, &changes);
    asked.refused = changes;
    asked
        .refused
        .retain(|change| change.effect == Effect::Refuse);
    (allowed, asked)
}

impl Asked {
    /// A resource that is wrong.
    pub(super) fn wrong(generation: i64, problems: Vec<Problem>) -> Self {
        Self {
            generation,
            problems,
            ..Self::default()
        }
    }
}

fn wrong(resource: &Resource) -> BusError {
    let checked: Checked = resource::checked(resource.text.as_bytes());
    let told = checked
        .err()
        .map(|troubles| resource::told(&resource.file, &troubles));
    BusError::Resource(told.unwrap_or_default().trim_end().to_owned())
}
