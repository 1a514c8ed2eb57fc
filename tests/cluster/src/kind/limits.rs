//! A limit of the kernel that four nodes on one machine come close to, and two clusters exceed: each
//! systemd, kubelet and containerd watches files, and the kernel counts what one user watches.
//!
//! In: whether clusters are there. Out: the limit is high enough while there are any, and what it was
//! before when there are none. What it was is written down before it is changed.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

use super::state::{clusters, names};
use crate::cache::remove_all;
use crate::lock::Lock;

const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
const ENOUGH: u64 = 8_192;

/// Makes the limit high enough, for a cluster whose folder is there already.
///
/// # Errors
/// When the limit cannot be read or written.
pub fn raise() -> Result<()> {
    raise_at(Path::new(LIMIT), &clusters()?)
}

/// Makes the limit what it was, if the cluster of this name is the last.
///
/// # Errors
/// When the limit cannot be written.
pub fn restore_after(name: &str) -> Result<()> {
    restore_at(Path::new(LIMIT), &clusters()?, || {
        Ok(names()?.iter().all(|other| other == name))
    })
}

fn raise_at(limit: &Path, folder: &Path) -> Result<()> {
    let _alone = Lock::take(&folder.join("limit.lock"), || {})?;
    let was =
        fs::read_to_string(limit).with_context(|| format!("cannot read {}", limit.display()))?;
    if was.trim().parse::<u64>().is_ok_and(|was| was >= ENOUGH) {
        return Ok(());
    }
    write(&saved(folder), was.trim())?;
    write(limit, &ENOUGH.to_string())
}

fn restore_at(limit: &Path, folder: &Path, is_last: impl Fn() -> Result<bool>) -> Result<()> {
    let _alone = Lock::take(&folder.join("limit.lock"), || {})?;
    let was = match fs::read_to_string(saved(folder)) {
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(()),
        was => was.context("cannot read what the kernel's limit was")?,
    };
    if !is_last()? {
        return Ok(());
    }
    write(limit, &was)?;
    remove_all(&saved(folder))
}

fn saved(folder: &Path) -> std::path::PathBuf {
    folder.join("max_user_instances")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_it_was_when_the_last_cluster_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let limit = folder.path().join("limit");
        let value = || fs::read_to_string(&limit).unwrap();
        fs::write(&limit, "128\n").unwrap();
        for _ in 0..2 {
            raise_at(&limit, folder.path()).unwrap();
            assert_eq!(value(), "8192");
        }
        restore_at(&limit, folder.path(), || Ok(false)).unwrap();
        assert_eq!(value(), "8192");
        for _ in 0..2 {
            restore_at(&limit, folder.path(), || Ok(true)).unwrap();
            assert_eq!(value(), "128");
        }
    }

    #[test]
    fn a_limit_that_is_high_enough_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let limit = folder.path().join("limit");
        fs::write(&limit, "10000\n").unwrap();
        raise_at(&limit, folder.path()).unwrap();
        restore_at(&limit, folder.path(), || Ok(true)).unwrap();
        assert_eq!(fs::read_to_string(&limit).unwrap(), "10000\n");
    }
}
