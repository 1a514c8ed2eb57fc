//! The nats-server program: finds it, checks its version, or has it built.
//!
//! In: where to look. Out: the path of a nats-server of a supported version, or one message that
//! says what to do. Looked for, in this order: the path that was given, PATH, the cache; where none
//! is found, Go's own client builds the pinned version of the official module into the cache. It
//! never downloads a program and never runs one that did not say its version.

mod build;
mod cache;
mod version;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

pub use build::BuildError;
pub use version::{Version, VersionError};

/// The version that is built, and the oldest that is used.
pub const PINNED: Version = Version {
    major: 2,
    minor: 15,
    patch: 1,
};

/// The Go release line that builds it.
pub const GO: &str = "1.26";

/// Where to look for a nats-server.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// A path that a person gave: this one or none.
    pub explicit: Option<PathBuf>,
    /// The value of PATH.
    pub path: Option<OsString>,
    /// Folder for what is built.
    pub cache: Option<PathBuf>,
}

impl Places {
    /// PATH and the user's cache folder, as the environment names them.
    pub fn from_environment(explicit: Option<PathBuf>) -> Self {
        Self {
            explicit,
            path: env::var_os("PATH"),
            cache: cache::folder(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")),
        }
    }
}

/// How a nats-server was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person named it.
    Explicit,
    /// It is on PATH.
    Path,
    /// It was built before.
    Cache,
    /// It was built now.
    Built,
}

/// A nats-server of a supported version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsServer {
    /// Absolute path of the program.
    pub path: PathBuf,
    /// What it says its version is.
    pub version: Version,
    /// How it was come by.
    pub origin: Origin,
}

/// What is told while a nats-server is looked for and built. Its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A nats-server on PATH cannot be used.
    PassedOver(VersionError),
    /// Another process builds it; its result is waited for.
    Waiting {
        /// How long so far.
        elapsed: Duration,
    },
    /// Go's client is at work.
    Building {
        /// Modules that were downloaded.
        modules: usize,
        /// Packages that were compiled.
        packages: usize,
        /// How long so far.
        elapsed: Duration,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PassedOver(why) => write!(f, "passed over the nats-server on PATH: {why}"),
            Self::Waiting { elapsed } => write!(
                f,
                "another process is building nats-server {PINNED}; waiting, {} s so far",
                elapsed.as_secs()
            ),
            Self::Building {
                modules,
                packages,
                elapsed,
            } => write!(
                f,
                "building nats-server {PINNED} with Go (once; about a minute): \
                 {modules} modules downloaded, {packages} packages compiled, {} s so far",
                elapsed.as_secs()
            ),
        }
    }
}

/// Why there is no nats-server to run.
#[derive(Debug, Error)]
pub enum FindError {
    /// The one that was named cannot be used.
    #[error("{0}. Name another with --nats-server, or leave the option out")]
    Explicit(VersionError),
    /// None was found and none could be built.
    #[error(
        "no nats-server is on PATH, and none could be built. Install nats-server {PINNED}, or Go {GO} \
         which builds it, or mend this: {0}"
    )]
    Build(#[from] BuildError),
}

/// Finds a nats-server of a supported version, or builds one. `progress` is called as things happen
/// and, while a build runs, every second.
pub async fn find(
    places: &Places,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<NatsServer, FindError> {
    if let Some(path) = &places.explicit {
        return check(path, Origin::Explicit)
            .await
            .map_err(FindError::Explicit);
    }
    if let Some(path) = on_path(places, "nats-server") {
        match check(&path, Origin::Path).await {
            Ok(found) => return Ok(found),
            Err(why) => progress(Progress::PassedOver(why)),
        }
    }
    let cache = places.cache.as_deref().ok_or(BuildError::NoCache)?;
    if let Some(found) = cached(cache).await {
        return Ok(found);
    }
    Ok(build::build(cache, on_path(places, "go"), progress).await?)
}

/// The nats-server that was built before, if it is there and whole.
async fn cached(cache: &Path) -> Option<NatsServer> {
    let path = cache::program(cache);
    let found = check(&path, Origin::Cache).await.ok()?;
    (found.version == PINNED).then_some(found)
}

async fn check(path: &Path, origin: Origin) -> Result<NatsServer, VersionError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let version = version::ask(&path).await?;
    Ok(NatsServer {
        path,
        version,
        origin,
    })
}

/// The first file of that name in the folders of PATH. Whether it can be run shows when it is run.
/// Relative folders are left out: what a PATH of `.` finds depends on where one stands.
fn on_path(places: &Places, name: &str) -> Option<PathBuf> {
    env::split_paths(places.path.as_ref()?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests;
