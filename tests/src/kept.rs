//! What the suites fetch once and keep outside the checkout: another folder for each state of what pins it.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// The folder of this name for what these files say now; `make` fills it where that was not done yet,
/// or was cut short.
///
/// # Errors
/// When a file cannot be read, there is no home folder, or it cannot be filled.
pub fn kept(
    name: &str,
    pinned: &[&str],
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    for file in pinned {
        let content = fs::read(file).with_context(|| format!("cannot read {file}"))?;
        content.hash(&mut hasher);
    }
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let folder = cache.join(format!("{name}-{:016x}", hasher.finish()));
    let lock = File::create(folder.with_extension("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    // Written last.
    let done = folder.join("made");
    if !done.exists() {
        fs::create_dir_all(&folder)?;
        make(&folder)?;
        fs::write(&done, "")?;
    }
    Ok(folder)
}

fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(base.join("svom-messaging"))
}
