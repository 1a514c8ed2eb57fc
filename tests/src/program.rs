//! The product's program, built from this checkout.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::Signal;

use crate::processes::signal;

/// Names a program to test instead of the one that is built from this checkout.
pub const PROGRAM_VARIABLE: &str = "SVOM_MESSAGING";
/// Names a nats-server to use instead of the one that the product finds or builds.
pub const SERVER_VARIABLE: &str = "SVOM_NATS_SERVER";

/// Building the program takes longest.
const ENDS_WITHIN: Duration = Duration::from_secs(1_200);

/// The program, built once for each test program.
///
/// # Errors
/// When it cannot be built.
pub fn svom_messaging() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| find().map_err(|problem| format!("{problem:#}")))
        .as_deref()
        .map_err(|problem| anyhow!("{problem}"))
}

fn find() -> Result<PathBuf> {
    if let Some(path) = env::var_os(PROGRAM_VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut build = Command::new(cargo);
    build.current_dir(root).args([
        "build",
        "--quiet",
        "--package",
        "svom-operator",
        "--bin",
        "svom-messaging",
    ]);
    // What cargo says about this package must not reach the build scripts of others: they run again
    // when it changes.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&*name);
        }
    }
    let folder = build_folder()?;
    if folder.ends_with("release") {
        build.arg("--release");
    }
    run(&mut build)?;
    Ok(folder.join("svom-messaging"))
}

/// Folder of the programs that are built together with the running one. Tests lie in a folder of
/// their own within it.
///
/// # Errors
/// When the system does not say where the running program lies.
pub fn build_folder() -> Result<PathBuf> {
    let this = env::current_exe().context("cannot find out where this program lies")?;
    let folder = match this.parent() {
        Some(folder) if folder.ends_with("deps") => folder.parent(),
        folder => folder,
    };
    folder
        .map(Path::to_path_buf)
        .with_context(|| format!("{} lies in no build folder", this.display()))
}

/// Runs a command to its end, which must be a good one.
///
/// # Errors
/// When it cannot be started, does not end or fails; with what it printed.
pub fn run(command: &mut Command) -> Result<Output> {
    let output = outcome(command, ENDS_WITHIN)?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

/// Runs a command to its end, good or bad; one that does not end is killed.
///
/// # Errors
/// When it cannot be started or does not end.
pub fn outcome(command: &mut Command, limit: Duration) -> Result<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let id = child.id();
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    match ended.recv_timeout(limit) {
        Ok(output) => Ok(output?),
        Err(_) => {
            if let Ok(id) = i32::try_from(id) {
                signal(id, Signal::KILL);
            }
            bail!("{command:?} did not end within {} s", limit.as_secs());
        }
    }
}
