//! One process in the election: what it knows, what it asks the API server next, and what the answer
//! means. Pure: moments and answers come in, questions go out.

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::Moment;
use super::decide::{Decision, Seen, Timing, decide, held, holder, released};

/// A process in the election.
#[derive(Clone, Debug)]
pub struct Candidate {
    me: String,
    timing: Timing,
    seen: Seen,
    /// What is known is old, or a write may or may not have been done.
    must_look: bool,
    leading: Option<Moment>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Read the Lease.
    Look,
    /// Make it.
    Create(LeaseSpec),
    /// Write it, if it still has this version.
    Replace {
        /// The version.
        version: String,
        /// What it shall say.
        spec: LeaseSpec,
    },
    /// Nothing, for the time between two looks.
    Wait,
    /// Stop acting at once.
    StepDown,
}

/// What the API server said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The Lease, as it is now.
    Lease {
        /// What it says.
        spec: LeaseSpec,
        /// Its version.
        version: String,
    },
    /// There is none.
    Missing,
    /// Somebody else was faster.
    Conflict,
    /// Nothing in time, or nothing that says what became of it.
    Nothing,
}

impl Candidate {
    /// A process that knows nothing yet. No two processes that run may have the same name.
    pub fn new(me: String, timing: Timing) -> Self {
        Self {
            me,
            timing,
            seen: Seen::Never,
            must_look: true,
            leading: None,
        }
    }

    /// The times of the election.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Until when it acts, where it does.
    pub fn leading(&self) -> Option<Moment> {
        self.leading
    }

    /// Who was seen to hold the Lease last.
    pub fn holder(&self) -> Option<&str> {
        self.seen.spec().and_then(holder)
    }

    /// What to do now. `clock` is for people who read the Lease.
    pub fn act(&mut self, now: Moment, clock: MicroTime) -> Action {
        let decision = decide(&self.me, &self.timing, &self.seen, self.leading, now);
        if decision == Decision::StepDown {
            self.leading = None;
            self.must_look = true;
            return Action::StepDown;
        }
        if self.must_look {
            return Action::Look;
        }
        let spec = || held(&self.me, &self.timing, self.seen.spec(), clock);
        match decision {
            Decision::Create => Action::Create(spec()),
            Decision::Write(version) => Action::Replace {
                version,
                spec: spec(),
            },
            Decision::Wait | Decision::StepDown => {
                self.must_look = true;
                Action::Wait
            }
        }
    }

    /// What came of an action that was begun at one moment and answered by another.
    pub fn answered(&mut self, action: &Action, begun: Moment, answer: Answer, now: Moment) {
        self.must_look = matches!(answer, Answer::Conflict | Answer::Nothing);
        match answer {
            Answer::Lease { spec, version } => {
                self.seen.lease(spec, version, now);
                if matches!(action, Action::Create(_) | Action::Replace { .. }) {
                    self.renewed(begun, now);
                }
            }
            Answer::Missing => self.seen.missing(),
            Answer::Conflict | Answer::Nothing => {}
        }
    }

    fn renewed(&mut self, begun: Moment, now: Moment) {
        if self.leading.is_some_and(|until| now.until(until).is_none()) {
            // Whoever acted has stopped; it does not begin again within the same term.
            return;
        }
        let until = begun.after(self.timing.renew);
        self.leading = now.until(until).map(|_| until);
    }

    /// What gives the Lease back, where it is ours.
    pub fn release(&self, clock: MicroTime) -> Option<Action> {
        match &self.seen {
            Seen::Lease { spec, version, .. } if holder(spec) == Some(&self.me) => {
                Some(Action::Replace {
                    version: version.clone(),
                    spec: released(spec, clock),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod simulated;
