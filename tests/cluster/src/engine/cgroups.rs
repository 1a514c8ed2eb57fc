//! The control groups of a private engine's containers, in every hierarchy that the machine has.
//!
//! In: the name of the group that the engine puts all of them in. Out: nothing of it is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const MOUNTED_AT: &str = "/sys/fs/cgroup";
/// A killed process leaves its group a moment after it can no longer be seen.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// Lets what is frozen run again: a frozen process does not even die.
pub fn thaw(name: &str) {
    for group in everything_in(name) {
        // One file is of the first version of control groups, the other of the second.
        for (file, word) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            let path = group.join(file);
            if path.exists() {
                // It fails only when the group is gone, and then nothing is frozen.
                let _ = fs::write(path, word);
            }
        }
    }
}

/// Removes the groups, whose processes have all been killed.
///
/// # Errors
/// When one of them still has a process in it after a while.
pub fn remove(name: &str) -> Result<()> {
    let deadline = Instant::now() + EMPTY_WITHIN;
    loop {
        let mut kept = None;
        // What is deeper comes later.
        for group in everything_in(name).iter().rev() {
            if let Err(problem) = fs::remove_dir(group)
                && group.exists()
            {
                kept = Some((problem, group.clone()));
            }
        }
        match kept {
            None => return Ok(()),
            Some((problem, group)) if Instant::now() > deadline => {
                return Err(problem).with_context(|| format!("cannot remove {}", group.display()));
            }
            Some(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Every group of this name and all below, parents before children.
fn everything_in(name: &str) -> Vec<PathBuf> {
    let mut groups: Vec<_> = hierarchies()
        .into_iter()
        .map(|hierarchy| hierarchy.join(name))
        .filter(|group| group.is_dir())
        .collect();
    let mut next = 0;
    while let Some(group) = groups.get(next) {
        let below = folders_in(group);
        groups.extend(below);
        next += 1;
    }
    groups
}

/// Of the first version there are several, each in a folder; of the second there is one.
fn hierarchies() -> Vec<PathBuf> {
    let mut hierarchies = folders_in(Path::new(MOUNTED_AT));
    hierarchies.push(PathBuf::from(MOUNTED_AT));
    hierarchies
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let children = fs::read_dir(folder).into_iter().flatten().flatten();
    children
        .filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|child| child.path())
        .collect()
}
