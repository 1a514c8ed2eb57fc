//! The signals that end a run. In: what the system sends. Out: the names of those that were not
//! ignored when the program started, as `nohup` and scripts do for what shall go on without them.

use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals.
pub struct Signals(Vec<(&'static str, Signal)>);

impl Signals {
    /// From now on they end nothing by themselves.
    pub fn new() -> io::Result<Self> {
        let ignored = ignored();
        let all = [
            ("SIGINT", SignalKind::interrupt()),
            ("SIGTERM", SignalKind::terminate()),
            ("SIGHUP", SignalKind::hangup()),
        ];
        let heard = all
            .into_iter()
            .filter(|(_, kind)| !is_in(ignored, kind.as_raw_value()));
        let heard = heard.map(|(name, kind)| Ok((name, signal(kind)?)));
        heard.collect::<io::Result<_>>().map(Self)
    }

    /// The next one.
    pub async fn next(&mut self) -> &'static str {
        std::future::poll_fn(|context| {
            for (name, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*name);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The set of signals that are ignored, where the system tells.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or_default()
}

fn is_in(set: u64, signal: i32) -> bool {
    u32::try_from(signal - 1)
        .ok()
        .and_then(|bit| set.checked_shr(bit))
        .is_some_and(|rest| rest & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_signals_count_from_one() {
        assert_eq!(
            [1, 2, 15, 64, 0].map(|signal| is_in(0x4001, signal)),
            [true, false, true, false, false]
        );
    }
}
