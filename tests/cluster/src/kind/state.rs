//! What is kept of a cluster outside of it: a folder for each.
//!
//! In: a cluster's name. Out: where its kubeconfig, audit log and volumes lie, and how it was made.
//! The folder is there before anything is started, and goes last: as long as it is there, something
//! of the cluster may be, whatever became of the run that made it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::cache::{base, remove_all};
use crate::lock::Lock;
use crate::process::Process;
use crate::progress::Progress;

/// Names become those of containers and hosts.
const LONGEST_NAME: usize = 40;

/// What runs the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunsIn {
    /// The machine's own container engine.
    MachineEngine,
    /// A private engine.
    PrivateEngine,
}

/// Where the nodes' image comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// Pulled from a registry, under this name. It brings its own pod network.
    Public(String),
    /// Built here, under this name.
    Built(String),
}

impl Image {
    /// Its name.
    pub fn reference(&self) -> &str {
        let (Self::Public(reference) | Self::Built(reference)) = self;
        reference
    }

    /// Whether pods get a network from what is in it. kind's own brings one.
    pub fn has_network(&self) -> bool {
        matches!(self, Self::Public(_))
    }
}

/// How a cluster was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What runs its nodes.
    pub runs_in: RunsIn,
    /// Its Kubernetes, as in `1.36.3`.
    pub kubernetes: String,
    /// Its nodes' image.
    pub image: Image,
    /// The folder of the kind and the kubectl that it was made with.
    pub programs: PathBuf,
    /// Whether the machine's engine had no network for kind's clusters before those made here.
    pub made_network: bool,
    /// The run whose end is the cluster's too.
    pub owner: Option<Process>,
    /// Whether it was seen with all nodes ready and its names served.
    pub ready: bool,
}

/// The folder of a cluster, whether it is there or not.
#[derive(Clone, Debug)]
pub struct Folder {
    name: String,
    path: PathBuf,
}

/// The folder of all clusters.
///
/// # Errors
/// When there is no home.
pub fn clusters() -> Result<PathBuf> {
    Ok(base()?.join("clusters"))
}

/// The clusters of which something may be there, by name.
///
/// # Errors
/// When their folder cannot be read.
pub fn names() -> Result<Vec<String>> {
    let folder = clusters()?;
    let children = match fs::read_dir(&folder) {
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        children => children.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let folders = children
        .flatten()
        .filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<_> = folders
        .filter_map(|child| child.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

impl Folder {
    /// That of the cluster of this name.
    ///
    /// # Errors
    /// When it can be no cluster's name.
    pub fn of(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let ends = [name.bytes().next(), name.bytes().last()];
        ensure!(
            name.bytes().all(allowed)
                && ends.iter().all(|end| end.is_some_and(|byte| byte != b'-'))
                && name.len() <= LONGEST_NAME,
            "{name:?} cannot be a cluster's name: write up to {LONGEST_NAME} small letters, digits \
             and, within, hyphens"
        );
        Ok(Self {
            name: name.to_owned(),
            path: clusters()?.join(name),
        })
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Holds off every other run that would make or remove the cluster.
    ///
    /// # Errors
    /// When the lock cannot be made.
    pub fn lock(&self, progress: &Progress) -> Result<Lock> {
        Lock::take(&self.path.with_extension("lock"), || {
            progress.say(&format!(
                "another run makes or removes {}; waiting",
                self.name
            ));
        })
    }

    /// The cluster's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// What kind is told.
    pub fn configuration(&self) -> PathBuf {
        self.path.join("kind.json")
    }

    /// The API server's audit policy is in it, and its log.
    pub fn audit(&self) -> PathBuf {
        self.path.join("audit")
    }

    /// The volumes of all nodes: a folder for each, and one that all share.
    pub fn volumes(&self) -> PathBuf {
        self.path.join("volumes")
    }

    /// How the cluster was made; nothing where nothing of it is there.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn state(&self) -> Result<Option<State>> {
        let path = self.state_file();
        match fs::read(&path) {
            Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(None),
            Err(problem) => Err(problem).with_context(|| format!("cannot read {}", path.display())),
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("{} is not in order", path.display())),
        }
    }

    /// Writes down how the cluster is made.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, state: &State) -> Result<()> {
        let path = self.state_file();
        let new = path.with_extension("new");
        let text = serde_json::to_vec_pretty(state)?;
        fs::create_dir_all(&self.path)
            .and_then(|()| fs::write(&new, text))
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes it.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        remove_all(&self.path)
    }

    fn state_file(&self) -> PathBuf {
        self.path.join("cluster.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_hosts_can_have() {
        for name in ["svom", "a", "gate-4711", "1-2"] {
            assert!(Folder::of(name).is_ok(), "{name}");
        }
        let long = "a".repeat(LONGEST_NAME + 1);
        for name in ["", "-a", "a-", "A", "a.b", "a/b", "..", "ä", &long] {
            assert!(Folder::of(name).is_err(), "{name}");
        }
    }
}
