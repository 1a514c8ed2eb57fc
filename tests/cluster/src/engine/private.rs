//! A container engine of a cluster's own, for a machine that has none: Debian's docker in namespaces
//! of its own, so that its interfaces, firewall rules, mounts and processes never are the machine's.
//!
//! In: the cluster's folder, and root. Out: an engine that answers, until it is stopped. Whatever
//! becomes of the run that started it, the engine is found again by its mark, and when its first
//! process is killed the kernel ends all others and takes their network and mounts away.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::packages::Packages;
use super::slot::Slot;
use super::{Engine, cgroups, processes, runc};
use crate::cache::{Cache, remove_all};
use crate::{command, loops, programs};

const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// Of a socket's path, as the kernel has it.
const LONGEST_SOCKET: usize = 107;

/// What runs first in the new namespaces. The engine and its helpers write below these folders, and
/// docker makes the folder of the kernel's modules where there is none; none of that is to be seen on
/// the machine. What no network of the engine knows is refused at once, instead of waited for.
const BEGIN: &str = r#"
set -e
mount -t tmpfs -o mode=755 tmpfs /run
for folder in /etc /opt "$(readlink -f /lib)"; do
    test -d "$folder" || continue
    mkdir -p "/run/over$folder/upper" "/run/over$folder/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=/run/over$folder/upper,workdir=/run/over$folder/work" overlay "$folder"
done
ip link set lo up
ip route add unreachable default
for interface in nft legacy; do
    ln -sf "xtables-$interface-multi" "$1/bin/iptables"
    ln -sf "xtables-$interface-multi" "$1/bin/ip6tables"
    if iptables --table nat --list-rules >/dev/null 2>&1; then break; fi
done
exec dockerd --config-file "$1/daemon.json"
"#;

/// The private engine of one cluster, whether it runs or not.
#[derive(Debug)]
pub struct PrivateEngine {
    /// The cluster's folder, which is the mark of the engine's processes too.
    cluster: PathBuf,
    folder: PathBuf,
    slot: Slot,
}

impl PrivateEngine {
    /// One for the cluster in this folder, which must be there. Nothing is started.
    ///
    /// # Errors
    /// When all places for engines are taken.
    pub fn for_cluster(cluster: &Path, cache: &Cache) -> Result<Self> {
        Slot::take(cache, cluster).map(|slot| Self::at(cluster, slot))
    }

    /// The one of the cluster in this folder, if it was ever to have one.
    pub fn of_cluster(cluster: &Path, cache: &Cache) -> Option<Self> {
        Slot::of(cache, cluster).map(|slot| Self::at(cluster, slot))
    }

    fn at(cluster: &Path, slot: Slot) -> Self {
        Self {
            cluster: cluster.to_owned(),
            folder: cluster.join("engine"),
            slot,
        }
    }

    /// Starts it and waits until it answers. It must not run.
    ///
    /// # Errors
    /// When it does not answer, with the end of its log.
    pub fn start(&self, packages: &Packages) -> Result<Engine> {
        self.prepare(packages)?;
        let path = self.folder.join("log");
        let log =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut first = Command::new("setsid");
        first
            .args(["unshare", "--mount", "--net", "--pid", "--ipc", "--uts"])
            .args(["--fork", "--kill-child", "--mount-proc", "--"])
            .args(["tini", "-g", "--", "sh", "-c", BEGIN, "engine"])
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the engine's log")?)
            .stderr(log);
        processes::mark(&mut first, &self.cluster);
        packages.expose(&mut first, &self.folder.join("bin"));
        let mut first = first.spawn().context("cannot start setsid and unshare")?;
        let pid = self.folder.join("pid");
        fs::write(&pid, first.id().to_string())
            .with_context(|| format!("cannot write {}", pid.display()))?;
        let engine = self.engine(first.id());
        let deadline = Instant::now() + ANSWERS_WITHIN;
        while engine.run(["version"]).is_err() {
            let ended = first.try_wait().context("cannot wait for the engine")?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(&path).unwrap_or_default();
                let lines: Vec<_> = log.lines().rev().take(15).collect();
                let lines: Vec<_> = lines.into_iter().rev().collect();
                bail!(
                    "the private container engine does not start:\n{}",
                    lines.join("\n")
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
        // Where this process goes on, it must hear of the engine's end for the engine to be gone.
        thread::spawn(move || first.wait());
        Ok(engine)
    }

    /// The engine, where it runs.
    pub fn running(&self) -> Option<Engine> {
        let pid: u32 = fs::read_to_string(self.folder.join("pid"))
            .ok()?
            .parse()
            .ok()?;
        let mut marked = processes::marked(&self.cluster).into_iter();
        let runs = marked.any(|process| process.as_raw_nonzero().get().unsigned_abs() == pid);
        runs.then(|| self.engine(pid))
    }

    /// Stops it, in whatever state it is; its images are kept where it has no container and stops by
    /// itself. Of its processes, control groups and loop devices nothing is left.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn stop(&self) -> Result<()> {
        let empty = |engine: &Engine| {
            let containers = engine.run(["ps", "--all", "--quiet"]);
            containers.is_ok_and(|containers| containers.trim().is_empty())
        };
        let well = self.running().as_ref().is_some_and(empty)
            && processes::ask(&self.cluster, "dockerd", STOPS_WITHIN);
        let group = self.slot.group();
        cgroups::thaw(&group);
        processes::kill(&self.cluster)?;
        cgroups::remove(&group)?;
        loops::detach_all_in(&self.cluster)?;
        if well {
            self.slot.ended_well()
        } else {
            self.slot.ended_badly()
        }
    }

    fn engine(&self, first: u32) -> Engine {
        Engine {
            docker: self.folder.join("bin").join("docker"),
            socket: Some(self.socket()),
            first: Some(first),
            cluster: Some(self.cluster.clone()),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// Everything that the engine reads, written anew.
    fn prepare(&self, packages: &Packages) -> Result<()> {
        let length = self.socket().as_os_str().len();
        ensure!(
            length <= LONGEST_SOCKET,
            "{} is {length} bytes long, and a socket's path can have {LONGEST_SOCKET}: \
             set XDG_CACHE_HOME to a shorter one",
            self.socket().display()
        );
        remove_all(&self.folder)?;
        let bin = self.folder.join("bin");
        fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
        let link = |target: PathBuf, name: &str| {
            symlink(&target, bin.join(name))
                .with_context(|| format!("cannot link {}", target.display()))
        };
        for interface in ["nft", "legacy"] {
            let name = format!("xtables-{interface}-multi");
            link(packages.iptables(interface), &name)?;
        }
        link(packages.runc(), "runc")?;
        link(packages.docker(), "docker")?;
        let wrapper = if runc::machine_has_capability()? {
            None
        } else {
            Some(programs::copied("svom-runc", &bin)?)
        };
        let path = self.folder.join("daemon.json");
        let text = serde_json::to_vec_pretty(&self.configuration(wrapper.as_deref())?)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn configuration(&self, wrapper: Option<&Path>) -> Result<serde_json::Value> {
        let mut socket = std::ffi::OsString::from("unix://");
        socket.push(self.socket());
        let mut configuration = json!({
            "hosts": [socket.to_string_lossy()],
            "data-root": self.slot.begin()?,
            "exec-root": "/run/docker",
            "pidfile": "/run/docker.pid",
            "storage-driver": "overlay2",
            "log-driver": "json-file",
            "cgroup-parent": format!("/{}", self.slot.group()),
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "default-cgroupns-mode": "private",
        });
        if let (Some(wrapper), Some(fields)) = (wrapper, configuration.as_object_mut()) {
            fields.insert("oom-score-adjust".to_owned(), json!(0));
            fields.insert("default-runtime".to_owned(), json!("svom-runc"));
            fields.insert(
                "runtimes".to_owned(),
                json!({"svom-runc": {"path": wrapper}}),
            );
        }
        Ok(configuration)
    }
}

/// Why no private engine can run here; nothing where it can.
pub fn impossible(cache: &Cache) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can start one".to_owned());
    }
    let script = r#"set -e
mkdir -p "$1/lower" "$1/upper" "$1/work" "$1/merged"
mount -t overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" overlay "$1/merged""#;
    let folder = cache
        .folder()
        .join(format!("overlay-{}", std::process::id()));
    let mut probe = Command::new("unshare");
    probe
        .args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "--"])
        .args(["sh", "-c", script, "probe"])
        .arg(&folder);
    let probed = command::output(&mut probe, ANSWERS_WITHIN);
    let removed = remove_all(&folder);
    let problem = probed.map(drop).and(removed).err()?;
    Some(format!(
        "namespaces with overlay mounts in {} cannot be made here: {problem:#}",
        cache.folder().display()
    ))
}
