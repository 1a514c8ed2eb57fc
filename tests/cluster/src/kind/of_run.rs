//! The cluster of a test program that was given none.
//!
//! In: the suite's name. Out: a cluster that is brought up once for the whole program, and removed when
//! the program ends, however it ends: nothing runs at the end of a test program that could do it.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use super::{Wanted, up};
use crate::cluster::Cluster;
use crate::engine::choice::Skipped;
use crate::process::Process;
use crate::programs;
use crate::progress::Progress;

static BROUGHT_UP: Mutex<Option<Result<Cluster, Skipped>>> = Mutex::new(None);

/// The cluster of this run, brought up by whoever asks first.
///
/// # Errors
/// When it cannot be brought up although it should be possible.
pub fn up_for_this_run(suite: &str) -> Result<Result<Cluster, Skipped>> {
    let mut brought_up = BROUGHT_UP.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = &*brought_up {
        return Ok(found.clone());
    }
    let this = std::process::id();
    let wanted = Wanted {
        name: format!("{suite}-{this}"),
        owner: Some(Process::of(this)?),
        keep_failed: false,
    };
    remove_after(&wanted.name, this)?;
    let found = up(&wanted, &Progress::shown())?;
    *brought_up = Some(found.clone());
    Ok(found)
}

/// Leaves a process behind that removes the cluster when this one has ended, and then ends too.
fn remove_after(name: &str, this: u32) -> Result<()> {
    Command::new("setsid")
        .arg(programs::built("svom-cluster")?)
        .args(["down", "--name", name, "--after", &this.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
        .context("cannot start what removes the cluster after this run")
}
