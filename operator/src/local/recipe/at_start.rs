//! What a server reads only when it starts. A configuration holds what its server was started with until
//! that is restarted, so that a reload always does for the rest.

use std::collections::BTreeMap;

use svom_plan::Valid;
use svom_plan::change::{SYNC, WEBSOCKET};
use svom_plan::valid::Sync;

/// What each server was started with, by its name.
pub type StartedWith = BTreeMap<String, AtStart>;

/// What a server reads only when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtStart {
    sync: Sync,
    websocket: bool,
}

impl AtStart {
    /// What a server would read now.
    pub fn of(valid: &Valid) -> Self {
        Self {
            sync: valid.sync,
            websocket: valid.websocket,
        }
    }

    /// The same state, in all but this.
    pub fn instead(self, valid: &Valid) -> Valid {
        let Self { sync, websocket } = self;
        Valid {
            sync,
            websocket,
            ..valid.clone()
        }
    }

    /// The fields of the resource that wait for a restart.
    pub fn waiting(self, valid: &Valid) -> Vec<&'static str> {
        let Self { sync, websocket } = self;
        let differ = [
            (SYNC, sync != valid.sync),
            (WEBSOCKET, websocket != valid.websocket),
        ];
        let fields = differ.into_iter().filter(|(_, differs)| *differs);
        fields.map(|(field, _)| field).collect()
    }

    /// Whether a restart makes it listen for websockets as it did not before.
    pub fn gets_websocket(self, valid: &Valid) -> bool {
        valid.websocket && !self.websocket
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::fixtures::bus;

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let old = bus();
        let started = AtStart::of(&old);
        assert!(started.waiting(&old).is_empty());
        let mut new = old.clone();
        new.websocket = true;
        new.paused = true;
        assert_eq!(started.waiting(&new), ["spec.websocket.enabled"]);
        assert!(started.gets_websocket(&new) && !AtStart::of(&new).gets_websocket(&new));
        new.sync = Sync::Every(Duration::from_secs(1));
        assert_eq!(
            started.waiting(&new),
            ["spec.storage.sync", "spec.websocket.enabled"]
        );
        let held = started.instead(&new);
        assert_eq!(
            held,
            Valid {
                paused: true,
                ..old
            }
        );
    }
}
