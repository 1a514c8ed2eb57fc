//! The runner is killed at moments all over its first `up`; the next one takes up what was there.
//!
//! The moments: as soon as the k-th file stands in the state folder, for k spread over all of the
//! files that a whole `up` makes, and after that at parts of the time until it is ready. Which files
//! there are is looked at without a pause, so that a moment is hit within a file or two.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use svom_cluster::slots::Slot;
use svom_tests::bus::{Bus, READY_WITHIN};
use svom_tests::client::{Client, Library};
use svom_tests::local::LocalBus;
use svom_tests::poll;
use svom_tests::report::{Cases, print};
use svom_tests::sizes::sizes;

/// How long servers may outlive their runner: they notice at once.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// Names of files that are being written begin so.
const UNFINISHED: &str = ".unfinished-";

const RESOURCE: &str = "
apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: fsc}
spec:
  tls: {clientCertificates: Required}
  users:
    - {name: one, publish: [data.vhf]}
    - {name: two, subscribe: ['data.*'], durables: [{name: all, queues: ['data.*']}]}
    - {name: three, publish: ['*.too'], authentication: NKey}
";

/// When the runner is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as so many files are there.
    Files(usize),
    /// This long after its start.
    After(Duration),
}

#[test]
fn a_killed_beginning_is_taken_up() -> Result<()> {
    let count = sizes().killed_beginnings;
    let (files, whole) = a_whole_beginning()?;
    let mut cases = Cases::of("killed beginnings");
    let mut left_behind = Vec::new();
    for number in 0..count {
        let moment = moment(number, count, files, whole);
        let attempt = one(moment);
        left_behind.push(attempt.as_ref().copied().unwrap_or_default());
        cases.succeeds(format!("{moment:?}"), attempt);
    }
    left_behind.sort_unstable();
    print(format!(
        "killed beginnings: a whole one makes {files} files in {} ms; files that were there at each kill: {left_behind:?}",
        whole.as_millis()
    ));
    left_behind.dedup();
    ensure!(
        left_behind.len() * 2 > count,
        "the moments are too much alike: {left_behind:?}"
    );
    cases.finish()
}

/// Three moments of four by the number of files, the others by the time, which goes on after the
/// last file: servers that form, queues that are made, rights that are proven.
fn moment(number: usize, count: usize, files: usize, whole: Duration) -> Moment {
    let part = |all: usize| all * (number + 1) / (count + 1);
    match number % 4 {
        3 => Moment::After(
            whole * u32::try_from(number + 1).unwrap_or(1) / u32::try_from(count + 1).unwrap_or(1),
        ),
        _ => Moment::Files(part(files).max(1)),
    }
}

/// How many files an `up` without interruption makes, and how long it takes.
fn a_whole_beginning() -> Result<(usize, Duration)> {
    let bus = LocalBus::prepare(RESOURCE, Slot::shared())?;
    let begin = Instant::now();
    bus.launch()?;
    poll::until("a whole beginning", READY_WITHIN, || {
        Ok(bus.state().join("in-force.json").exists().then_some(()))
    })?;
    let took = begin.elapsed();
    Ok((count_of(&bus.state()), took))
}

/// Kills a beginning at the moment and begins again; how many files there were at the kill.
fn one(moment: Moment) -> Result<usize> {
    let bus = LocalBus::prepare(RESOURCE, Slot::shared())?;
    bus.launch()?;
    let begin = Instant::now();
    match moment {
        // Without a pause between looks: a file takes less than one.
        Moment::Files(wanted) => {
            while count_of(&bus.state()) < wanted {
                ensure!(
                    begin.elapsed() < READY_WITHIN,
                    "there never were {wanted} files"
                );
            }
        }
        Moment::After(time) => thread::sleep(time),
    }
    bus.kill_runner()?;
    let (persisted, left) = (
        files_of(&bus.state().join("secrets")),
        count_of(&bus.state()),
    );
    poll::until("the servers to be gone", GONE_WITHIN, || {
        Ok(bus.processes().is_empty().then_some(()))
    })
    .with_context(|| format!("{:?}", bus.processes()))?;
    bus.begin().context("the next run")?;
    let now = files_of(&bus.state());
    for (path, bytes) in &persisted {
        if !is_unfinished(path) {
            ensure!(
                now.get(path) == Some(bytes),
                "{} was whole and is another one now",
                path.display()
            );
        }
    }
    if let Some(unfinished) = now.keys().find(|path| is_unfinished(path)) {
        anyhow::bail!("{} is left", unfinished.display());
    }
    Client::connect(Library::NatsPy, &bus.credentials("one")?)?.publish("data.vhf", "x")?;
    let two = Client::connect(Library::AsyncNats, &bus.credentials("two")?)?;
    ensure!(
        two.consumer_info("DATA", "two_all")?.pending == 1,
        "the message is not stored once"
    );
    Ok(left)
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED))
}

/// How many files the runner made below a folder, without the servers' own. Nothing is read, so that
/// a look takes less than a file.
fn count_of(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let counted = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && entry.file_name() != "store" => count_of(&entry.path()),
        Ok(kind) => usize::from(kind.is_file() && entry.file_name() != "log"),
        Err(_) => 0,
    });
    counted.sum()
}

/// The files that the runner makes below a folder, without the servers' own.
fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && name != "store" => files.extend(files_of(&path)),
            Ok(kind) if kind.is_file() && name != "log" => {
                // A file may be gone between the look at its folder and this one.
                if let Ok(bytes) = fs::read(&path) {
                    files.insert(path, bytes);
                }
            }
            _ => {}
        }
    }
    files
}
