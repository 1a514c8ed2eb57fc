//! nats.js with what it needs, fetched once by npm and kept outside the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::kept::kept;
use crate::program::run;

/// What is wanted.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/javascript/package.json");
/// The same with all that it needs, and the sums of their files.
const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/javascript/package-lock.json");
/// The first that has a cryptography for everybody at hand.
const OLDEST_NODE: u32 = 20;

/// Why nats.js cannot be run here; nothing when it can.
pub fn missing() -> Option<String> {
    let version = |program: &str| {
        let asked = Command::new(program).arg("--version").output().ok()?;
        let said = asked.status.success().then_some(asked.stdout)?;
        Some(String::from_utf8_lossy(&said).trim().to_owned())
    };
    let Some(node) = version("node") else {
        return Some("node is not on the path".to_owned());
    };
    let major = node.trim_start_matches('v').split('.').next();
    let major = major.and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_NODE) {
        return Some(format!(
            "node is {node}, and {OLDEST_NODE} or later is needed"
        ));
    }
    version("npm")
        .is_none()
        .then(|| "npm is not on the path".to_owned())
}

/// The folder of the packages, sums checked by npm.
///
/// # Errors
/// When npm cannot fetch them.
pub fn packages() -> Result<PathBuf> {
    let folder = kept("javascript", &[PACKAGE, LOCK], |folder| {
        for file in [PACKAGE, LOCK] {
            let name = Path::new(file).file_name().context("a file has a name")?;
            fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {file}"))?;
        }
        let mut npm = Command::new("npm");
        npm.current_dir(folder)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .args(["--loglevel", "error"]);
        run(&mut npm).map(|_| ())
    })?;
    Ok(folder.join("node_modules"))
}
