//! Waiting for a cluster to come to something, never for time to pass.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// An upper bound for whatever is waited for: nothing here takes half of it on two cores.
pub const LIMIT: Duration = Duration::from_secs(180);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Looks until a look succeeds.
///
/// # Errors
/// When none does within [`LIMIT`]: what was waited for, and what the last look said.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() > deadline => {
                let waited = LIMIT.as_secs();
                return Err(error.context(format!("after {waited} s still waiting for: {what}")));
            }
            Err(_) => thread::sleep(BETWEEN_LOOKS),
        }
    }
}
