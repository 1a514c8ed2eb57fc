//! What is going on, for whoever waits: a line when a long part begins, lines while it runs, and one
//! when it is done, each with the seconds since the beginning.
//!
//! In: parts and their notes. Out: lines on standard error, so that standard output is the answer's.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a part that runs says so.
const TOLD_EVERY: Duration = Duration::from_secs(15);

/// How many of a failed command's last lines stand in the error.
const LAST_LINES: usize = 20;

/// Where the lines go, and since when the seconds count.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    told: bool,
}

impl Progress {
    /// Lines on standard error; the seconds count from now.
    #[must_use]
    pub fn shown() -> Self {
        Self {
            began: Instant::now(),
            told: true,
        }
    }

    /// No lines.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            began: Instant::now(),
            told: false,
        }
    }

    /// One line.
    pub fn say(&self, line: &str) {
        if self.told {
            eprintln!("{:5} s  {line}", self.began.elapsed().as_secs());
        }
    }

    /// Does a long part, and says when it begins, that it runs, and when it is done.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn part<T>(&self, what: &str, work: impl FnOnce(&Part) -> Result<T>) -> Result<T> {
        self.say(what);
        let began = Instant::now();
        let part = Part::default();
        let done = thread::scope(|scope| {
            let (end, ended) = mpsc::channel::<()>();
            let running = &part;
            scope.spawn(move || {
                while ended.recv_timeout(TOLD_EVERY) == Err(RecvTimeoutError::Timeout) {
                    self.say(&format!("{what}: {}", running.noted()));
                }
            });
            let done = work(&part);
            drop(end);
            done
        });
        let how = if done.is_ok() { "done" } else { "failed" };
        self.say(&format!(
            "{what}: {how} after {} s",
            began.elapsed().as_secs()
        ));
        done
    }
}

/// A long part that runs.
#[derive(Debug, Default)]
pub struct Part {
    note: Mutex<String>,
}

impl Part {
    /// What it is at; shown by the next line that says that the part runs.
    pub fn note(&self, note: &str) {
        let mut noted = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        note.trim().clone_into(&mut noted);
    }

    /// Runs a command to its end, its output's last line as the note.
    ///
    /// # Errors
    /// When it cannot be started or fails; then with the last lines of its output.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        self.run_with(command, |line| self.note(line))
    }

    /// Runs a command to its end, giving each line of its output to `line`.
    ///
    /// # Errors
    /// When it cannot be started or fails; then with the last lines of its output.
    pub fn run_with(&self, command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
        let program = command.get_program().to_string_lossy().into_owned();
        let (output, input) = std::io::pipe().context("cannot make a pipe")?;
        let error_input = input.try_clone().context("cannot make a pipe")?;
        command
            .stdin(Stdio::null())
            .stdout(input)
            .stderr(error_input);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        // The command holds the pipe's writing ends, and while it does the output never ends.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut last = VecDeque::with_capacity(LAST_LINES);
        for bytes in BufReader::new(output).split(b'\n') {
            let bytes = bytes.with_context(|| format!("cannot read what {program} prints"))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            line(&text);
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(text);
        }
        let status = child
            .wait()
            .with_context(|| format!("cannot wait for {program}"))?;
        if !status.success() {
            let last: Vec<_> = last.into();
            bail!("{command:?} failed, {status}:\n{}", last.join("\n"));
        }
        Ok(())
    }

    fn noted(&self) -> String {
        let noted = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.is_empty() {
            "running".to_owned()
        } else {
            noted.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_commands_lines_are_noted_from_both_outputs() {
        let part = Part::default();
        let mut lines = Vec::new();
        part.run_with(&mut shell("echo a; echo b >&2; printf c"), |line| {
            lines.push(line.to_owned());
        })
        .unwrap();
        assert_eq!(lines, ["a", "b", "c"]);
        part.run(&mut shell("echo '  at it '")).unwrap();
        assert_eq!(part.noted(), "at it");
    }

    #[test]
    fn a_failure_tells_the_command_and_the_end_of_its_output() {
        let failed = Part::default().run(&mut shell("seq 100; exit 3"));
        let text = failed.unwrap_err().to_string();
        assert!(
            text.starts_with("\"sh\" \"-c\" \"seq 100; exit 3\" failed, exit status: 3:\n81\n")
        );
        assert!(text.ends_with("\n99\n100"));
    }

    #[test]
    fn a_part_gives_back_what_its_work_gave() {
        let done = Progress::quiet().part("adding", |_| Ok(1 + 1));
        assert_eq!(done.unwrap(), 2);
        let failed = Progress::quiet().part("adding", |_| -> Result<()> { bail!("cannot") });
        assert!(failed.is_err());
    }
}
