//! The programs: Kubernetes with its kubeadm and kubectl, etcd, CoreDNS, containerd and kind.
//!
//! In: a modfile with its sums under `tests/kind/`. Out: a folder of static programs.

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

/// Each program has the last part of its package's path as its name.
const PACKAGES: [&str; 14] = [
    "./cmd/coredns",
    "./cmd/etcd",
    "./cmd/pause",
    "github.com/containerd/containerd/v2/cmd/containerd",
    "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    "github.com/containerd/containerd/v2/cmd/ctr",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-proxy",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "k8s.io/kubernetes/cmd/kubeadm",
    "k8s.io/kubernetes/cmd/kubectl",
    "k8s.io/kubernetes/cmd/kubelet",
    "sigs.k8s.io/kind",
];

/// Those that make and use a cluster from outside.
const COMMANDS: [&str; 2] = ["k8s.io/kubernetes/cmd/kubectl", "sigs.k8s.io/kind"];

/// Those of an API server that stands alone.
const API_SERVER: [&str; 3] = [
    "./cmd/etcd",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kubectl",
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
    programs(cache, "kubernetes", kubernetes, &PACKAGES, progress, &what)
}

/// A folder with kind and kubectl alone, for nodes that come from elsewhere.
///
/// # Errors
/// As [`binaries`].
pub fn commands(cache: &Cache, kubernetes: &Kubernetes, progress: &Progress) -> Result<PathBuf> {
    let what = format!("building kind and kubectl {}", kubernetes.version);
    programs(cache, "commands", kubernetes, &COMMANDS, progress, &what)
}

/// A folder with etcd, kube-apiserver and kubectl: the one with all programs, where there is one.
///
/// # Errors
/// As [`binaries`].
pub fn api_server(cache: &Cache, kubernetes: &Kubernetes, progress: &Progress) -> Result<PathBuf> {
    let Ingredients { key, .. } = ingredients(kubernetes, &PACKAGES)?;
    let all = format!("kubernetes-{}", kubernetes.version);
    if let Some(all) = cache.found(&all, &key) {
        return Ok(all);
    }
    let what = format!("building an API server, Kubernetes {}", kubernetes.version);
    programs(
        cache,
        "api-server",
        kubernetes,
        &API_SERVER,
        progress,
        &what,
    )
}

/// What goes into programs.
struct Ingredients {
    flags: String,
    key: Key,
}

fn ingredients(kubernetes: &Kubernetes, packages: &[&str]) -> Result<Ingredients> {
    let modfile = data(&kubernetes.modfile);
    let text = fs::read_to_string(&modfile)
        .with_context(|| format!("cannot read {}", modfile.display()))?;
    let compiler = command::output(go(kubernetes).args(["env", "GOVERSION"]), ASKED_WITHIN)
        .context("Go is missing or too old: install Go 1.26 or later (https://go.dev/dl)")?;
    let flags = link_flags(&kubernetes.version, &text)?;
    let key = Key::new()
        .text("compiler", compiler.trim())
        .text("architecture", std::env::consts::ARCH)
        .text("packages", &packages.join(" "))
        .text("tags", TAGS)
        .text("link flags", &flags)
        .text("modules", &text)
        .file("sums", &modfile.with_extension("sum"))?
        .folder("commands", &data("cmd"))?;
    Ok(Ingredients { flags, key })
}

fn programs(
    cache: &Cache,
    name: &str,
    kubernetes: &Kubernetes,
    packages: &[&str],
    progress: &Progress,
    what: &str,
) -> Result<PathBuf> {
    let Ingredients { flags, key } = ingredients(kubernetes, packages)?;
    let name = format!("{name}-{}", kubernetes.version);
    cache.entry(&name, &key, progress, |folder| {
        progress.part(what, |part| {
            build(kubernetes, packages, &flags, folder, part)
        })
    })
}

/// The folder of a module's files, as Go downloaded and verified them.
pub fn module(kubernetes: &Kubernetes, module: &str) -> Result<PathBuf> {
    command::output(
        go(kubernetes).args(["mod", "download", module]),
        ASKED_WITHIN,
    )?;
    let mut list = go(kubernetes);
    list.args(["list", "-m", "-f", "{{.Dir}}", module]);
    let folder = command::output(&mut list, ASKED_WITHIN)?;
    Ok(PathBuf::from(folder.trim()))
}

fn build(
    kubernetes: &Kubernetes,
    packages: &[&str],
    flags: &str,
    folder: &Path,
    part: &Part,
) -> Result<()> {
    part.note("asking for the modules");
    let mut list = go(kubernetes);
    list.args(["list", "-deps", "-tags", TAGS]).args(packages);
    let all = command::output(&mut list, ASKED_WITHIN)?.lines().count();
    let mut build = go(kubernetes);
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

/// Go in the wrapper module, with this Kubernetes' modules and with nothing of the user's settings
/// that would change what is built.
fn go(kubernetes: &Kubernetes) -> Command {
    let mut go = ending_with_us(Path::new("go"));
    go.current_dir(data(""))
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env(
            "GOFLAGS",
            format!(
                "-mod=readonly -buildvcs=false -modfile={}",
                kubernetes.modfile
            ),
        );
    go
}

/// The versions that the programs say they are.
fn link_flags(kubernetes: &str, modfile: &str) -> Result<String> {
    let containerd = "github.com/containerd/containerd/v2";
    let containerd_version = of_module(modfile, containerd)
        .with_context(|| format!("the modfile does not require {containerd}"))?;
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

    #[test]
    fn the_programs_say_their_versions() {
        let modfile = "require github.com/containerd/containerd/v2 v2.3.7\n";
        let flags = link_flags("1.36.3", modfile).unwrap();
        expect_test::expect!["-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36 -X k8s.io/component-base/version.gitTreeState=clean -X github.com/containerd/containerd/v2/version.Version=v2.3.7"].assert_eq(&flags);
        assert!(link_flags("1.36.3", "").is_err());
        assert!(link_flags("next", modfile).is_err());
    }

    #[test]
    fn every_program_that_is_taken_as_it_is_stands_in_the_pinned_list() {
        let tools = fs::read_to_string(data("tools.go")).unwrap();
        let pinned: Vec<_> = tools
            .lines()
            .filter_map(|line| line.trim().strip_prefix("_ \"")?.strip_suffix('"'))
            .collect();
        let taken = PACKAGES.iter().filter(|package| !package.starts_with("./"));
        assert_eq!(pinned, taken.copied().collect::<Vec<_>>());
        for own in PACKAGES.iter().filter(|package| package.starts_with("./")) {
            assert!(data(own).join("main.go").exists(), "{own}");
        }
    }
}
