//! The node image itself.
//!
//! In: a node's system, the programs, the images that kubeadm wants, kind's own files as the Go client
//! downloaded them, and what `tests/kind/node/` adds. Out: an image archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{binaries, check_root, kubernetes, preload::preload, root::root};
use crate::archive::{Config, Entry, ImageArchive, Owner};
use crate::cache::{Cache, Key, remove_all};
use crate::command;
use crate::progress::{Part, Progress};
use crate::versions::{Kubernetes, Versions, data};

const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

const ARCHIVE: &str = "node.tar";

/// Where systemd looks for what starts with the node.
const UNITS: &str = "/etc/systemd/system";
const STARTED: &str = "/etc/systemd/system/multi-user.target.wants";

/// Where kind's units, and kind itself, expect the programs.
const PROGRAMS: [(&str, &[&str]); 2] = [
    ("/usr/bin", &["kubeadm", "kubectl", "kubelet"]),
    (
        "/usr/local/bin",
        &["containerd", "containerd-shim-runc-v2", "ctr"],
    ),
];

/// A node image of this project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeImage {
    /// The file to load into an engine.
    pub archive: PathBuf,
    /// What it is called there.
    pub reference: String,
}

/// The node image of a Kubernetes.
///
/// # Errors
/// When a part of it cannot be fetched, verified or built, or the image is not in the cache yet and
/// this is not run by root.
pub fn node(
    cache: &Cache,
    versions: &Versions,
    kubernetes: &Kubernetes,
    progress: &Progress,
) -> Result<NodeImage> {
    let sources = Sources {
        kubernetes,
        binaries: binaries(cache, kubernetes, progress)?,
        root: root(cache, &versions.node, progress)?,
        base: binaries::files_of_kind()?.join("images/base/files"),
    };
    let key = sources.key()?;
    let reference = format!(
        "docker.io/library/svom-kind-node:v{}-{}",
        kubernetes.version,
        key.short()
    );
    let folder = cache.entry("node-image", &key, progress, |folder| {
        check_root()?;
        let what = format!("node image of Kubernetes {}", kubernetes.version);
        progress.part(&what, |part| sources.build(&reference, folder, part))
    })?;
    Ok(NodeImage {
        archive: folder.join(ARCHIVE),
        reference,
    })
}

struct Sources<'a> {
    kubernetes: &'a Kubernetes,
    binaries: PathBuf,
    root: PathBuf,
    base: PathBuf,
}

impl Sources<'_> {
    /// The programs and the system lie in folders whose names are their keys.
    fn key(&self) -> Result<Key> {
        let name = |path: &Path| path.to_string_lossy().into_owned();
        let recipe = concat!(
            include_str!("node.rs"),
            include_str!("kubernetes.rs"),
            include_str!("preload.rs"),
            include_str!("../archive/file.rs"),
        );
        Key::new()
            .text("version", &self.kubernetes.version)
            .text("programs", &name(&self.binaries))
            .text("system", &name(&self.root))
            .text("made by", recipe)
            .folder("base files", &self.base)?
            .folder("own files", &data("node"))
    }

    fn build(&self, reference: &str, folder: &Path, part: &Part) -> Result<()> {
        let (archives, store) = (folder.join("images"), folder.join("containerd"));
        fs::create_dir(&archives).with_context(|| format!("cannot make {}", archives.display()))?;
        let references = kubernetes::references(&self.binaries, self.kubernetes)?;
        let mut written = Vec::new();
        for reference in &references {
            part.note(reference);
            let archive = archives.join(format!("{}.tar", kubernetes::short_name(reference)));
            kubernetes::write(reference, &self.binaries, &self.root, &archive)?;
            written.push(archive);
        }
        preload(&self.binaries, &written, &store, part)?;
        part.note("writing the archive");
        let pause = references
            .iter()
            .find(|reference| kubernetes::short_name(reference) == "pause");
        let pause = pause.context("kubeadm asks for no pause image")?;
        self.image(reference, pause, &store)?
            .write(&folder.join(ARCHIVE))?;
        remove_all(&archives)?;
        remove_all(&store)?;
        remove_all(&store.with_extension("toml"))
    }

    fn image(&self, reference: &str, pause: &str, store: &Path) -> Result<ImageArchive> {
        let config = Config {
            entrypoint: vec![
                "/usr/local/bin/entrypoint".to_owned(),
                "/sbin/init".to_owned(),
            ],
            // How systemd knows that it runs in a container, and what it takes for a shutdown.
            environment: vec!["container=docker".to_owned()],
            stop_signal: "SIGRTMIN+3".to_owned(),
            ..Config::default()
        };
        let mut image = ImageArchive::new(reference, config);
        image.add_tree("/", &self.root, Owner::AsFound)?;
        self.add_base(&mut image, pause)?;
        self.add_programs(&mut image)?;
        image.add("/var/lib/containerd", Entry::directory().mode(0o711))?;
        image.add_tree("/var/lib/containerd", store, Owner::AsFound)?;
        Ok(image)
    }

    /// kind's own files, two of them changed, and what kind's build does with them.
    fn add_base(&self, image: &mut ImageArchive, pause: &str) -> Result<()> {
        for path in files(&self.base)? {
            let program = path.parent().is_some_and(|folder| folder.ends_with("bin"));
            let mode = if program { 0o755 } else { 0o644 };
            let entry = Entry::host_file(self.base.join(&path)).mode(mode);
            image.add(Path::new("/").join(path), entry)?;
        }
        let configuration = read(&self.base.join("etc/containerd/config.toml"))?;
        image.add(
            "/etc/containerd/config.toml",
            Entry::bytes(containerd_configuration(&configuration, pause)?),
        )?;
        let entrypoint = read(&self.base.join("usr/local/bin/entrypoint"))?;
        image.add(
            "/usr/local/bin/entrypoint",
            Entry::bytes(with_machine_kept(&entrypoint)?).mode(0o755),
        )?;
        let journal = read(&self.root.join("etc/systemd/journald.conf"))?;
        image.add(
            "/etc/systemd/journald.conf",
            Entry::bytes(format!("{journal}ReadKMsg=no\n")),
        )?;
        for unit in ["containerd", "kubelet", "undo-mount-hacks"] {
            let unit = format!("{unit}.service");
            image.add(
                format!("{STARTED}/{unit}"),
                Entry::symlink(format!("{UNITS}/{unit}")),
            )?;
        }
        // It would register its formats for the whole machine.
        image.add(
            format!("{UNITS}/systemd-binfmt.service"),
            Entry::symlink("/dev/null"),
        )?;
        image.add("/usr/sbin/init", Entry::symlink("/usr/lib/systemd/systemd"))?;
        image.add("/etc/kubernetes/manifests", Entry::directory())?;
        image.add(
            "/kind/version",
            Entry::bytes(format!("v{}", self.kubernetes.version)),
        )
    }

    fn add_programs(&self, image: &mut ImageArchive) -> Result<()> {
        for (folder, names) in PROGRAMS {
            for name in names {
                let program = self.binaries.join(name);
                image.add(
                    format!("{folder}/{name}"),
                    Entry::host_file(program).mode(0o755),
                )?;
            }
        }
        for file in files(&data("node"))? {
            let script = data("node").join(&file);
            image.add(
                Path::new("/kind/bin").join(&file),
                Entry::host_file(script).mode(0o755),
            )?;
        }
        let mut specification = Command::new(self.binaries.join("ctr"));
        let specification = command::output(specification.args(["oci", "spec"]), ANSWERS_WITHIN)?;
        image.add(
            "/etc/containerd/cri-base.json",
            Entry::bytes(container_base(&specification)?),
        )
    }
}

/// The images' runtime asks for `pause`, which is in the store, and lowers no process' score for the
/// kernel's choice when memory runs out, which is not allowed in every container.
fn containerd_configuration(kinds: &str, pause: &str) -> Result<String> {
    let scores = "restrict_oom_score_adj = ";
    let kinds = replaced(kinds, &format!("{scores}false"), &format!("{scores}true"))?;
    let asked = kinds
        .lines()
        .find(|line| line.trim_start().starts_with("sandbox_image = "));
    let asked = asked.context("kind's configuration of containerd names no sandbox image")?;
    replaced(&kinds, asked, &format!("  sandbox_image = {pause:?}"))
}

/// kind's entrypoint with the calls that keep it away from settings of the whole machine: of the first
/// before it looks at cgroups, and of the second before systemd starts.
fn with_machine_kept(entrypoint: &str) -> Result<String> {
    let cgroups = "\nfix_cgroup\n";
    let script = "\n. /kind/bin/keep-machine.sh\nhide_controllers";
    let entrypoint = replaced(entrypoint, cgroups, &format!("{script}{cgroups}"))?;
    let start = "\nlog_info 'starting init'\n";
    replaced(&entrypoint, start, &format!("\ncover_settings{start}"))
}

/// The specification that every container begins with: kind's hook is called, and no limits are set
/// that a container with fewer rights could not set.
fn container_base(specification: &str) -> Result<Vec<u8>> {
    let mut base: Value =
        serde_json::from_str(specification).context("`ctr oci spec` printed no JSON")?;
    let hook = json!({"path": "/kind/bin/mount-product-files.sh"});
    let whole = base
        .as_object_mut()
        .context("`ctr oci spec` printed no object")?;
    whole.insert("hooks".to_owned(), json!({"createContainer": [hook]}));
    if let Some(process) = whole.get_mut("process").and_then(Value::as_object_mut) {
        process.remove("rlimits");
    }
    Ok(serde_json::to_vec(&base)?)
}

/// Puts `new` in the place of `old`, which stands there once.
fn replaced(text: &str, old: &str, new: &str) -> Result<String> {
    let found = text.matches(old).count();
    ensure!(
        found == 1,
        "{old:?} stands {found} times, and not once, in this file of kind's:\n{text}"
    );
    Ok(text.replacen(old, new, 1))
}

/// All files below a folder, as paths within it.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut found = Vec::new();
    for child in fs::read_dir(folder).with_context(unreadable)? {
        let child = child.with_context(unreadable)?;
        let name = PathBuf::from(child.file_name());
        if child.file_type().with_context(unreadable)?.is_dir() {
            found.extend(files(&child.path())?.iter().map(|path| name.join(path)));
        } else {
            found.push(name);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerd_asks_for_the_pause_image_that_is_there() {
        let kinds = "  # sandbox_image\n  sandbox_image = \"a/pause:1\"\n  # restrict_oom_score_adj needs\n  restrict_oom_score_adj = false\n";
        let ours = containerd_configuration(kinds, "b/pause:2").unwrap();
        let expected = "  # sandbox_image\n  sandbox_image = \"b/pause:2\"\n  # restrict_oom_score_adj needs\n  restrict_oom_score_adj = true\n";
        assert_eq!(ours, expected);
    }

    #[test]
    fn the_entrypoint_keeps_the_machine_before_it_looks_at_cgroups_and_before_systemd() {
        let kinds = "fix_cgroup() {\n}\nfix_mount\nfix_cgroup\nfix_machine_id\nlog_info 'starting init'\nexec \"$@\"\n";
        expect_test::expect![[r#"
            fix_cgroup() {
            }
            fix_mount
            . /kind/bin/keep-machine.sh
            hide_controllers
            fix_cgroup
            fix_machine_id
            cover_settings
            log_info 'starting init'
            exec "$@"
        "#]]
        .assert_eq(&with_machine_kept(kinds).unwrap());
    }

    #[test]
    fn a_file_of_kinds_that_is_no_longer_as_expected_is_an_error() {
        assert!(with_machine_kept("fix_cgroup\n").is_err());
        assert!(containerd_configuration("", "pause").is_err());
        assert!(replaced("a a", "a", "b").is_err());
    }

    #[test]
    fn a_containers_base_has_kinds_hook_and_no_limits() {
        let base = container_base(r#"{"process": {"cwd": "/", "rlimits": [1]}}"#).unwrap();
        let base: Value = serde_json::from_slice(&base).unwrap();
        let hook = json!({"path": "/kind/bin/mount-product-files.sh"});
        assert_eq!(
            base,
            json!({"process": {"cwd": "/"}, "hooks": {"createContainer": [hook]}})
        );
    }
}
