//! The wall clock, for the plan, which is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

use svom_plan::UnixSeconds;

/// The time.
pub fn now() -> UnixSeconds {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixSeconds::try_from(since.as_secs()).unwrap_or(UnixSeconds::MAX)
}
