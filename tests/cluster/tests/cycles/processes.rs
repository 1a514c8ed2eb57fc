//! The machine's processes, and the namespaces that they are in.
//!
//! In: `/proc`. Out: which processes are new and a cluster's of this program: they name one in their
//! words or environment, or are in namespaces that were not there before. Somebody else's are those
//! whose line of parents passes through a process that was there before and is none of ours, or that
//! belongs to another cluster; what one of ours leaves behind has no parent but the first process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Those of one moment.
#[derive(Debug)]
pub struct Processes(BTreeMap<i32, Process>);

#[derive(Debug)]
struct Process {
    parent: i32,
    started: String,
    name: String,
    namespaces: BTreeSet<String>,
    /// The folder of the cluster that it belongs to.
    cluster: Option<String>,
    /// Whether its words or its environment name a cluster of this program.
    names_ours: bool,
}

impl Processes {
    /// Looks.
    pub fn look() -> Self {
        let children = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = children.filter_map(|child| child.file_name().to_str()?.parse().ok());
        Self(
            ids.filter_map(|id| Some((id, Process::look(id)?)))
                .collect(),
        )
    }

    /// The processes that are somebody else's.
    pub fn of_others(&self, before: &Self) -> BTreeSet<i32> {
        let ours = self.parents(i32::try_from(std::process::id()).unwrap_or_default());
        let theirs = |id: &i32| {
            let line = self.parents(*id);
            line.iter().any(|above| {
                let was_there = before.has(*above, self) && *above != 1;
                let cluster = self
                    .0
                    .get(above)
                    .and_then(|process| process.cluster.as_ref());
                was_there && !ours.contains(above) || cluster.is_some_and(|folder| !is_ours(folder))
            })
        };
        self.0.keys().copied().filter(theirs).collect()
    }

    /// What is new and nobody else's: processes, and the namespaces that they are in.
    pub fn beyond(&self, before: &Self, strangers: &BTreeSet<i32>) -> Vec<String> {
        let this = i32::try_from(std::process::id()).unwrap_or_default();
        let known: BTreeSet<_> = before
            .0
            .values()
            .flat_map(|process| &process.namespaces)
            .collect();
        let mut left = Vec::new();
        for (id, process) in &self.0 {
            if *id == this || strangers.contains(id) || before.has(*id, self) {
                continue;
            }
            let mut new: Vec<_> = process.namespaces.iter().collect();
            new.retain(|namespace| !known.contains(namespace));
            if process.names_ours || !new.is_empty() {
                left.push(format!("process {id} {} in {new:?}", process.name));
            }
        }
        left
    }

    /// Whether this process of `now` was there.
    fn has(&self, id: i32, now: &Self) -> bool {
        let started = |processes: &Self| processes.0.get(&id).map(|one| one.started.clone());
        self.0.contains_key(&id) && started(self) == started(now)
    }

    /// A process, its parent, and so on up to the first.
    fn parents(&self, id: i32) -> Vec<i32> {
        let mut line = vec![id];
        let mut current = id;
        while let Some(process) = self.0.get(&current).filter(|process| process.parent != 0) {
            current = process.parent;
            line.push(current);
        }
        line
    }
}

/// What the names of all clusters of this program begin with.
pub fn our_prefix() -> String {
    format!("cycles-{}", std::process::id())
}

/// Whether a cluster, by its name or folder, was made by this program.
pub fn is_ours(cluster: &str) -> bool {
    let name = cluster.rsplit('/').next();
    name.is_some_and(|name| name.starts_with(&our_prefix()))
}

impl Process {
    fn look(id: i32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (before_name, after_name) = line.rsplit_once(')')?;
        let fields: Vec<_> = after_name.split_whitespace().collect();
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let prefix = our_prefix();
        let names_ours = [&environment, &words]
            .iter()
            .any(|text| String::from_utf8_lossy(text).contains(&prefix));
        let mut variables = environment.split(|byte| *byte == 0);
        let links = fs::read_dir(format!("/proc/{id}/ns"))
            .into_iter()
            .flatten()
            .flatten();
        let namespaces = links.filter_map(|link| fs::read_link(link.path()).ok());
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            started: (*fields.get(19)?).to_owned(),
            name: before_name.split_once('(')?.1.to_owned(),
            namespaces: namespaces.map(|path| path.display().to_string()).collect(),
            names_ours,
            cluster: variables.find_map(|variable| {
                let folder = variable.strip_prefix(b"SVOM_CLUSTER_FOLDER=")?;
                Some(String::from_utf8_lossy(folder).into_owned())
            }),
        })
    }
}
