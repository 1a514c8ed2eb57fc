//! Moments of a clock that only goes forward, and does so while the machine is suspended: a process
//! that wakes up must know that its Lease is long gone.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment, since some beginning that is the same for the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
/// Elsewhere this one counts the machine's sleep.
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

impl Moment {
    /// Has always passed.
    pub const FIRST: Self = Self(Duration::ZERO);
    /// Never comes.
    pub const NEVER: Self = Self(Duration::MAX);

    /// This moment.
    pub fn now() -> Self {
        let now = clock_gettime(CLOCK);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    /// So long after the beginning.
    pub const fn at(since_beginning: Duration) -> Self {
        Self(since_beginning)
    }

    /// So much later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long until the other moment; nothing where that has come.
    pub fn until(self, other: Self) -> Option<Duration> {
        other.0.checked_sub(self.0).filter(|left| !left.is_zero())
    }
}
