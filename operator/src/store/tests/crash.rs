//! The process ends at any step: what was persisted stays, and the next run makes the rest. (For what
//! users are handed see `handouts`.)

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use svom_plan::Valid;
use tempfile::TempDir;

use super::{files_in, open};
use crate::store::fixtures::{bus, now, servers};
use crate::store::{Files, Step, Store, StoreError, prepare};

/// Files that end with the given step: it and every later one fail. A write leaves half a file.
pub(super) fn ending_at(last: usize, reached: Arc<AtomicUsize>) -> Files {
    Files::asking(move |step, path| {
        let count = reached.fetch_add(1, Ordering::Relaxed);
        if count < last {
            return Ok(());
        }
        if count == last && step == Step::Write {
            fs::write(path, "-----BEGIN CERT")?;
        }
        Err(io::Error::other("killed"))
    })
}

/// A bus with one of each kind of secret; more of a kind would only take longer.
fn small() -> Valid {
    let mut valid = bus();
    valid.tls.client_certificates = false;
    valid
}

fn first_up(files: Files, dir: &Path) -> Result<(), StoreError> {
    let (valid, topology) = (small(), servers(1));
    let dir = prepare(&files, dir)?;
    let store = Store::open(files, dir, None)?;
    store.complete(&valid, &topology, now()).map(drop)
}

#[test]
fn a_first_run_that_ends_anywhere_loses_nothing() {
    let (valid, topology) = (small(), servers(1));
    let mut last = 0;
    loop {
        let temporary = TempDir::new().unwrap();
        let reached = Arc::new(AtomicUsize::new(0));
        let dir = temporary.path().join("bus");
        let ended = first_up(ending_at(last, Arc::clone(&reached)), &dir);
        if ended.is_ok() {
            assert_eq!(reached.load(Ordering::Relaxed), last);
            break;
        }
        let secrets = dir.join("secrets");
        let persisted = if secrets.is_dir() {
            files_in(&secrets)
        } else {
            Default::default()
        };

        let store = open(&temporary, Files::default());
        let material = store.complete(&valid, &topology, now()).unwrap();
        assert_eq!(
            store.load(&valid, &topology).unwrap(),
            material,
            "step {last}"
        );
        let whole = files_in(&secrets);
        for (path, bytes) in persisted {
            if path.contains(".unfinished-") {
                assert!(!whole.contains_key(&path), "step {last}: {path} was left");
            } else {
                assert_eq!(
                    whole.get(&path),
                    Some(&bytes),
                    "step {last}: {path} was made twice"
                );
            }
        }
        last += 1;
    }
    assert!(
        last > 50,
        "{last} steps are too few for what a first run writes"
    );
}

#[test]
fn a_renewal_that_ends_anywhere_keeps_the_authority_and_the_keys_of_users() {
    let (valid, topology) = (small(), servers(1));
    let renewed = |name: &str| name.contains("/certificate.");
    let later = now() + 61 * 86_400;
    let mut last = 0;
    loop {
        let temporary = TempDir::new().unwrap();
        let store = open(&temporary, Files::default());
        store.complete(&valid, &topology, now()).unwrap();
        let before = files_in(store.dir());
        let dir = store.dir().to_owned();

        let reached = Arc::new(AtomicUsize::new(0));
        let files = ending_at(last, Arc::clone(&reached));
        let ended = Store::open(files, dir.clone(), None)
            .and_then(|store| store.complete(&valid, &topology, later));
        let done = ended.is_ok();

        let store = open(&temporary, Files::default());
        store.complete(&valid, &topology, later).unwrap();
        for (path, bytes) in files_in(&dir) {
            assert_eq!(
                before.get(&path) != Some(&bytes),
                renewed(&path),
                "step {last}: {path}"
            );
        }
        if done {
            break;
        }
        last += 1;
    }
    assert_eq!(last, 2 * 5, "five steps for each of two leaves");
}
