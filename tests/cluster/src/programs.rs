//! This crate's own programs, which go on when the run that started them has ended.
//!
//! In: a program's name. Out: where it lies, built from this checkout.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;

const BUILT_WITHIN: Duration = Duration::from_secs(1_200);

/// Builds a program; where it lies.
///
/// # Errors
/// When it cannot be built.
pub fn built(name: &str) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--locked", "--message-format=json"])
        .args(["--package", "svom-cluster", "--bin", name]);
    // What cargo says about the package that runs must not reach the build scripts of others: they
    // run again when it changes.
    for (variable, _) in env::vars_os() {
        let variable = variable.to_string_lossy();
        if variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&*variable);
        }
    }
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let messages = command::output(&mut build, BUILT_WITHIN)?;
    let mut messages = messages.lines();
    messages
        .find_map(|message| executable(message, name))
        .with_context(|| format!("cargo does not say where {name} is"))
}

/// Builds a program and copies it into a folder, for what starts it anew each time and must not meet
/// a build that replaces it; the copy's path.
///
/// # Errors
/// When it cannot be built or copied.
pub fn copied(name: &str, folder: &Path) -> Result<PathBuf> {
    let (built, copy) = (built(name)?, folder.join(name));
    fs::copy(&built, &copy)
        .with_context(|| format!("cannot copy {} to {}", built.display(), copy.display()))?;
    Ok(copy)
}

/// Of cargo's message about this program.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_it = message.get("target")?.get("name")? == name;
    let path = message.get("executable")?.as_str()?;
    is_it.then(|| path.into())
}
