//! One run at a time.
//!
//! In: a path. Out: a lock that is held until it is dropped, and by no process that has ended. Its
//! file is there only while somebody holds it or waits for it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits until nobody else holds it; `waiting` is called once when somebody does.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn take(path: &Path, waiting: impl FnOnce()) -> Result<Self> {
        let mut waiting = Some(waiting);
        let unlockable = || format!("cannot lock {}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(unlockable)?;
        }
        loop {
            let file = File::create(path).with_context(unlockable)?;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                if let Some(waiting) = waiting.take() {
                    waiting();
                }
                flock(&file, FlockOperation::LockExclusive).with_context(unlockable)?;
            }
            // Who held it before may have removed the file, and somebody may have made another.
            let held = file.metadata().with_context(unlockable)?.ino();
            if path.metadata().is_ok_and(|found| found.ino() == held) {
                let path = path.to_owned();
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays is taken by the next one.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_holds_it_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below").join("lock");
        let held = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = Lock::take(&path, || {}).unwrap();
                        assert!(!held.swap(true, Ordering::SeqCst));
                        thread::yield_now();
                        held.store(false, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(!path.exists());
    }
}
