//! Clusters come and go, and leave nothing on the machine: after a `down`, and after an `up` that was
//! killed.

mod machine;
mod processes;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use svom_cluster::cache::Cache;
use svom_cluster::engine::choice::{Choice, choose, observe};
use svom_cluster::engine::{self, Packages};
use svom_cluster::kind::state::clusters;
use svom_cluster::kind::{self, Wanted};
use svom_cluster::notes::{at_level, figure, skip};
use svom_cluster::process::Process;
use svom_cluster::progress::Progress;
use svom_cluster::versions::Versions;

use crate::machine::Machine;
use crate::processes::our_prefix;

/// What a killed process held is given back a moment after it can no longer be seen, and what others
/// do on the machine meanwhile passes.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// Words of the lines at which an `up` is killed: from the first part to the last.
const MOMENTS: [&str; 5] = [
    "container engine",
    "container engine: done",
    "node image: done",
    "kind create cluster",
    "three workers",
];

#[test]
fn clusters_come_and_go_and_leave_nothing() {
    let test = "clusters_come_and_go_and_leave_nothing";
    let Some(bench) = Bench::prepare(test).unwrap() else {
        return;
    };
    // One more follows what is interrupted.
    for cycle in 1..=at_level(2, 9) {
        bench.cycle(&format!("cycle {cycle}")).unwrap();
    }
    if at_level(false, true) {
        bench.cold_cycle().unwrap();
    }
}

#[test]
fn what_an_interrupted_up_leaves_is_removed() {
    let Some(bench) = Bench::prepare("what_an_interrupted_up_leaves_is_removed").unwrap() else {
        return;
    };
    let moments = at_level(&MOMENTS[4..], &MOMENTS[..]);
    // Once a `down` cleans up after each, and once the next `up` does.
    for moment in moments {
        bench.interrupted_up(moment).unwrap();
        // At the first of the moments there may be nothing yet.
        kind::down(&bench.wanted.name, &bench.progress).unwrap();
        bench.nothing_is_left().unwrap();
    }
    for moment in moments {
        bench.interrupted_up(moment).unwrap();
    }
    bench.cycle("cycle after interruptions").unwrap();
}

/// What one test does the other would take for its own.
static ALONE: Mutex<()> = Mutex::new(());

/// One test's cluster, and the machine before it.
struct Bench {
    _alone: MutexGuard<'static, ()>,
    wanted: Wanted,
    progress: Progress,
    packages: Packages,
    before: Machine,
}

impl Bench {
    /// Nothing where no cluster is made here; then it has been said why.
    fn prepare(test: &str) -> Result<Option<Self>> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = Progress::shown();
        let (cache, versions) = (Cache::open()?, Versions::read()?);
        let image = versions.wanted_kubernetes()?.public_image.as_deref();
        match choose(&observe(&cache, &clusters()?, image, &progress)) {
            Ok(Choice::PrivateEngine) => {}
            Ok(choice) => {
                skip(
                    test,
                    format!("this takes a container engine of its own, and here there is {choice}"),
                )?;
                return Ok(None);
            }
            Err(skipped) => {
                skip(test, skipped.why)?;
                return Ok(None);
            }
        }
        let packages = engine::packages(&cache, &versions, &progress)?;
        let name = format!("{}-{}", our_prefix(), test.len());
        Ok(Some(Self {
            _alone: alone,
            wanted: Wanted {
                name,
                owner: Some(Process::of(std::process::id())?),
                keep_failed: false,
            },
            progress,
            before: Machine::look(&packages)?,
            packages,
        }))
    }

    fn nothing_is_left(&self) -> Result<()> {
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            let left = Machine::look(&self.packages)?.beyond(&self.before);
            if left.is_empty() {
                return Ok(());
            }
            let late = Instant::now() > deadline;
            ensure!(!late, "left on the machine:\n{}", left.join("\n"));
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// Brings the cluster up and takes it down.
    fn cycle(&self, which: &str) -> Result<()> {
        let began = Instant::now();
        let cluster = kind::up(&self.wanted, &self.progress)?;
        let cluster = cluster.map_err(|skipped| anyhow!("{skipped}"))?;
        let up = began.elapsed().as_secs_f64();
        ensure!(cluster.workers()?.len() == 3, "not three workers");
        let began = Instant::now();
        ensure!(kind::down(&self.wanted.name, &self.progress)?);
        let down = began.elapsed().as_secs_f64();
        self.nothing_is_left()?;
        figure(
            &format!("cluster, {which}"),
            format!("up {up:.1} s, down {down:.1} s"),
        )
    }

    /// The same with nothing built or fetched before: the testbed's cache is empty, and both of Go's.
    fn cold_cycle(&self) -> Result<()> {
        let caches = tempfile::tempdir().context("no place for caches")?;
        let run = |word| -> Result<f64> {
            let began = Instant::now();
            let ended = Command::new(env!("CARGO_BIN_EXE_svom-cluster"))
                .args([word, "--name", &self.wanted.name])
                .env("XDG_CACHE_HOME", caches.path())
                .env("GOMODCACHE", caches.path().join("modules"))
                .env("GOCACHE", caches.path().join("builds"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .status()
                .with_context(|| format!("cannot start svom-cluster {word}"))?;
            ensure!(ended.success(), "{word} with empty caches: {ended}");
            Ok(began.elapsed().as_secs_f64())
        };
        let (up, down) = (run("up")?, run("down")?);
        self.nothing_is_left()?;
        figure(
            "cluster, with empty caches",
            format!("up {up:.0} s, down {down:.1} s"),
        )
    }

    /// Kills an `up` when it says these words.
    fn interrupted_up(&self, words: &str) -> Result<()> {
        let mut up = Command::new(env!("CARGO_BIN_EXE_svom-cluster"))
            .args(["up", "--name", &self.wanted.name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start an up")?;
        let said = up.stderr.take().context("no lines to read")?;
        let mut told = String::new();
        let mut found = false;
        for line in BufReader::new(said).lines() {
            let line = line.context("cannot read what an up says")?;
            told.push_str(&line);
            told.push('\n');
            found = line.contains(words);
            if found {
                break;
            }
        }
        up.kill().context("cannot kill the up")?;
        up.wait().context("cannot wait for the up")?;
        ensure!(found, "an up never said {words:?}, but:\n{told}");
        Ok(())
    }
}
