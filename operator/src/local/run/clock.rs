//! Waiting for a moment of the wall clock, on machines that sleep.

use std::time::Duration;

use svom_plan::UnixSeconds;

use crate::clock::now;

/// The runtime's clock stands still while the machine is suspended, so the wall clock is looked at
/// this often.
const NAP_MAX: Duration = Duration::from_secs(3600);

/// Returns when the moment has come, at once if it is past, never if there is none.
pub async fn until(moment: Option<UnixSeconds>) {
    let Some(moment) = moment else {
        return std::future::pending().await;
    };
    while let Some(nap) = nap(now(), moment) {
        tokio::time::sleep(nap).await;
    }
}

/// How long to sleep before the next look at the clock; nothing when the moment has come.
fn nap(now: UnixSeconds, moment: UnixSeconds) -> Option<Duration> {
    let left = u64::try_from(moment.saturating_sub(now))
        .ok()
        .filter(|left| *left > 0)?;
    Some(Duration::from_secs(left).min(NAP_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_end_with_the_moment_or_an_hour() {
        let seconds = |now, moment| nap(now, moment).map(|nap| nap.as_secs());
        let naps = [
            (5, 4),
            (5, 5),
            (5, 6),
            (0, 3600),
            (0, 3601),
            (0, i64::MAX),
            (i64::MAX, i64::MIN),
            (i64::MIN, i64::MAX),
        ];
        let expected = [
            None,
            None,
            Some(1),
            Some(3600),
            Some(3600),
            Some(3600),
            None,
            Some(3600),
        ];
        assert_eq!(naps.map(|(now, moment)| seconds(now, moment)), expected);
    }

    #[tokio::test]
    async fn a_past_moment_has_come_and_none_never_does() {
        until(Some(now() - 1)).await;
        tokio::select! {
            biased;
            () = until(None) => panic!("there was no moment"),
            () = std::future::ready(()) => {}
        }
    }
}
