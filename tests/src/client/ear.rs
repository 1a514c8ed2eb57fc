//! What a client told so far, and waiting for more of it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::words::Event;

/// Everything that a client told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) events: Vec<Event>,
    pub(super) answers: BTreeMap<u64, Result<Value, String>>,
    pub(super) ended: bool,
}

/// What the client told, and a bell that rings when it tells more.
#[derive(Debug, Default)]
pub(super) struct Ear {
    told: Mutex<Told>,
    more: Condvar,
}

impl Ear {
    /// Takes one line of the client in.
    pub(super) fn hear(&self, line: &str) {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let mut told = self.told();
        if let Some(call) = line.get("call").and_then(Value::as_u64) {
            let answer = match line.get("error").and_then(Value::as_str) {
                Some(refusal) => Err(refusal.to_owned()),
                None => Ok(line.get("ok").cloned().unwrap_or_default()),
            };
            told.answers.insert(call, answer);
        } else if let Ok(event) = serde_json::from_value(line) {
            told.events.push(event);
        }
        self.more.notify_all();
    }

    /// The client's process has ended: it will tell no more.
    pub(super) fn close(&self) {
        self.told().ended = true;
        self.more.notify_all();
    }

    /// Waits until what was told says enough.
    ///
    /// # Errors
    /// When it does not within the limit, or as soon as a look fails.
    pub(super) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&mut Told) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        let mut told = self.told();
        loop {
            if let Some(found) = look(&mut told)? {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("after {} s still waiting for {what}", limit.as_secs_f32());
            }
            let waited = self.more.wait_timeout(told, left);
            told = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What was told so far.
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server refused this.
pub(super) fn refused(events: &[Event], what: &str) -> bool {
    let words = format!("permissions violation for {what}").to_lowercase();
    events.iter().any(|event| match event {
        Event::Error { text } => {
            let text = text.to_lowercase();
            let after = text
                .find(&words)
                .and_then(|at| text.get(at + words.len()..));
            // The refusal of a group is another one than that of the plain subscription.
            after.is_some_and(|after| !after.starts_with(" using queue"))
        }
        _ => false,
    })
}
