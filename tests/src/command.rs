//! Commands that must come to an end, and what they said.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::poll;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; absent where a signal ended it.
    pub code: Option<i32>,
    /// What it printed on standard output.
    pub printed: String,
    /// All that it printed, standard output first.
    pub said: String,
    /// How long it took.
    pub took: Duration,
}

/// Runs a command to its end. One that does not end in time is killed.
///
/// # Errors
/// When it cannot be started, or does not end.
pub fn ended(command: &mut Command, within: Duration) -> Result<Ended> {
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(err.try_clone()?);
    let begin = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let ended = poll::until("the command to end", within, || Ok(child.try_wait()?));
    let took = begin.elapsed();
    if ended.is_err() {
        // It may end by itself at this very moment; that is no error.
        let _ = child.kill().and_then(|()| child.wait());
    }
    let printed = text(&mut out)?;
    let said = printed.clone() + &text(&mut err)?;
    let status = ended.with_context(|| format!("{command:?} said: {said}"))?;
    Ok(Ended {
        code: status.code(),
        printed,
        said,
        took,
    })
}

fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
