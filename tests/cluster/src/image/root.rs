//! A node's system: a small Debian with systemd and the tools that Kubernetes calls.
//!
//! In: a suite and packages. Out: a folder as it comes from Debian, less what a node never needs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{check_root, contained, path_with};
use crate::cache::{Cache, Key, remove_all};
use crate::debian::{self, Dependencies};
use crate::progress::{Part, Progress};
use crate::versions::Node;

/// What makes the system, and the keys that its packages are verified with.
const MAKERS: [&str; 4] = ["debian-archive-keyring", "debootstrap", "gpgv", "wget"];

/// Emptied: caches, documentation, what belongs to a running system, what systemd would set for the
/// whole machine, and what it would start and a container does without (as in kind's own image).
const EMPTIED: [&str; 17] = [
    "etc/systemd/system/getty.target.wants",
    "etc/systemd/system/multi-user.target.wants",
    "etc/systemd/system/sysinit.target.wants",
    "etc/systemd/system/timers.target.wants",
    "proc",
    "run",
    "sys",
    "tmp",
    "usr/lib/sysctl.d",
    "usr/lib/systemd/system/local-fs.target.wants",
    "usr/lib/systemd/system/multi-user.target.wants",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/cache",
    "var/lib/apt/lists",
    "var/log",
];

/// Removed: what the machine that built it is called and asks for names, and single things that
/// systemd would start.
const REMOVED: [&str; 6] = [
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "usr/lib/systemd/system/sockets.target.wants/systemd-initctl.socket",
    "usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    "usr/lib/systemd/system/sysinit.target.wants/systemd-binfmt.service",
];

/// The folder of the system, with its network plugins where containerd looks for them. Its files have owners, so only root can make it.
///
/// # Errors
/// When this is not run by root, or a package cannot be fetched, verified or set up.
pub fn root(cache: &Cache, node: &Node, progress: &Progress) -> Result<PathBuf> {
    let Node { suite, packages } = node;
    let key = Key::new()
        .text("suite", suite)
        .text("packages", &packages.join(" "))
        .text("architecture", env::consts::ARCH)
        .text("made by", include_str!("root.rs"));
    let made = cache.entry("node-root", &key, progress, |folder| {
        check_root()?;
        let makers = debian::extracted(cache, &MAKERS, Dependencies::Missing, progress)?;
        progress.part(&format!("Debian {suite} for the nodes"), |part| {
            let root = folder.join("root");
            part.run(&mut debootstrap(&makers, node, &root))?;
            clean(&root, part)
        })
    })?;
    Ok(made.join("root"))
}

/// From the mirror that debootstrap itself has for the suite; signatures are checked wherever that is.
fn debootstrap(makers: &Path, node: &Node, root: &Path) -> Command {
    let keys = makers.join("usr/share/keyrings/debian-archive-keyring.gpg");
    let libraries = makers
        .join("usr/lib")
        .join(format!("{}-linux-gnu", env::consts::ARCH));
    let mut debootstrap = contained(&makers.join("usr/sbin/debootstrap"));
    debootstrap
        .env("DEBOOTSTRAP_DIR", makers.join("usr/share/debootstrap"))
        .env("LD_LIBRARY_PATH", libraries)
        .env("PATH", path_with(&makers.join("usr/bin")))
        .env("LC_ALL", "C")
        .arg("--variant=minbase")
        .arg("--force-check-gpg")
        .arg("--keyring")
        .arg(keys)
        .arg(format!("--include={}", node.packages.join(",")))
        .arg(&node.suite)
        .arg(root);
    debootstrap
}

fn clean(root: &Path, part: &Part) -> Result<()> {
    part.note("removing what a node never needs");
    for folder in EMPTIED {
        let folder = root.join(folder);
        let unreadable = || format!("cannot read {}", folder.display());
        for child in fs::read_dir(&folder).with_context(unreadable)? {
            remove_all(&child.with_context(unreadable)?.path())?;
        }
    }
    for file in REMOVED {
        remove_all(&root.join(file))?;
    }
    let plugins = root.join("opt/cni");
    fs::create_dir_all(&plugins)
        .and_then(|()| fs::rename(root.join("usr/lib/cni"), plugins.join("bin")))
        .with_context(|| format!("cannot make {}", plugins.display()))
}
