//! What a change of the resource takes.
//!
//! In: the state in force, the state that is wanted, and what the servers report. Out: every
//! difference as one readable change with its effect and its reason, and the state that may be put
//! in force: the wanted one, less what is refused. It never adds a right that the wanted state does
//! not have, and never holds back one that it takes away.

mod bus;
mod domains;
mod durables;
mod force;
mod path;
#[cfg(test)]
mod properties;
mod revoke;
#[cfg(test)]
mod revoke_tests;
#[cfg(test)]
mod tests;
mod users;
pub(crate) mod words;

pub use force::in_force;
pub use path::{SYNC, WEBSOCKET};
pub(crate) use path::{domain_path, durable_path};
pub use revoke::only_revocations;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::UnixSeconds;
use crate::queues::ObservedQueues;
use crate::valid::Valid;

/// What a change takes, from the lightest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing is done to the servers.
    Nothing,
    /// It is applied while everything runs; clients stay connected but those it is about.
    Reload,
    /// Every server is restarted, one after another.
    Restart,
    /// Something is deleted and made anew, and what it held is lost, as was permitted.
    Replace,
    /// It is not done: what was in force stays.
    Refuse,
}

impl Effect {
    /// The effect as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Replace => "replace",
            Self::Refuse => "refuse",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// Path of the field in the resource, entries of lists by their names.
    pub path: String,
    /// What it takes.
    pub effect: Effect,
    /// From what to what.
    pub what: String,
    /// Why it takes that.
    pub why: String,
    /// What to do instead, where it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

impl Change {
    /// A change that is done, or that takes nothing.
    pub(crate) fn new(
        path: impl Into<String>,
        effect: Effect,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            effect,
            what: what.into(),
            why: why.into(),
            instead: None,
        }
    }

    /// A change that is not done, with what to do instead.
    pub(crate) fn refused(
        path: impl Into<String>,
        what: impl Into<String>,
        why: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self {
            instead: Some(instead.into()),
            ..Self::new(path, Effect::Refuse, what, why)
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path, self.what, self.why)?;
        match &self.instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}

/// What a difference is judged by.
#[derive(Clone, Copy)]
struct Sides<'a> {
    old: &'a Valid,
    new: &'a Valid,
    /// Absent where nobody asked the servers: then only the resource is judged.
    observed: Option<&'a ObservedQueues>,
    now: UnixSeconds,
}

/// Every difference between two states, by path. The generation is not one: it counts edits.
pub fn changes(
    old: &Valid,
    new: &Valid,
    observed: Option<&ObservedQueues>,
    now: UnixSeconds,
) -> Vec<Change> {
    let sides = Sides {
        old,
        new,
        observed,
        now,
    };
    let mut changes = bus::changes(sides);
    changes.extend(domains::changes(sides));
    changes.extend(users::changes(sides));
    changes.sort();
    changes
}
