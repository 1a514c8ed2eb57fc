//! Builds the pinned nats-server by Go's own client, from the official module.
//!
//! In: the cache folder and the path of `go`. Out: the program in the cache. Go fetches the modules
//! as it is set up on this machine (its proxy and its checksum database are left alone) and checks
//! each against the checksums that are compiled in here. The program appears in the cache by one
//! rename, after it said its version: a build that is interrupted, or two at once, leave nothing
//! half-done that anyone would run.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStderr, Command};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::version::{self, VersionError};
use super::{GO, NatsServer, Origin, Progress, cache, cached};

/// What Go is told to build; the checksums are in `go.sum`.
const MODULE: [(&str, &str); 3] = [
    ("go.mod", include_str!("module/go.mod")),
    ("go.sum", include_str!("module/go.sum")),
    ("tools.go", include_str!("module/tools.go")),
];
const PACKAGE: &str = "github.com/nats-io/nats-server/v2";
/// Folders of builds begin with this; what a dead build left is known by it.
const FOLDER: &str = "build-";
/// How many of the last lines that Go prints go into an error.
const LAST_LINES: usize = 12;

/// Why no nats-server was built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// There is no folder to build in.
    #[error("neither XDG_CACHE_HOME nor HOME names a folder to build it in")]
    NoCache,
    /// Go is missing.
    #[error("Go is not on PATH either")]
    NoGo,
    /// A file or folder could not be written.
    #[error("{} could not be written: {source}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Go could not be run.
    #[error("{} could not be run: {source}", .path.display())]
    Run {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Go failed.
    #[error(
        "`go build` ended with {status} (it needs Go {GO}, and the module proxy or a filled module cache); its last lines:\n{last}"
    )]
    Go {
        /// How it ended.
        status: String,
        /// What it printed last.
        last: String,
    },
    /// What was built is not what was wanted.
    #[error("what Go built cannot be used: {0}")]
    Result(#[from] VersionError),
}

/// Builds the program, unless another process does so meanwhile; then its result is taken.
pub async fn build(
    cache: &Path,
    go: Option<PathBuf>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<NatsServer, BuildError> {
    let go = go.ok_or(BuildError::NoGo)?;
    make_folder(cache)?;
    let lock = lock(cache, progress).await?;
    if let Some(found) = cached(cache).await {
        return Ok(found);
    }
    let folder = Folder::make(cache)?;
    let built = folder.0.join("nats-server");
    run_go(&go, &folder.0, &built, progress).await?;
    let version = version::ask(&built).await?;
    let path = cache::program(cache);
    persist(&built, &path).map_err(|source| written(&path, source))?;
    drop(lock);
    Ok(NatsServer {
        path,
        version,
        origin: Origin::Built,
    })
}

/// One build at a time; the system lifts the lock of a process that dies. The file stays: removing
/// it would let two processes lock two files of one name.
async fn lock(
    cache: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<File, BuildError> {
    let path = cache.join("build.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| written(&path, source))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                let elapsed = began.elapsed();
                progress(Progress::Waiting { elapsed });
                // The system tells nobody when a file's lock is let go, but who blocks on it.
                sleep(Duration::from_secs(1)).await;
            }
            Err(TryLockError::Error(source)) => return Err(written(&path, source)),
        }
    }
}

/// The folder of one build, removed with it.
struct Folder(PathBuf);

impl Folder {
    /// Makes the folder with the module in it, and removes those that dead builds left: under the
    /// lock no other is alive, and none is used twice, so that a compiler which outlived its build
    /// writes nowhere.
    fn make(cache: &Path) -> Result<Self, BuildError> {
        let entries = fs::read_dir(cache).map_err(|source| written(cache, source))?;
        let left = entries.flatten().map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            path.is_dir() && name.is_some_and(|name| name.starts_with(FOLDER))
        });
        for path in left {
            fs::remove_dir_all(&path).map_err(|source| written(&path, source))?;
        }
        let random = getrandom::u64().map_err(|why| written(cache, io::Error::other(why)))?;
        let path = cache.join(format!("{FOLDER}{random:016x}"));
        make_folder(&path)?;
        let folder = Self(path);
        for (name, text) in MODULE {
            let path = folder.0.join(name);
            fs::write(&path, text).map_err(|source| written(&path, source))?;
        }
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now, the next build removes.
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn run_go(
    go: &Path,
    folder: &Path,
    output: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), BuildError> {
    let run = |source| BuildError::Run {
        path: go.to_owned(),
        source,
    };
    // The same build whatever this user's own settings are; only where modules come from, and which
    // Go may be fetched to build them, is left to those.
    let mut child = Command::new(go)
        .args(["build", "-v", "-o"])
        .arg(output)
        .arg(PACKAGE)
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .env("GO111MODULE", "on")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-trimpath -mod=readonly -buildvcs=false")
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(run)?;
    let mut last = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let lines = BufReader::new(stderr).lines();
        last = follow(lines, progress).await.map_err(run)?;
    }
    let status = child.wait().await.map_err(run)?;
    if status.success() {
        return Ok(());
    }
    Err(BuildError::Go {
        status: status.to_string(),
        last: last.join("\n"),
    })
}

/// Counts what Go says that it downloads and compiles; hands back its last lines.
async fn follow(
    mut lines: Lines<BufReader<ChildStderr>>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> io::Result<Vec<String>> {
    let began = Instant::now();
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut modules, mut packages) = (0, 0);
    let mut last = Vec::new();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(last) };
                match line.strip_prefix("go: ") {
                    Some(rest) if rest.starts_with("downloading ") => modules += 1,
                    Some(_) => {}
                    None => packages += 1,
                }
                if last.len() == LAST_LINES {
                    last.remove(0);
                }
                last.push(line);
            }
            _ = ticks.tick() => progress(Progress::Building {
                modules,
                packages,
                elapsed: began.elapsed(),
            }),
        }
    }
}

/// Puts the program where it is looked for: whole or not at all, after a power cut too.
fn persist(built: &Path, path: &Path) -> io::Result<()> {
    File::open(built)?.sync_all()?;
    fs::rename(built, path)
}

fn make_folder(path: &Path) -> Result<(), BuildError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| written(path, source))
}

fn written(path: &Path, source: io::Error) -> BuildError {
    BuildError::Write {
        path: path.to_owned(),
        source,
    }
}
