//! One server and what its process is at. In: an order, its end, a moment that came. Out: signals to
//! the process, the next moment to be woken at, and its state. Who calls it sees to it that no child
//! is waited for behind its back, so that a pid here is never another process's.

use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::Instant;

use super::actor::Reply;
use super::log::Log;
use super::{Ended, Program, ServersError, Started, State, Why, child};

/// First pause before a server that ended by itself is started again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A server that ran this long ends for the first time again.
const LONG_RUN: Duration = Duration::from_secs(30);

/// A server.
pub struct Server {
    phase: Phase,
    /// Ends in a row, none of them after a long run.
    times: u32,
}

enum Phase {
    Up(Box<Up>),
    Down(Why),
    Pausing {
        until: Instant,
        pause: Duration,
        ended: String,
    },
}

struct Up {
    child: Child,
    pid: u32,
    log: Log,
    since: Instant,
    ending: Option<Ending>,
}

struct Ending {
    why: Why,
    /// When it is killed if it has not ended.
    kill_at: Option<Instant>,
    forced: bool,
    waiting: Vec<Reply<Ended>>,
}

impl Server {
    /// Known, and not started.
    pub fn new() -> Self {
        Self {
            phase: Phase::Down(Why::NotStarted),
            times: 0,
        }
    }

    /// Whether it has a process.
    pub fn has_process(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    /// Ready when its process has ended.
    pub fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        match &mut self.phase {
            Phase::Up(up) => pin!(up.child.wait()).poll(context),
            Phase::Down(_) | Phase::Pausing { .. } => Poll::Pending,
        }
    }

    /// Starts it where it is down or pausing.
    pub fn start(&mut self, program: &Program, name: &str) -> Result<Started, ServersError> {
        if let Phase::Up(up) = &self.phase {
            return match up.ending {
                None => Ok(Started::Already(up.pid)),
                Some(_) => Err(ServersError::StillEnding { name: name.into() }),
            };
        }
        self.times = 0;
        match launch(program, name) {
            Ok(up) => {
                let pid = up.pid;
                self.phase = Phase::Up(up);
                Ok(Started::Now(pid))
            }
            Err(why) => {
                self.phase = Phase::Down(Why::CannotStart(why.clone()));
                Err(ServersError::CannotStart {
                    name: name.into(),
                    why,
                })
            }
        }
    }

    /// Ends it for the reason, by force after the bound; answers when it has ended.
    pub fn end(&mut self, why: Why, bound: Duration, reply: Option<Reply<Ended>>) {
        match &mut self.phase {
            Phase::Up(up) => up.end(why, bound, reply),
            Phase::Down(_) | Phase::Pausing { .. } => {
                self.phase = Phase::Down(why);
                if let Some(reply) = reply {
                    let _ = reply.send(Ok(Ended::WasDown));
                }
            }
        }
    }

    /// Its process has ended.
    pub fn ended(&mut self, status: io::Result<ExitStatus>) {
        let Phase::Up(up) = std::mem::replace(&mut self.phase, Phase::Down(Why::NotStarted)) else {
            return;
        };
        let Some(ending) = up.ending else {
            if up.since.elapsed() >= LONG_RUN {
                self.times = 0;
            }
            return self.pause(child::ended(status, &up.log.last_words()));
        };
        self.phase = Phase::Down(ending.why);
        let how = if ending.forced {
            Ended::Forced
        } else {
            Ended::AsTold
        };
        for waiting in ending.waiting {
            let _ = waiting.send(Ok(how));
        }
    }

    fn pause(&mut self, ended: String) {
        let pause = pause(self.times);
        self.times = self.times.saturating_add(1);
        self.phase = Phase::Pausing {
            until: Instant::now() + pause,
            pause,
            ended,
        };
    }

    fn launch_again(&mut self, program: &Program, name: &str) {
        match launch(program, name) {
            Ok(up) => self.phase = Phase::Up(up),
            Err(why) => self.pause(format!("could not be started: {why}")),
        }
    }

    /// Does what is due.
    pub fn moment_came(&mut self, now: Instant, program: &Program, name: &str) {
        if self.next_moment().is_none_or(|moment| moment > now) {
            return;
        }
        match &mut self.phase {
            Phase::Up(up) => up.force(),
            Phase::Pausing { .. } => self.launch_again(program, name),
            Phase::Down(_) => {}
        }
    }

    /// When something is due.
    pub fn next_moment(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Up(up) => up.ending.as_ref()?.kill_at,
            Phase::Pausing { until, .. } => Some(*until),
            Phase::Down(_) => None,
        }
    }

    /// Its state.
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Up(up) if up.ending.is_none() => State::Running { pid: up.pid },
            Phase::Up(up) => State::Ending { pid: up.pid },
            Phase::Down(why) => State::Down(why.clone()),
            Phase::Pausing { pause, ended, .. } => State::Restarting {
                ended: ended.clone(),
                times: self.times,
                pause: *pause,
            },
        }
    }
}

impl Up {
    /// Tells it to end. No bound means at once; a later order may hurry an earlier one, never slow it.
    fn end(&mut self, why: Why, bound: Duration, reply: Option<Reply<Ended>>) {
        let told_before = self.ending.is_some();
        let kill_at = Instant::now() + bound;
        let ending = self.ending.get_or_insert_with(|| Ending {
            why: why.clone(),
            kill_at: Some(kill_at),
            forced: false,
            waiting: Vec::new(),
        });
        ending.waiting.extend(reply);
        ending.kill_at = ending.kill_at.map(|earlier| earlier.min(kill_at));
        match why {
            Why::Killed => {
                ending.why = why;
                ending.kill_at = None;
                self.signal(Signal::KILL);
            }
            Why::Shutdown => {
                ending.why = why;
                // A server in lame duck does not hear SIGTERM.
                self.signal(if told_before {
                    Signal::INT
                } else {
                    Signal::TERM
                });
            }
            _ if told_before => {}
            _ => self.signal(Signal::USR2),
        }
    }

    fn force(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.forced = true;
            ending.kill_at = None;
        }
        self.signal(Signal::KILL);
    }

    /// A process that has ended but was not waited for takes signals without effect.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
        {
            let _ = kill_process(pid, signal);
        }
    }
}

fn launch(program: &Program, name: &str) -> Result<Box<Up>, String> {
    let folder = program.folder.server(name);
    let (log, file) =
        Log::open(&folder).map_err(|error| format!("its log in {}: {error}", folder.display()))?;
    let child = child::spawn(&program.binary, &folder, file)
        .map_err(|error| format!("{}: {error}", program.binary.display()))?;
    // A child that was not waited for has its pid.
    let pid = child.id().unwrap_or_default();
    Ok(Box::new(Up {
        child,
        pid,
        log,
        since: Instant::now(),
        ending: None,
    }))
}

/// The pause after so many earlier ends in a row.
fn pause(times: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(2u32.saturating_pow(times))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_seconds() {
        let pauses = [0, 1, 2, 5, 6, 31, 32, u32::MAX].map(|times| pause(times).as_millis());
        assert_eq!(
            pauses,
            [200, 400, 800, 6400, 10_000, 10_000, 10_000, 10_000]
        );
    }
}
