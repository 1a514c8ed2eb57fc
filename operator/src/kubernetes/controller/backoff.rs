//! How long to wait before another try. Pure: chance is an argument.

use std::time::Duration;

/// The first time.
const FIRST: Duration = Duration::from_millis(500);
/// And at most: what is mended where nobody sees it is acted on within ten seconds.
const LONGEST: Duration = Duration::from_secs(8);

/// From half the time to all of it, twice as long after each failure. `chance` is from 0 to 1.
pub fn wait(failures: u32, chance: f64) -> Duration {
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1).min(16));
    let wait = FIRST.saturating_mul(doubled).min(LONGEST);
    wait.mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_an_end_and_spread_over_half() {
        let waits = |chance| {
            [0, 1, 2, 3, 5, 6, u32::MAX].map(|failures| wait(failures, chance).as_millis())
        };
        assert_eq!(waits(1.0), [500, 500, 1000, 2000, 8000, 8000, 8000]);
        assert_eq!(waits(0.0), [250, 250, 500, 1000, 4000, 4000, 4000]);
    }
}
