//! Waiting for something to become true, never for time to pass.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks until there is something to return; fails after `limit`, naming what was waited for.
///
/// # Errors
/// When the limit has passed, or as soon as a look itself fails.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("after {} s still waiting for {what}", limit.as_secs_f32());
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}
