//! What a program says its version is, and whether that version is supported.
//!
//! In: a path. Out: the version, or in words why the program cannot be used. The program runs once,
//! as `PROGRAM --version`, for a few seconds at most, and little of what it prints is read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::PINNED;

/// A nats-server answers within milliseconds; a machine under heavy load may take a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a nats-server prints is one short line.
const MOST_OUTPUT: u64 = 4096;

/// A released version of nats-server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Why a program is not a nats-server that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VersionError {
    /// It is not there.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// It cannot be run.
    #[error("{} cannot be run ({why})", .path.display())]
    NotRun {
        /// The program.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// It did not come to an end.
    #[error("{} is not a nats-server: `--version` did not come to an end within {} s", .0.display(), PATIENCE.as_secs())]
    Hangs(PathBuf),
    /// It failed.
    #[error("{} is not a nats-server: `--version` ended with {status}", .path.display())]
    Failed {
        /// The program.
        path: PathBuf,
        /// How it ended.
        status: String,
    },
    /// It printed something else than a released version.
    #[error("{} is not a released nats-server: `--version` printed {printed:?}", .path.display())]
    Other {
        /// The program.
        path: PathBuf,
        /// The first line of what it printed, shortened.
        printed: String,
    },
    /// Its version is not supported.
    #[error("{} is nats-server {version}, which is too {}: {}.{}.x from {PINNED} on is supported", .path.display(), if *.version < PINNED { "old" } else { "new" }, PINNED.major, PINNED.minor)]
    Unsupported {
        /// The program.
        path: PathBuf,
        /// Its version.
        version: Version,
    },
}

/// Asks a program for its version.
pub async fn ask(path: &Path) -> Result<Version, VersionError> {
    let printed = run(path).await?;
    let line = printed.lines().next().unwrap_or_default().trim_end();
    let version = parse(line).ok_or_else(|| VersionError::Other {
        path: path.to_owned(),
        printed: line.chars().take(80).collect(),
    })?;
    if supported(version) {
        Ok(version)
    } else {
        Err(VersionError::Unsupported {
            path: path.to_owned(),
            version,
        })
    }
}

/// The same minor as the pinned version, and not older: what the design was measured on.
fn supported(version: Version) -> bool {
    (version.major, version.minor) == (PINNED.major, PINNED.minor) && version >= PINNED
}

/// Reads `nats-server: v2.15.1`. A version with anything behind its numbers is not a release.
fn parse(line: &str) -> Option<Version> {
    let numbers = line.strip_prefix("nats-server: v")?;
    let mut parts = numbers.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let version = Version {
        major: parts.next()??,
        minor: parts.next()??,
        patch: parts.next()??,
    };
    parts.next().is_none().then_some(version)
}

async fn run(path: &Path) -> Result<String, VersionError> {
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, so that what a script started can be ended with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|why| not_run(path, &why))?;
    let group = child.id();
    let outcome = timeout(PATIENCE, output(&mut child)).await;
    if !matches!(outcome, Ok(Ok(_))) {
        end(group);
    }
    let (printed, status) = outcome
        .map_err(|_| VersionError::Hangs(path.to_owned()))?
        .map_err(|why| not_run(path, &why))?;
    if status.success() {
        Ok(printed)
    } else {
        Err(VersionError::Failed {
            path: path.to_owned(),
            status: status.to_string(),
        })
    }
}

async fn output(child: &mut Child) -> io::Result<(String, std::process::ExitStatus)> {
    let mut printed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // The pipe closes behind this, so that a program that prints without end does end.
        stdout.take(MOST_OUTPUT).read_to_end(&mut printed).await?;
    }
    let status = child.wait().await?;
    Ok((String::from_utf8_lossy(&printed).into_owned(), status))
}

/// Ends the group of a program that was not waited for; while it was not, its id is not used again.
fn end(group: Option<u32>) {
    let pid = group.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // Its only failure is that the group is gone already.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn not_run(path: &Path, why: &io::Error) -> VersionError {
    match why.kind() {
        io::ErrorKind::NotFound if !path.exists() => VersionError::Missing(path.to_owned()),
        _ => VersionError::NotRun {
            path: path.to_owned(),
            why: match why.kind() {
                io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
                io::ErrorKind::NotFound => "the interpreter that it names is missing".to_owned(),
                _ => why.to_string(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_released_versions_are_read() {
        let version = |major, minor, patch| {
            Some(Version {
                major,
                minor,
                patch,
            })
        };
        let cases = [
            ("nats-server: v2.15.1", version(2, 15, 1)),
            ("nats-server: v2.15.12", version(2, 15, 12)),
            ("nats-server: v10.0.0", version(10, 0, 0)),
            ("nats-server: v2.15.1-RC.1", None),
            ("nats-server: v2.15", None),
            ("nats-server: v2.15.1.4", None),
            ("nats-server: v2.15.+1", None),
            ("nats-server: 2.15.1", None),
            ("gnatsd: v2.15.1", None),
            ("nats-server: v2.15.99999999999", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn one_minor_is_supported() {
        let cases = [
            ("2.15.0", false),
            ("2.15.1", true),
            ("2.15.7", true),
            ("2.14.9", false),
            ("2.16.0", false),
            ("3.15.1", false),
        ];
        for (text, expected) in cases {
            let version = parse(&format!("nats-server: v{text}"));
            assert_eq!(version.map(supported), Some(expected), "{text}");
        }
    }
}
