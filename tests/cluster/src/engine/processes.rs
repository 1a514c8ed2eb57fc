//! The processes that a cluster has on the machine, known by a mark in their environment.
//!
//! In: a mark. Out: the processes that carry it, or their end. The mark is inherited, so that what a
//! marked process starts is found too, and it is there from a process's first moment, so that
//! nothing is missed when the run that started it was killed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

const VARIABLE: &str = "SVOM_CLUSTER_FOLDER";
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const DEAD_WITHIN: Duration = Duration::from_secs(20);

/// Marks what a command starts as belonging to the cluster in this folder.
pub fn mark<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command.env(VARIABLE, folder)
}

/// The processes of the cluster in this folder.
pub fn marked(folder: &Path) -> Vec<Pid> {
    let mut entry = format!("{VARIABLE}=").into_bytes();
    entry.extend(folder.as_os_str().as_encoded_bytes());
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|id| has_in_environment(*id, &entry))
        .filter_map(Pid::from_raw)
        .collect()
}

/// A process that has ended has no environment any more, nor has one that is not ours to read.
fn has_in_environment(id: i32, entry: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|found| found == entry)
}

/// Asks the processes of the cluster that run this program to end, and waits until all of them have.
/// Whether they did.
pub fn ask(folder: &Path, program: &str, patience: Duration) -> bool {
    until_none_runs(folder, &[program], Signal::TERM, patience)
}

/// Kills the processes of the cluster that run one of these programs. Whether they are gone.
pub fn kill_programs(folder: &Path, programs: &[&str]) -> bool {
    until_none_runs(folder, programs, Signal::KILL, DEAD_WITHIN)
}

fn until_none_runs(folder: &Path, programs: &[&str], sent: Signal, limit: Duration) -> bool {
    let running = || {
        let mut processes = marked(folder);
        processes.retain(|process| programs.iter().any(|program| runs(*process, program)));
        processes
    };
    signal(&running(), sent);
    let deadline = Instant::now() + limit;
    while !running().is_empty() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    true
}

/// Kills all processes of the cluster in this folder.
///
/// # Errors
/// When one is still there after it was killed again and again.
pub fn kill(folder: &Path) -> Result<()> {
    let deadline = Instant::now() + DEAD_WITHIN;
    loop {
        let left = marked(folder);
        if left.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "processes of {} do not end: {left:?}",
            folder.display()
        );
        signal(&left, Signal::KILL);
        thread::sleep(BETWEEN_LOOKS);
    }
}

fn runs(process: Pid, program: &str) -> bool {
    let name = fs::read_to_string(format!("/proc/{}/comm", process.as_raw_nonzero()));
    name.is_ok_and(|name| name.trim_end() == program)
}

fn signal(processes: &[Pid], signal: Signal) {
    for process in processes {
        // The only failure is that it has ended, which is what is wanted.
        let _ = kill_process(*process, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_processes_are_found_with_what_they_started_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let start = |folder: &Path, script: &str| {
            let mut shell = Command::new("sh");
            mark(&mut shell, folder)
                .args(["-c", script])
                .spawn()
                .unwrap()
        };
        // It does not end when it is asked to.
        let mut shell = start(
            folder.path(),
            "trap '' TERM; sleep 600 & while :; do wait; done",
        );
        let mut another = start(other.path(), "exec sleep 600");
        while marked(folder.path()).len() < 2 || marked(other.path()).is_empty() {
            thread::sleep(BETWEEN_LOOKS);
        }
        assert!(!ask(folder.path(), "sh", Duration::from_millis(50)));
        // Who waits for it is what makes a process that has ended go away.
        let ended = thread::spawn(move || shell.wait());
        kill(folder.path()).unwrap();
        ended.join().unwrap().unwrap();
        assert_eq!(marked(folder.path()), []);
        assert_eq!(marked(other.path()).len(), 1);
        let ended = thread::spawn(move || another.wait());
        assert!(ask(other.path(), "sleep", DEAD_WITHIN));
        ended.join().unwrap().unwrap();
        assert_eq!(marked(other.path()), []);
    }
}
