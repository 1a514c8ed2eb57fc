//! The programs of a private engine, from Debian's packages.
//!
//! In: the unpacked packages. Out: where their programs and libraries lie, as environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::path_with;

/// The unpacked packages of an engine.
#[derive(Clone, Debug)]
pub struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// Those unpacked in this folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The docker client.
    pub fn docker(&self) -> PathBuf {
        self.folder.join("usr/bin/docker")
    }

    /// runc itself.
    pub fn runc(&self) -> PathBuf {
        self.folder.join("usr/sbin/runc")
    }

    /// The program that is iptables under its many names, on the kernel's interface `nft` or `legacy`.
    pub fn iptables(&self, interface: &str) -> PathBuf {
        self.folder
            .join(format!("usr/sbin/xtables-{interface}-multi"))
    }

    /// Lets a command, and what it starts, find the programs, those in `first` before all others.
    pub fn expose(&self, command: &mut Command, first: &Path) {
        let [bin, sbin, root_sbin] = ["usr/bin", "usr/sbin", "sbin"].map(|to| self.folder.join(to));
        command.env("PATH", path_with(&[first, &bin, &sbin, &root_sbin]));
        let mut libraries = OsString::new();
        for below in ["usr/lib", "lib"] {
            libraries.push(self.folder.join(below).join(triplet()));
            libraries.push(":");
        }
        command.env("LD_LIBRARY_PATH", libraries);
        let extensions = self.folder.join("usr/lib").join(triplet()).join("xtables");
        command.env("XTABLES_LIBDIR", extensions);
    }
}

/// How Debian names the folder of this machine's libraries.
fn triplet() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}
