//! nats.js with what it needs, fetched once by npm and kept outside the checkout.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::program::run;
use crate::python::cache;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/javascript");
/// What is wanted, and with the sums of its files in the second.
const PINNED: [&str; 2] = ["package.json", "package-lock.json"];
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
    let read = |name: &str| {
        let path = format!("{FOLDER}/{name}");
        fs::read(&path).with_context(|| format!("cannot read {path}"))
    };
    let wanted = [read(PINNED[0])?, read(PINNED[1])?];
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let folder = cache.join(format!("javascript-{:016x}", hasher.finish()));
    let lock = File::create(folder.with_extension("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    // Written last, so that a fetch that was cut short is done anew.
    let done = folder.join("fetched");
    if !done.exists() {
        fs::create_dir_all(&folder)?;
        for (name, content) in PINNED.iter().zip(&wanted) {
            fs::write(folder.join(name), content)?;
        }
        let mut npm = Command::new("npm");
        npm.current_dir(&folder)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .args(["--loglevel", "error"]);
        run(&mut npm)?;
        fs::write(&done, "")?;
    }
    Ok(folder.join("node_modules"))
}
