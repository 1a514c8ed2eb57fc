//! What is to be done about the Lease now. Pure: what was seen of it, and when, by one clock.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::Moment;

/// The times of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others leave a Lease alone after they saw it change.
    pub lease: Duration,
    /// How long its holder acts after it began the last renewal that succeeded. Shorter than `lease`:
    /// the difference is for what was sent before and is carried out after.
    pub renew: Duration,
    /// How long everybody waits between two looks.
    pub retry: Duration,
}

impl Timing {
    /// What Kubernetes' own components use.
    pub const USUAL: Self = Self {
        lease: Duration::from_secs(15),
        renew: Duration::from_secs(10),
        retry: Duration::from_secs(2),
    };
}

/// What was seen of the Lease last.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// There is none, and there never was, as far as this process knows.
    Never,
    /// It says this.
    Lease {
        /// What it says.
        spec: LeaseSpec,
        /// When it was first seen to say so, as late as can be.
        since: Moment,
        /// What a write has to name, so that it changes nothing else.
        version: String,
    },
    /// There is none any more; while there was, it said this last.
    Deleted {
        /// What it said.
        spec: LeaseSpec,
        /// When it was first seen to say so.
        since: Moment,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make it.
    Create,
    /// Write oneself in as its holder, or that one still is; under this version alone.
    Write(String),
    /// Somebody has it; look again later.
    Wait,
    /// Stop acting at once.
    StepDown,
}

/// What to do. `leading` is the moment at which this process stops acting, where it does act.
pub fn decide(
    me: &str,
    timing: &Timing,
    seen: &Seen,
    leading: Option<Moment>,
    now: Moment,
) -> Decision {
    if let Some(until) = leading {
        return go_on(me, seen, until, now);
    }
    match seen {
        Seen::Never => Decision::Create,
        Seen::Lease {
            spec,
            since,
            version,
        } if is_free(me, timing, spec, *since, now) => Decision::Write(version.clone()),
        Seen::Deleted { spec, since } if is_free(me, timing, spec, *since, now) => Decision::Create,
        Seen::Lease { .. } | Seen::Deleted { .. } => Decision::Wait,
    }
}

fn go_on(me: &str, seen: &Seen, until: Moment, now: Moment) -> Decision {
    let over = now.until(until).is_none();
    match seen {
        _ if over => Decision::StepDown,
        Seen::Lease { spec, version, .. } if holder(spec) == Some(me) => {
            Decision::Write(version.clone())
        }
        Seen::Deleted { .. } => Decision::Create,
        // Somebody else is its holder, or took the holder out of it by hand.
        Seen::Lease { .. } | Seen::Never => Decision::StepDown,
    }
}

fn is_free(me: &str, timing: &Timing, spec: &LeaseSpec, since: Moment, now: Moment) -> bool {
    match holder(spec) {
        None => true,
        Some(holder) if holder == me => true,
        Some(_) => {
            let told = spec.lease_duration_seconds.unwrap_or_default();
            let told = Duration::from_secs(u64::try_from(told).unwrap_or_default());
            now.until(since.after(told.max(timing.lease))).is_none()
        }
    }
}

/// Who holds it.
pub fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty())
}

/// What the Lease says once it is ours. `clock` is the wall clock, for people to read: nobody reckons
/// with it.
pub fn held(me: &str, timing: &Timing, before: Option<&LeaseSpec>, clock: MicroTime) -> LeaseSpec {
    let mut spec = before.cloned().unwrap_or_default();
    let transitions = spec.lease_transitions.unwrap_or_default();
    let is_new = holder(&spec) != Some(me);
    if is_new {
        spec.acquire_time = Some(clock.clone());
    }
    if is_new && before.is_some() {
        spec.lease_transitions = Some(transitions.saturating_add(1));
    } else {
        spec.lease_transitions = Some(transitions);
    }
    spec.holder_identity = Some(me.to_owned());
    spec.lease_duration_seconds = i32::try_from(timing.lease.as_secs()).ok();
    spec.renew_time = Some(clock);
    spec
}

/// What the Lease says once it is given back.
pub fn released(before: &LeaseSpec, clock: MicroTime) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        renew_time: Some(clock),
        ..before.clone()
    }
}

impl Seen {
    /// The Lease was looked at, and this is what it says. Its time counts from when it was first seen to
    /// say so: another version alone, as after somebody put a label on it, is no renewal.
    pub fn lease(&mut self, found: LeaseSpec, version: String, at: Moment) {
        let since = match self {
            Self::Lease { spec, since, .. } | Self::Deleted { spec, since } if *spec == found => {
                *since
            }
            _ => at,
        };
        *self = Self::Lease {
            spec: found,
            since,
            version,
        };
    }

    /// There is no Lease. Who held it does not know yet, and acts on.
    pub fn missing(&mut self) {
        if let Self::Lease { spec, since, .. } = self {
            *self = Self::Deleted {
                spec: std::mem::take(spec),
                since: *since,
            };
        }
    }

    /// What it says, or said last.
    pub fn spec(&self) -> Option<&LeaseSpec> {
        match self {
            Self::Never => None,
            Self::Lease { spec, .. } | Self::Deleted { spec, .. } => Some(spec),
        }
    }
}

#[cfg(test)]
mod tests;
