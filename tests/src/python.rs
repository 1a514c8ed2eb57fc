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

/// What is installed, in this order: the second needs the first, for a package that has no wheel.
const BUILD_REQUIREMENTS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/python/build-requirements.txt");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt");
/// That package; it is Python alone.
const WITHOUT_WHEEL: &str = "nkeys";

/// The interpreter with everything in `python/*requirements.txt`, hashes checked by pip.
///
/// # Errors
/// When there is no `python3` with `venv`, or the packages cannot be had.
pub fn interpreter() -> Result<PathBuf> {
    let mut wanted = Vec::new();
    for file in [BUILD_REQUIREMENTS, REQUIREMENTS] {
        wanted.extend(fs::read(file).with_context(|| format!("cannot read {file}"))?);
    }
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
    install(folder, BUILD_REQUIREMENTS, &[])?;
    let without_wheel = ["--no-binary", WITHOUT_WHEEL, "--no-build-isolation"];
    install(folder, REQUIREMENTS, &without_wheel)
}

fn install(folder: &Path, requirements: &str, options: &[&str]) -> Result<()> {
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "--require-hashes"])
        .args(["--only-binary", ":all:"])
        .args(options)
        .args(["--requirement", requirements]);
    run(&mut pip).map(|_| ())
}

/// Folder for what is kept between runs, outside the checkout.
///
/// # Errors
/// When there is no home folder.
pub fn cache() -> Result<PathBuf> {
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
