//! At most one runner in a state folder. In: the folder. Out: a lock that lasts until it is dropped or
//! the process ends, however it ends; or the pid of the process that has it. It never waits.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::FlockOperation;

use super::folder::Folder;

/// The lock on a state folder.
#[derive(Debug)]
pub struct Lock {
    file: File,
    after_crash: bool,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("a bus runs already in {}, by {}: ask it with `svom-messaging local status`, end it with `svom-messaging local down`, or name another folder and ports with --dir and --port", folder.display(), holder(*.pid))]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The process, where it has said so.
        pid: Option<u32>,
    },
    /// The file cannot be opened, locked or written.
    #[error("the state folder {} cannot be written to: {source}. Name a folder of your own with --dir", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or("another process".into(), |pid| format!("process {pid}"))
}

impl Lock {
    /// Takes the lock, and writes this process's pid into its file.
    pub fn take(folder: &Folder) -> Result<Self, LockError> {
        let unusable = |source: io::Error| LockError::Unusable {
            folder: folder.path().to_owned(),
            source,
        };
        loop {
            // std opens with O_CLOEXEC: no server inherits the lock.
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(folder.lock())
                .map_err(unusable)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let folder = folder.path().to_owned();
                    return Err(LockError::Held {
                        folder,
                        pid: read_pid(&mut file),
                    });
                }
                Err(other) => return Err(unusable(other.into())),
            }
            // Between open and lock the holder may have deleted the folder; a lock on a file that no
            // longer has this name keeps nobody out.
            if !still_named(&file, folder).map_err(unusable)? {
                continue;
            }
            let after_crash = read_pid(&mut file).is_some();
            write_pid(&mut file).map_err(unusable)?;
            return Ok(Self { file, after_crash });
        }
    }

    /// Whether the one who had it before ended without letting go of it.
    pub fn after_crash(&self) -> bool {
        self.after_crash
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty file is how the next one knows that this run ended in order. Where it cannot be
        // emptied, the next run only looks more patiently for free ports.
        let _ = self.file.set_len(0);
    }
}

/// The pid of the process that has the folder's lock, for messages: the file may be older than the
/// process.
pub fn holder_pid(folder: &Folder) -> Option<u32> {
    read_pid(&mut File::open(folder.lock()).ok()?)
}

fn still_named(file: &File, folder: &Folder) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(folder.lock()) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn folder() -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path()).unwrap();
        (root, folder)
    }

    #[test]
    fn a_second_holder_is_told_who_has_it() {
        let (_root, folder) = folder();
        let first = Lock::take(&folder).unwrap();
        let message = Lock::take(&folder).unwrap_err().to_string();
        let message = message
            .replace(folder.path().to_str().unwrap(), "DIR")
            .replace(&std::process::id().to_string(), "PID");
        expect!["a bus runs already in DIR, by process PID: ask it with `svom-messaging local status`, end it with `svom-messaging local down`, or name another folder and ports with --dir and --port"].assert_eq(&message);
        drop(first);
        assert!(!Lock::take(&folder).unwrap().after_crash());
    }

    #[test]
    fn a_crash_is_seen_by_the_next_holder() {
        let (_root, folder) = folder();
        std::fs::write(folder.lock(), "4711\n").unwrap();
        assert!(Lock::take(&folder).unwrap().after_crash());
        assert!(!Lock::take(&folder).unwrap().after_crash());
    }

    #[test]
    fn a_lock_on_a_deleted_file_counts_for_nothing() {
        let (_root, folder) = folder();
        let old = Lock::take(&folder).unwrap();
        std::fs::remove_file(folder.lock()).unwrap();
        assert!(!still_named(&old.file, &folder).unwrap());
        let new = Lock::take(&folder).unwrap();
        assert!(still_named(&new.file, &folder).unwrap());
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_says_so() {
        let (_root, folder) = folder();
        std::fs::create_dir(folder.lock()).unwrap();
        let message = Lock::take(&folder).unwrap_err().to_string();
        let message = message.replace(folder.path().to_str().unwrap(), "DIR");
        expect!["the state folder DIR cannot be written to: Is a directory (os error 21). Name a folder of your own with --dir"].assert_eq(&message);
    }
}
