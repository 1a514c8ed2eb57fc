//! Programs of the machine, run to their end.
//!
//! In: a command, perhaps what it reads, and how long it may take. Out: what it printed, or an error
//! that says what was run, how it ended and what it said. A command that does not end is killed.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Runs a command to its end, which must be a good one; what it prints on standard output.
///
/// # Errors
/// When it cannot be started, does not end in time or ends badly; with what it said.
pub fn output(command: &mut Command, limit: Duration) -> Result<String> {
    good(command, &[], limit).map(|output| text(&output.stdout))
}

/// The same, for a command that reads `input`.
///
/// # Errors
/// As [`output`].
pub fn output_of_input(command: &mut Command, input: &[u8], limit: Duration) -> Result<String> {
    good(command, input, limit).map(|output| text(&output.stdout))
}

/// Runs a command to its end, good or bad.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub fn outcome(command: &mut Command, input: &[u8], limit: Duration) -> Result<Output> {
    let words = words(command);
    let reads = if input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    let mut child = command
        .stdin(reads)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{words}`"))?;
    let id = child.id();
    feed(&mut child, input);
    let (tell, ended) = mpsc::channel();
    // The receiver is gone when the limit has passed; then nobody wants the output.
    thread::spawn(move || tell.send(child.wait_with_output()));
    match ended.recv_timeout(limit) {
        Ok(output) => output.with_context(|| format!("cannot read what `{words}` prints")),
        Err(_) => {
            let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                // It may have ended at this very moment, which is as good.
                let _ = kill_process(pid, Signal::KILL);
            }
            bail!("`{words}` did not end within {} s", limit.as_secs());
        }
    }
}

fn good(command: &mut Command, input: &[u8], limit: Duration) -> Result<Output> {
    let output = outcome(command, input, limit)?;
    ensure!(
        output.status.success(),
        "`{}` ended with {}:\n{}{}",
        words(command),
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    Ok(output)
}

/// A command that ends without reading everything says itself what is wrong.
fn feed(child: &mut Child, input: &[u8]) {
    let Some(mut pipe) = child.stdin.take() else {
        return;
    };
    let input = input.to_vec();
    thread::spawn(move || pipe.write_all(&input));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A command as one would type it, for messages.
pub fn words(command: &Command) -> String {
    let mut words = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        words.push(' ');
        words.push_str(&argument.to_string_lossy());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{output, output_of_input};

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_good_end_gives_what_was_printed() {
        assert_eq!(
            output(&mut shell("echo a; echo b >&2"), LIMIT).unwrap(),
            "a\n"
        );
        assert_eq!(
            output_of_input(&mut shell("cat"), b"given", LIMIT).unwrap(),
            "given"
        );
    }

    #[test]
    fn a_bad_end_says_what_ran_and_what_it_said() {
        let error = output(&mut shell("echo a; echo b >&2; exit 3"), LIMIT).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c echo a; echo b >&2; exit 3` ended with exit status: 3:\na\nb\n"
        );
    }

    #[test]
    fn what_does_not_end_is_killed() {
        let error = output(&mut shell("exec sleep 600"), Duration::from_millis(10)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c exec sleep 600` did not end within 0 s"
        );
    }
}
