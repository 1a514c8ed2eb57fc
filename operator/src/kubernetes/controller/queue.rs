//! Which resource's turn it is. Pure: what happened, moments and chance come in, keys go out.
//!
//! A key that is woken while it is worked on is worked on once more afterwards, however often it was
//! woken. One that failed waits longer each time; so that its own traces do not wake it at once, only
//! what a person may have done about it cuts the wait short.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::backoff::wait;
use super::{Key, Next};

/// How many are worked on at once.
const AT_ONCE: usize = 8;
/// Who has been worked on for so long only waits, and no longer counts for [`AT_ONCE`]: a bus that does
/// not answer keeps nobody else from his turn.
const SLOW: Duration = Duration::from_secs(2);

/// Why a key is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Its resource or a Secret that it names was changed, by somebody.
    Changed,
    /// One of its objects was changed, perhaps by ourselves.
    Stirred,
}

/// What came of working on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came to its end.
    Done(Next),
    /// It failed.
    Failed,
    /// The resource is gone.
    Gone,
}

#[derive(Debug, Default)]
struct Turn {
    /// When it is worked on next.
    due: Option<Instant>,
    /// Since when it is worked on.
    since: Option<Instant>,
    /// What happened while it was worked on.
    meanwhile: Option<Wake>,
    failures: u32,
}

/// All keys that have a turn, are worked on, or failed last.
#[derive(Debug, Default)]
pub struct Queue {
    turns: BTreeMap<Key, Turn>,
}

impl Queue {
    /// Something happened to a resource.
    pub fn wake(&mut self, key: Key, wake: Wake, now: Instant) {
        let turn = self.turns.entry(key).or_default();
        if turn.since.is_some() {
            turn.meanwhile = Some(match turn.meanwhile {
                Some(Wake::Changed) => Wake::Changed,
                _ => wake,
            });
        } else if wake == Wake::Changed || turn.failures == 0 {
            // Who already has a turn keeps its place.
            turn.due = Some(turn.due.map_or(now, |due| due.min(now)));
        }
    }

    /// The next one to work on: the one whose turn came first.
    pub fn take(&mut self, now: Instant) -> Option<Key> {
        if self.room(now).is_some() {
            return None;
        }
        let due =
            |(key, turn): (_, &mut Turn)| turn.due.filter(|due| *due <= now).map(|due| (due, key));
        let (_, key) = self.turns.iter_mut().filter_map(due).min()?;
        let key = Key::clone(key);
        let turn = self.turns.get_mut(&key)?;
        turn.due = None;
        turn.since = Some(now);
        Some(key)
    }

    /// What came of it. `chance` is a number from 0 to 1.
    pub fn done(&mut self, key: &Key, outcome: Outcome, now: Instant, chance: f64) {
        let Some(turn) = self.turns.get_mut(key) else {
            return;
        };
        turn.since = None;
        let meanwhile = turn.meanwhile.take();
        turn.failures = match outcome {
            Outcome::Failed => turn.failures.saturating_add(1),
            Outcome::Done(_) | Outcome::Gone => 0,
        };
        turn.due = match (outcome, meanwhile) {
            (_, Some(Wake::Changed)) => Some(now),
            (Outcome::Done(_) | Outcome::Gone, Some(Wake::Stirred)) => Some(now),
            (Outcome::Failed, _) => now.checked_add(wait(turn.failures, chance)),
            (Outcome::Done(Next::After(pause)), None) => now.checked_add(pause),
            (Outcome::Done(Next::WhenSomethingChanges) | Outcome::Gone, None) => None,
        };
        if turn.due.is_none() {
            self.turns.remove(key);
        }
    }

    /// When there may be something to take, if nothing happens before.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let due = self.turns.values().filter_map(|turn| turn.due).min()?;
        Some(self.room(now).map_or(due, |room| room.max(due)))
    }

    /// How many wait whose turn has come.
    pub fn depth(&self, now: Instant) -> usize {
        let waits = |turn: &&Turn| turn.due.is_some_and(|due| due <= now);
        self.turns.values().filter(waits).count()
    }

    /// When there will be room to work on one more, where there is none now.
    fn room(&self, now: Instant) -> Option<Instant> {
        let ends = self
            .turns
            .values()
            .filter_map(|turn| turn.since?.checked_add(SLOW));
        let mut ends: Vec<Instant> = ends.filter(|end| *end > now).collect();
        ends.sort_unstable();
        let freed = ends.len().checked_sub(AT_ONCE)?;
        ends.get(freed).copied()
    }
}

#[cfg(test)]
mod tests;
