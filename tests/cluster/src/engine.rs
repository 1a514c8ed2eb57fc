//! The container engine that a cluster's nodes run in.
//!
//! In: what the machine has. Out: commands that reach the engine, whether it is the machine's own or
//! a private one in namespaces of its own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cache::Cache;
use crate::command;
use crate::debian::{self, Dependencies};
use crate::progress::{Part, Progress};
use crate::versions::Versions;

mod cgroups;
pub mod choice;
mod packages;
mod private;
pub mod processes;
pub mod runc;
mod slot;

pub use packages::Packages;
pub use private::PrivateEngine;

const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// A container engine that answers.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: PathBuf,
    socket: Option<PathBuf>,
    /// A process in the engine's network, where that is not the machine's.
    first: Option<u32>,
    /// The folder of the cluster whose engine it is; commands are marked with it.
    cluster: Option<PathBuf>,
}

impl Engine {
    /// The one that the machine's own docker client reaches.
    pub fn of_machine() -> Self {
        Self {
            docker: PathBuf::from("docker"),
            socket: None,
            first: None,
            cluster: None,
        }
    }

    /// The same for the cluster in this folder: what it runs ends with the cluster.
    pub fn of_machine_for(cluster: &Path) -> Self {
        Self {
            cluster: Some(cluster.to_owned()),
            ..Self::of_machine()
        }
    }

    /// A docker command for this engine.
    pub fn docker<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut docker = Command::new(&self.docker);
        self.point(&mut docker);
        docker.args(arguments);
        docker
    }

    /// What a docker command prints, where it ends well.
    ///
    /// # Errors
    /// When it ends badly, with what it said, or does not end within a minute.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        command::output(&mut self.docker(arguments), ANSWERS_WITHIN)
    }

    /// What a program prints that runs in a node, where it ends well.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn in_node(&self, node: &str, program: &[&str]) -> Result<String> {
        self.run(["exec", node].iter().chain(program))
    }

    /// A command on the machine that sees the network as the engine does, with docker pointed to the
    /// engine and found by its name.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self.first {
            None => Command::new(program),
            Some(first) => {
                let mut nsenter = Command::new("nsenter");
                nsenter
                    .args(["--net", "--target", &first.to_string(), "--"])
                    .arg(program);
                nsenter
            }
        };
        self.point(&mut command);
        command
    }

    /// A command on the machine that sees processes and mounts as the engine does: by the ids that it
    /// gives them.
    pub fn among_its_processes(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self.first {
            None => Command::new(program),
            Some(first) => {
                let namespace = |kind: &str| format!("/proc/{first}/ns/{kind}");
                let mut nsenter = Command::new("nsenter");
                nsenter
                    .arg(format!("--mount={}", namespace("mnt")))
                    // The first process is not among them: those that it starts are.
                    .arg(format!("--pid={}", namespace("pid_for_children")))
                    .arg("--")
                    .arg(program);
                nsenter
            }
        };
        self.point(&mut command);
        command
    }

    /// The first process of a private engine: it is in the engine's network, and ends with it.
    pub fn first_process(&self) -> Option<u32> {
        self.first
    }

    /// Makes an image of a `docker save` archive known to the engine; what it knows is not loaded again.
    ///
    /// # Errors
    /// When the engine cannot read the archive, or it is of another image.
    pub fn load(&self, image: &str, archive: &Path, part: &Part) -> Result<()> {
        let is_known = || {
            self.run(["image", "inspect", "--format={{.Id}}", image])
                .is_ok()
        };
        if is_known() {
            return Ok(());
        }
        part.note(&format!("loading {image} into the container engine"));
        let mut load = self.docker(["load", "--quiet", "--input"]);
        part.run(load.arg(archive))?;
        ensure!(
            is_known(),
            "{} holds no image {image}: remove it, so that it is made again",
            archive.display()
        );
        Ok(())
    }

    /// Removes the other images of the same repository, which nobody will want again. For an engine of
    /// a cluster's own: another cluster of the machine's may be about to use one.
    ///
    /// # Errors
    /// When the engine does not answer, or an image is in use.
    pub fn remove_others_than(&self, image: &str) -> Result<()> {
        let wanted = self.run(["image", "inspect", "--format={{.Id}}", image])?;
        let (repository, _) = image.rsplit_once(':').unwrap_or((image, ""));
        // docker lists by the name that it shows, which leaves this out.
        let repository = repository.trim_start_matches("docker.io/library/");
        let all = self.run(["image", "ls", "--no-trunc", "--quiet", repository])?;
        for other in all.lines().filter(|id| id.trim() != wanted.trim()) {
            self.run(["image", "rm", other])?;
        }
        Ok(())
    }

    fn point(&self, command: &mut Command) {
        if let Some(cluster) = &self.cluster {
            processes::mark(command, cluster);
        }
        let (Some(socket), Some(folder)) = (&self.socket, self.docker.parent()) else {
            return;
        };
        let mut host = OsString::from("unix://");
        host.push(socket);
        command.env("DOCKER_HOST", host);
        command.env_remove("DOCKER_CONTEXT");
        // Nothing outside can be reached from there, a proxy neither.
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env_remove(proxy);
        }
        command.env("PATH", path_with(&[folder]));
    }
}

/// The programs of a private engine.
///
/// # Errors
/// When their packages cannot be fetched or verified.
pub fn packages(cache: &Cache, versions: &Versions, progress: &Progress) -> Result<Packages> {
    let names: Vec<_> = versions
        .engine
        .packages
        .iter()
        .map(String::as_str)
        .collect();
    debian::extracted(cache, &names, Dependencies::Missing, progress).map(Packages::at)
}

/// The machine's search path with folders before it.
fn path_with(folders: &[&Path]) -> OsString {
    let mut path = OsString::new();
    for folder in folders {
        path.push(folder);
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// Whether a docker client is there and an engine answers it: its version, or why not.
///
/// # Errors
/// When there is no client, or no answer.
pub fn machine_answers() -> Result<String> {
    let mut version = Engine::of_machine().docker(["version", "--format={{.Server.Version}}"]);
    let version = command::output(&mut version, ANSWERS_WITHIN)
        .context("no container engine answers the machine's docker client")?;
    Ok(version.trim().to_owned())
}
