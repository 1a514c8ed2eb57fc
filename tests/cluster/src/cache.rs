//! What is made once and kept between runs, outside the checkout.
//!
//! In: a name, a key over everything that goes into the thing, and how to make it. Out: the folder
//! that holds it, whole. A run that is interrupted leaves nothing that a later one would take for
//! whole; two runs that want the same thing make it once.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use crate::progress::Progress;

/// After this long without use an entry is removed, when another of its name is made.
const KEPT_UNUSED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Everything that goes into an entry, as one hash. Another order of the parts is another key.
#[derive(Clone, Debug, Default)]
pub struct Key(Sha256);

impl Key {
    /// Nothing has gone in yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A text, such as a version or an argument.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.part(name, text.as_bytes());
        self
    }

    /// A file's content.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(mut self, name: &str, path: &Path) -> Result<Self> {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.part(name, &content);
        Ok(self)
    }

    /// The names, targets and contents of everything below a folder.
    ///
    /// # Errors
    /// When anything below it cannot be read.
    pub fn folder(mut self, name: &str, folder: &Path) -> Result<Self> {
        let unreadable = || format!("cannot read {}", folder.display());
        let mut children: Vec<_> = fs::read_dir(folder)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .with_context(unreadable)?;
        children.sort_by_key(fs::DirEntry::file_name);
        for child in children {
            let path = child.path();
            let name = format!("{name}/{}", child.file_name().to_string_lossy());
            let kind = child.file_type().with_context(unreadable)?;
            self = if kind.is_dir() {
                self.folder(&name, &path)?
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).with_context(unreadable)?;
                self.text(&name, &target.to_string_lossy())
            } else {
                self.file(&name, &path)?
            };
        }
        Ok(self)
    }

    /// The hash's beginning, as it stands in names: twelve hexadecimal digits.
    #[must_use]
    pub fn short(&self) -> String {
        let digest = self.0.clone().finalize();
        let bytes = digest.iter().take(6);
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }

    /// Both lengths go in too, so that no two lists of parts are the same bytes.
    fn part(&mut self, name: &str, content: &[u8]) {
        for bytes in [name.as_bytes(), content] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
    }
}

/// A folder of entries.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The testbed's own: `$XDG_CACHE_HOME/svom-messaging/kind`, or below `~/.cache`.
    ///
    /// # Errors
    /// When there is no home, or the folder cannot be made.
    pub fn open() -> Result<Self> {
        Self::at(base()?.join("kind"))
    }

    /// One in a given folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn at(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// The folder that all entries are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The entry's folder. What is not there is made by `make`, in an empty folder that it is given.
    ///
    /// # Errors
    /// When `make` fails, or the cache cannot be written.
    pub fn entry(
        &self,
        name: &str,
        key: &Key,
        progress: &Progress,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let whole = self.folder.join(format!("{name}-{}", key.short()));
        let lock = self.lock(&whole, progress)?;
        if !whole.exists() {
            let partial = with_suffix(&whole, ".partial");
            remove_all(&partial)?;
            fs::create_dir(&partial)
                .with_context(|| format!("cannot make {}", partial.display()))?;
            make(&partial)?;
            keep(&partial, &whole)?;
            self.remove_unused(name)?;
        }
        let unwritable = || format!("cannot write the lock of {}", whole.display());
        lock.set_modified(SystemTime::now())
            .with_context(unwritable)?;
        Ok(whole)
    }

    /// The entry's folder, where it is there.
    pub fn found(&self, name: &str, key: &Key) -> Option<PathBuf> {
        let whole = self.folder.join(format!("{name}-{}", key.short()));
        whole.exists().then_some(whole)
    }

    /// Waits until no other run makes the entry. The lock file's time tells when it was last used.
    fn lock(&self, whole: &Path, progress: &Progress) -> Result<File> {
        let path = with_suffix(whole, ".lock");
        let unwritable = || format!("cannot lock {}", path.display());
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(unwritable)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            progress.say(&format!("another run makes {}; waiting", whole.display()));
            flock(&lock, FlockOperation::LockExclusive).with_context(unwritable)?;
        }
        Ok(lock)
    }

    fn remove_unused(&self, name: &str) -> Result<()> {
        let unreadable = || format!("cannot read {}", self.folder.display());
        for child in fs::read_dir(&self.folder).with_context(unreadable)? {
            let path = child.with_context(unreadable)?.path();
            let Some(whole) = path.to_str().and_then(|path| path.strip_suffix(".lock")) else {
                continue;
            };
            let whole = Path::new(whole);
            if !is_entry_of(name, whole) || !whole.exists() {
                continue;
            }
            let modified = path.metadata().and_then(|found| found.modified());
            let unused =
                modified.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > KEPT_UNUSED));
            let Ok(lock) = File::open(&path) else {
                continue;
            };
            if unused && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                remove_all(whole)?;
            }
        }
        Ok(())
    }
}

/// `$XDG_CACHE_HOME/svom-messaging`, or below `~/.cache`.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn base() -> Result<PathBuf> {
    let given = |name| {
        let value = env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let cache = given("XDG_CACHE_HOME").or_else(|| given("HOME").map(|home| home.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME is set: set one of them")?;
    Ok(cache.join("svom-messaging"))
}

/// Removes a file or a folder with everything in it; what is not there is no error.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_all(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Everything is on the disk before the name says that it is whole.
fn keep(partial: &Path, whole: &Path) -> Result<()> {
    let unkept = || format!("cannot keep {}", whole.display());
    let folder = File::open(partial).with_context(unkept)?;
    rustix::fs::syncfs(&folder).with_context(unkept)?;
    fs::rename(partial, whole).with_context(unkept)
}

/// Whether a path is `NAME-` and twelve hexadecimal digits, and not an entry of a longer name.
fn is_entry_of(name: &str, path: &Path) -> bool {
    let file = path.file_name().and_then(|file| file.to_str());
    let key = file
        .and_then(|file| file.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix('-'));
    key.is_some_and(|key| key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use anyhow::bail;

    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("kind")).unwrap();
        (folder, cache)
    }

    #[test]
    fn an_entry_is_made_once_and_again_for_another_key() {
        let (_folder, cache) = cache();
        let made = AtomicU32::new(0);
        let entry = |version: &str| {
            let key = Key::new().text("version", version);
            let make = |folder: &Path| {
                made.fetch_add(1, Ordering::SeqCst);
                Ok(fs::write(folder.join("version"), version)?)
            };
            cache
                .entry("thing", &key, &Progress::quiet(), make)
                .unwrap()
        };
        let (first, again, other) = (entry("1"), entry("1"), entry("2"));
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(made.load(Ordering::SeqCst), 2);
        assert_eq!(fs::read_to_string(other.join("version")).unwrap(), "2");
    }

    #[test]
    fn what_failed_or_was_interrupted_is_begun_anew() {
        let (_folder, cache) = cache();
        let (key, quiet) = (Key::new(), Progress::quiet());
        let failed = cache.entry("thing", &key, &quiet, |folder| {
            fs::write(folder.join("half"), "")?;
            bail!("the network is down")
        });
        assert_eq!(failed.unwrap_err().to_string(), "the network is down");
        let made = cache.entry("thing", &key, &quiet, |folder| {
            assert!(!folder.join("half").exists());
            Ok(fs::write(folder.join("whole"), "")?)
        });
        assert!(made.unwrap().join("whole").exists());
    }

    #[test]
    fn two_runs_at_once_make_one() {
        let (_folder, cache) = cache();
        let made = AtomicU32::new(0);
        let run = || {
            let make = |_: &Path| {
                made.fetch_add(1, Ordering::SeqCst);
                thread::yield_now();
                Ok(())
            };
            cache.entry("thing", &Key::new(), &Progress::quiet(), make)
        };
        thread::scope(|scope| {
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
            for run in runs {
                run.join().unwrap().unwrap();
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_nobody_used_for_long_is_removed_and_only_that() {
        let (_folder, cache) = cache();
        let entry = |name: &str, key: &str| {
            let key = Key::new().text("", key);
            cache
                .entry(name, &key, &Progress::quiet(), |_| Ok(()))
                .unwrap()
        };
        let (old, used, longer) = (entry("a", "1"), entry("a", "2"), entry("a-b", "1"));
        for whole in [&old, &longer] {
            let lock = File::options()
                .write(true)
                .open(with_suffix(whole, ".lock"));
            let long_ago = SystemTime::now() - 2 * KEPT_UNUSED;
            lock.unwrap().set_modified(long_ago).unwrap();
        }
        entry("a", "3");
        assert_eq!(
            [&old, &used, &longer].map(|path| path.exists()),
            [false, true, true]
        );
    }

    #[test]
    fn a_key_tells_apart_names_contents_and_where_one_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = |content| {
            fs::write(folder.path().join("a"), content).unwrap();
            Key::new().folder("f", folder.path()).unwrap().short()
        };
        let keys = [
            Key::new().short(),
            Key::new().text("a", "bc").short(),
            Key::new().text("ab", "c").short(),
            Key::new().text("a", "b").text("c", "").short(),
            Key::new().text("c", "").text("a", "b").short(),
            file("1"),
            file("2"),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(file("2"), file("2"));
    }
}
