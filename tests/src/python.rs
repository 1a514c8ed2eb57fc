//! The Python environment with the stock client, made once and kept outside the checkout.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::program::run;

/// The script that drives nats-py.
pub const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/client.py");

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt");

/// The interpreter with everything in `python/requirements.txt`, hashes checked by pip.
///
/// # Errors
/// When there is no `python3` with `venv`, or the packages cannot be had.
pub fn interpreter() -> Result<PathBuf> {
    let wanted = fs::read(REQUIREMENTS).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let folder = cache.join(format!("venv-{:016x}", key(&wanted)));
    let lock = File::create(folder.with_extension("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    // Written last, so that an environment that was cut short is made anew.
    let done = folder.join("installed");
    if !done.exists() {
        make(&folder)?;
        fs::write(&done, &wanted)?;
    }
    Ok(folder.join("bin/python"))
}

fn make(folder: &Path) -> Result<()> {
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(folder))
    .context("the suites need python3 with venv (Debian: apt-get install python3-venv)")?;
    run(Command::new(folder.join("bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args([
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--requirement",
            REQUIREMENTS,
        ]))?;
    Ok(())
}

fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(base.join("svom-messaging"))
}

fn key(wanted: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    hasher.finish()
}
