//! The programs: Kubernetes with its kubeadm and kubectl, etcd, CoreDNS, containerd and kind.
//!
//! In: Go modules with their sums under `tests/kind/`: one that every cluster is made with, and for a
//! Kubernetes that does not compile with those, one of its own. Out: a folder of static programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::ending_with_us;
use crate::cache::{Cache, Key};
use crate::command;
use crate::progress::{Part, Progress};
use crate::versions::{Kubernetes, data, of_module};

/// The module of what is beside Kubernetes, whichever that is.
const COMMON: &str = ".";

const API_SERVER: &str = "k8s.io/kubernetes/cmd/kube-apiserver";
const ETCD: &str = "./cmd/etcd";
const KUBECTL: &str = "k8s.io/kubernetes/cmd/kubectl";
const KIND: &str = "sigs.k8s.io/kind";

/// Of the module of a Kubernetes. Each program has the last part of its package's path as its name.
const KUBERNETES: [&str; 7] = [
    API_SERVER,
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-proxy",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "k8s.io/kubernetes/cmd/kubeadm",
    KUBECTL,
    "k8s.io/kubernetes/cmd/kubelet",
];

/// What every Kubernetes runs with.
const BESIDE: [&str; 7] = [
    "./cmd/coredns",
    ETCD,
    "./cmd/pause",
    "github.com/containerd/containerd/v2/cmd/containerd",
    "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    "github.com/containerd/containerd/v2/cmd/ctr",
    KIND,
];

/// What containerd does without: snapshotters that the node never uses.
const TAGS: &str = "no_aufs,no_btrfs,no_devmapper,no_zfs";

/// For what only asks Go, which may have to fetch modules first.
const ASKED_WITHIN: Duration = Duration::from_secs(600);

/// A folder with all programs of a Kubernetes and of its nodes, kind and kubectl among them.
///
/// # Errors
/// When Go is missing, a module cannot be fetched or verified, or the build fails.
pub fn binaries(cache: &Cache, kubernetes: &Kubernetes, progress: &Progress) -> Result<PathBuf> {
    let what = format!(
        "building Kubernetes {} and what belongs to it",
        kubernetes.version
    );
    let wanted = Wanted::of(kubernetes, &KUBERNETES, &BESIDE)?;
    wanted.programs(cache, "kubernetes", progress, &what)
}

/// A folder with kind and kubectl alone, for nodes that come from elsewhere.
///
/// # Errors
/// As [`binaries`].
pub fn commands(cache: &Cache, kubernetes: &Kubernetes, progress: &Progress) -> Result<PathBuf> {
    let what = format!("building kind and kubectl {}", kubernetes.version);
    let wanted = Wanted::of(kubernetes, &[KUBECTL], &[KIND])?;
    wanted.programs(cache, "commands", progress, &what)
}

/// A folder with etcd, kube-apiserver and kubectl: the one with all programs, where there is one.
///
/// # Errors
/// As [`binaries`].
pub fn api_server(cache: &Cache, kubernetes: &Kubernetes, progress: &Progress) -> Result<PathBuf> {
    let all = Wanted::of(kubernetes, &KUBERNETES, &BESIDE)?;
    if let Some(found) = cache.found(&all.name("kubernetes"), &all.key()?) {
        return Ok(found);
    }
    let what = format!("building an API server, Kubernetes {}", kubernetes.version);
    let wanted = Wanted::of(kubernetes, &[API_SERVER, KUBECTL], &[ETCD])?;
    wanted.programs(cache, "api-server", progress, &what)
}

/// The folder of kind's files, as Go downloaded and verified them.
pub fn files_of_kind() -> Result<PathBuf> {
    command::output(go(COMMON).args(["mod", "download", KIND]), ASKED_WITHIN)?;
    let mut list = go(COMMON);
    list.args(["list", "-m", "-f", "{{.Dir}}", KIND]);
    let folder = command::output(&mut list, ASKED_WITHIN)?;
    Ok(PathBuf::from(folder.trim()))
}

/// Programs of a Kubernetes and what belongs to it.
struct Wanted<'a> {
    kubernetes: &'a Kubernetes,
    /// Folders of modules, and the packages that are built with each.
    parts: [(&'a str, &'a [&'a str]); 2],
    link_flags: String,
}

impl<'a> Wanted<'a> {
    fn of(
        kubernetes: &'a Kubernetes,
        of_kubernetes: &'a [&'a str],
        beside: &'a [&'a str],
    ) -> Result<Self> {
        Ok(Self {
            kubernetes,
            parts: [
                (kubernetes.modules.as_str(), of_kubernetes),
                (COMMON, beside),
            ],
            link_flags: link_flags(&kubernetes.version, &modules(COMMON)?)?,
        })
    }

    fn programs(
        &self,
        cache: &Cache,
        name: &str,
        progress: &Progress,
        what: &str,
    ) -> Result<PathBuf> {
        cache.entry(&self.name(name), &self.key()?, progress, |folder| {
            progress.part(what, |part| {
                let mut parts = self.parts.iter();
                parts.try_for_each(|(modules, packages)| {
                    build(modules, packages, &self.link_flags, folder, part)
                })
            })
        })
    }

    /// The name of a cache's entry.
    fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.kubernetes.version)
    }

    fn key(&self) -> Result<Key> {
        let compiler = command::output(go(COMMON).args(["env", "GOVERSION"]), ASKED_WITHIN)
            .context("Go is missing or too old: install Go 1.26 or later (https://go.dev/dl)")?;
        let mut key = Key::new()
            .text("compiler", compiler.trim())
            .text("architecture", std::env::consts::ARCH)
            .text("tags", TAGS)
            .text("link flags", &self.link_flags)
            .folder("commands", &data("cmd"))?;
        for (folder, packages) in self.parts {
            key = key
                .text("packages", &packages.join(" "))
                .text("modules", &modules(folder)?)
                .file("sums", &data(folder).join("go.sum"))?;
        }
        Ok(key)
    }
}

fn build(modules: &str, packages: &[&str], flags: &str, folder: &Path, part: &Part) -> Result<()> {
    part.note("asking for the modules");
    let mut list = go(modules);
    list.args(["list", "-deps", "-tags", TAGS]).args(packages);
    let all = command::output(&mut list, ASKED_WITHIN)?.lines().count();
    let mut build = go(modules);
    build
        .args([
            "build",
            "-v",
            "-trimpath",
            "-tags",
            TAGS,
            "-ldflags",
            flags,
            "-o",
        ])
        .arg(folder)
        .args(packages);
    let mut built = 0;
    part.run_with(&mut build, |line| {
        if line.starts_with("go: ") {
            part.note(line);
        } else {
            built += 1;
            part.note(&format!("{built} of at most {all} packages, {line}"));
        }
    })
}

/// Go in the folder of a module, with nothing of the user's settings that would change what is built.
fn go(modules: &str) -> Command {
    let mut go = ending_with_us(Path::new("go"));
    go.current_dir(data(modules))
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false");
    go
}

/// The `go.mod` of a module.
fn modules(folder: &str) -> Result<String> {
    let path = data(folder).join("go.mod");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The versions that the programs say they are.
fn link_flags(kubernetes: &str, modules: &str) -> Result<String> {
    let containerd = "github.com/containerd/containerd/v2";
    let containerd_version = of_module(modules, containerd)
        .with_context(|| format!("go.mod does not require {containerd}"))?;
    let mut numbers = kubernetes.split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        anyhow::bail!("{kubernetes} is no version of Kubernetes: write one such as 1.36.3");
    };
    let version = "k8s.io/component-base/version";
    Ok(format!(
        "-s -w -X {version}.gitVersion=v{kubernetes} -X {version}.gitMajor={major} \
         -X {version}.gitMinor={minor} -X {version}.gitTreeState=clean \
         -X {containerd}/version.Version={containerd_version}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versions::Versions;

    #[test]
    fn the_programs_say_their_versions() {
        let modfile = "require github.com/containerd/containerd/v2 v2.3.7\n";
        let flags = link_flags("1.36.3", modfile).unwrap();
        expect_test::expect!["-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36 -X k8s.io/component-base/version.gitTreeState=clean -X github.com/containerd/containerd/v2/version.Version=v2.3.7"].assert_eq(&flags);
        assert!(link_flags("1.36.3", "").is_err());
        assert!(link_flags("next", modfile).is_err());
    }

    #[test]
    fn every_program_that_is_taken_as_it_is_stands_in_the_list_of_its_module() {
        let named = |modules: &str| -> Vec<String> {
            let tools = fs::read_to_string(data(modules).join("tools.go")).unwrap();
            tools
                .lines()
                .filter_map(|line| line.trim().strip_prefix("_ \"")?.strip_suffix('"'))
                .map(str::to_owned)
                .collect()
        };
        let (own, taken): (Vec<&str>, Vec<&str>) =
            BESIDE.iter().partition(|name| name.starts_with("./"));
        for own in own {
            assert!(data(own).join("main.go").exists(), "{own}");
        }
        for Kubernetes { modules, .. } in Versions::read().unwrap().kubernetes {
            let mut expected = KUBERNETES.to_vec();
            if modules == COMMON {
                expected.extend(&taken);
            }
            expected.sort_unstable();
            assert_eq!(named(&modules), expected, "{modules}");
        }
    }
}
