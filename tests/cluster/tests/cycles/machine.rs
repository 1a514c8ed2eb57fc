//! The machine, as far as a cluster could leave something on it.
//!
//! In: the machine at two moments. Out: what is there at the second and was not at the first. What
//! can be seen to belong to somebody else is left out: to a process that was there before and is
//! none of ours, or to another cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use svom_cluster::command;
use svom_cluster::engine::Packages;
use svom_cluster::kind::state::{Folder, names};
use svom_cluster::loops;

use crate::processes::{Processes, is_ours};

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// The one file among the kernel's settings that can be written and counts by itself.
const COUNTER: &str = "/proc/sys/kernel/ns_last_pid";

/// What is raised while there are clusters, whosever they are.
const RAISED: [&str; 2] = [
    "/proc/sys/fs/inotify/max_user_instances",
    "/proc/sys/user/max_inotify_instances",
];

/// Folders in which programs leave things that nobody removes.
const FOLDERS: [&str; 6] = [
    "/etc",
    "/opt",
    "/run",
    "/var/lib",
    "/usr/lib",
    "/usr/local/bin",
];

/// What there is at one moment, by kind.
#[derive(Debug)]
pub struct Machine {
    processes: Processes,
    /// Whether there is another cluster.
    is_shared: bool,
    kinds: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Machine {
    /// Looks.
    pub fn look(packages: &Packages) -> Result<Self> {
        let kinds = [
            ("mount", mounts()?),
            ("control group", control_groups()),
            ("loop device", loop_devices()?),
            ("interface", names_in("/sys/class/net")),
            ("firewall rule", firewall_rules(packages)?),
            ("kernel setting", kernel_settings()),
            ("file", FOLDERS.into_iter().flat_map(names_in).collect()),
        ];
        Ok(Self {
            processes: Processes::look(),
            is_shared: names()?.iter().any(|name| !is_ours(name)),
            kinds: kinds.into(),
        })
    }

    /// What is here and was not there before, one line each.
    pub fn beyond(&self, before: &Self) -> Vec<String> {
        let strangers = self.processes.of_others(&before.processes);
        let theirs = control_groups_of(&strangers);
        let is_shared = self.is_shared || before.is_shared;
        let raised = |thing: &str| RAISED.iter().any(|path| thing.starts_with(path));
        let mut left = self.processes.beyond(&before.processes, &strangers);
        for (kind, things) in &self.kinds {
            let was = before.kinds.get(kind);
            let new = things
                .iter()
                .filter(|thing| was.is_none_or(|was| !was.contains(*thing)));
            left.extend(
                new.filter(|thing| *kind != "control group" || !is_within(thing, &theirs))
                    .filter(|thing| !(is_shared && raised(thing.as_str())))
                    .map(|thing| format!("{kind} {thing}")),
            );
        }
        left
    }
}

/// Where, of what, and its kind; not their numbers, which change when one is remounted.
fn mounts() -> Result<BTreeSet<String>> {
    let path = "/proc/self/mountinfo";
    let table = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let place = left.split(' ').nth(4)?;
        let mut right = right.split(' ');
        Some(format!("{place} ({}, {})", right.next()?, right.next()?))
    };
    Ok(table.lines().filter_map(line).collect())
}

fn control_groups() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if child.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.insert(child.path().display().to_string());
                folders.push(child.path());
            }
        }
    }
    found
}

/// The topmost groups that these processes are in: `/svom-kind-...`.
fn control_groups_of(processes: &BTreeSet<i32>) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    for process in processes {
        let lines = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
        let paths = lines.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        groups.extend(
            paths
                .filter_map(|path| path.split('/').nth(1))
                .filter(|group| !group.is_empty())
                .map(|group| format!("/{group}")),
        );
    }
    groups
}

fn is_within(path: &str, groups: &BTreeSet<String>) -> bool {
    let mut groups = groups.iter();
    groups.any(|group| path.ends_with(group.as_str()) || path.contains(&format!("{group}/")))
}

/// Those that are no other cluster's, and to what those that are in use are attached.
fn loop_devices() -> Result<BTreeSet<String>> {
    let mut theirs = BTreeSet::new();
    for name in names()? {
        let folder = Folder::of(&name)?;
        if !is_ours(&name) {
            theirs.extend(loops::attached_in(folder.path())?);
        }
    }
    let mut devices = BTreeSet::new();
    for device in names_in("/sys/block") {
        let Some(name) = device
            .rsplit('/')
            .next()
            .filter(|name| name.starts_with("loop"))
        else {
            continue;
        };
        if theirs.contains(&format!("/dev/{name}")) {
            continue;
        }
        let file = fs::read_to_string(Path::new(&device).join("loop/backing_file"));
        let file = file.as_deref().map_or("nothing", str::trim_end);
        devices.insert(format!("{name} of {file}"));
    }
    Ok(devices)
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let children = fs::read_dir(folder).into_iter().flatten().flatten();
    children
        .map(|child| child.path().display().to_string())
        .collect()
}

/// Of both of the kernel's interfaces.
fn firewall_rules(packages: &Packages) -> Result<BTreeSet<String>> {
    let mut nft = Command::new("nft");
    packages.expose(&mut nft, Path::new("/nonexistent"));
    let rules = command::output(nft.args(["list", "ruleset"]), ANSWERS_WITHIN)?;
    let mut rules: BTreeSet<_> = rules.lines().map(str::to_owned).collect();
    for table in ["ip_tables_names", "ip6_tables_names", "arp_tables_names"] {
        let names = fs::read_to_string(Path::new("/proc/net").join(table)).unwrap_or_default();
        rules.extend(names.lines().map(|name| format!("{table}: {name}")));
    }
    Ok(rules)
}

/// What can be written is a setting, what can only be read is a count.
fn kernel_settings() -> BTreeSet<String> {
    let mut settings = BTreeSet::new();
    let mut folders = vec![PathBuf::from("/proc/sys"), PathBuf::from("/sys/module")];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = child.path();
            match child.metadata() {
                Ok(found) if found.is_dir() => folders.push(path),
                Ok(found) if found.is_file() && found.permissions().mode() & 0o200 != 0 => {
                    let is_setting =
                        path.starts_with("/proc/sys") || folder.ends_with("parameters");
                    if is_setting && path != Path::new(COUNTER) {
                        settings.extend(setting(&path));
                    }
                }
                _ => {}
            }
        }
    }
    let hierarchies = names_in("/sys/fs/cgroup").into_iter().map(PathBuf::from);
    let hierarchies = hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]);
    settings.extend(hierarchies.filter_map(|at| setting(&at.join("cgroup.subtree_control"))));
    settings
}

fn setting(path: &Path) -> Option<String> {
    let value = fs::read(path).ok()?;
    let value = String::from_utf8_lossy(&value);
    Some(format!("{} = {}", path.display(), value.trim_end()))
}
