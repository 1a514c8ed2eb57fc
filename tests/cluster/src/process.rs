//! A process of the machine that is told apart from another that later has the same number.
//!
//! In: a process. Out: something that can be written down, and asked whether it still runs.

use std::fs;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    id: u32,
    /// When it started, in the kernel's ticks since the machine did.
    started: u64,
}

impl Process {
    /// The process with this number.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(id: u32) -> Result<Self> {
        let started = started(id).with_context(|| format!("there is no process {id}"))?;
        Ok(Self { id, started })
    }

    /// Whether it has not ended.
    pub fn runs(self) -> bool {
        started(self.id) == Some(self.started)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When the kernel cannot watch it.
    pub fn wait(self) -> Result<()> {
        let id = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        let handle = id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok());
        let Some(handle) = handle.filter(|_| self.runs()) else {
            return Ok(());
        };
        let mut watched = [PollFd::new(&handle, PollFlags::IN)];
        loop {
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                ended => return ended.map(drop).context("cannot watch a process"),
            }
        }
    }
}

/// The 22nd field of the process's line; the second is its name in brackets, which may contain
/// anything.
fn started(id: u32) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, after_name) = line.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    // One that has ended, and that nobody has asked how, is `Z`.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn a_process_runs_until_it_ends() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(process.runs());
        let waiting = thread::spawn(move || process.wait());
        child.kill().unwrap();
        waiting.join().unwrap().unwrap();
        assert!(!process.runs());
        child.wait().unwrap();
        assert!(!process.runs());
        process.wait().unwrap();
    }

    #[test]
    fn another_process_of_the_same_number_is_another() {
        let this = Process::of(std::process::id()).unwrap();
        let earlier = Process {
            started: this.started - 1,
            ..this
        };
        assert!(this.runs());
        assert!(!earlier.runs());
    }
}
