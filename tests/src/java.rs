//! The Java client with what it needs, fetched once by Maven and kept outside the checkout.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::program::run;
use crate::python::cache;

const PINNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/java/pom.xml");
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Why the Java client cannot be run here; nothing when it can.
pub fn missing() -> Option<String> {
    ["java", "mvn"].into_iter().find_map(|program| {
        let asked = Command::new(program).arg("-version").output();
        let answers = asked.is_ok_and(|output| output.status.success());
        (!answers).then(|| format!("{program} is not on the path"))
    })
}

/// A folder with the jars.
///
/// # Errors
/// When Maven cannot fetch them.
pub fn jars() -> Result<PathBuf> {
    let wanted = fs::read(PINNED).with_context(|| format!("cannot read {PINNED}"))?;
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let folder = cache.join(format!("java-{:016x}", hasher.finish()));
    let lock = File::create(folder.with_extension("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    // Written last, so that a fetch that was cut short is done anew.
    let done = folder.join("fetched");
    if !done.exists() {
        let mut maven = Command::new("mvn");
        maven
            .args([
                "--quiet",
                "--batch-mode",
                "--strict-checksums",
                "--file",
                PINNED,
            ])
            .arg(COPY)
            .arg(format!("-DoutputDirectory={}", folder.display()));
        run(&mut maven)?;
        fs::write(&done, &wanted)?;
    }
    Ok(folder)
}
