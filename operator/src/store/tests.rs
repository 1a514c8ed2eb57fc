mod brought;
mod crash;
mod damage;
mod folders;
mod handouts;
mod live;
mod replaced;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::fixtures::{bus, now, servers};
use super::{Files, Step, Store, prepare};

/// A state folder in a temporary one, opened.
fn open(temporary: &TempDir, files: Files) -> Store {
    let dir = prepare(&files, &temporary.path().join("bus")).unwrap();
    Store::open(files, dir, Some(temporary.path().join("brought"))).unwrap()
}

/// Every file below a folder with its bytes, by the names that users know.
fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with("..") {
            continue;
        }
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.insert(path.to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
    found
}

/// The names of the files below a folder.
fn names_in(folder: &Path) -> Vec<String> {
    let prefix = format!("{}/", folder.display());
    files_in(folder)
        .into_keys()
        .map(|path| path.strip_prefix(&prefix).unwrap().to_owned())
        .collect()
}

/// Asserts that nobody else can read anything below a folder.
fn assert_closed(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_symlink() {
            // It has no mode of its own.
            continue;
        }
        let mode = found.permissions().mode() & 0o7777;
        let expected = if found.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}: {mode:o}", path.display());
        if found.is_dir() {
            assert_closed(&path);
        }
    }
}

#[test]
fn what_is_minted_is_found_again_and_nothing_is_written_twice() {
    let temporary = TempDir::new().unwrap();
    let (valid, topology, now) = (bus(), servers(2), now());
    let store = open(&temporary, Files::default());
    let minted = store.complete(&valid, &topology, now).unwrap();
    store.hand_out(&valid, &topology, &minted).unwrap();
    assert_eq!(
        names_in(store.dir()),
        [
            "secrets/authority.clients.pem",
            "secrets/authority.routes.pem",
            "secrets/certificate.operator.pem",
            "secrets/certificate.route.fsc-0.pem",
            "secrets/certificate.route.fsc-1.pem",
            "secrets/certificate.server.fsc-0.pem",
            "secrets/certificate.server.fsc-1.pem",
            "secrets/certificate.user.ann.pem",
            "secrets/certificate.user.bob.pem",
            "secrets/operator.json",
            "secrets/user.ann.hash",
            "secrets/user.ann.password",
            "secrets/user.bob.nkey",
            "secrets/user.bob.nkey.pub",
            "users/ann/ca.crt",
            "users/ann/jetstream-domain",
            "users/ann/nats-context.json",
            "users/ann/password",
            "users/ann/tls.crt",
            "users/ann/tls.key",
            "users/ann/url",
            "users/ann/username",
            "users/bob/ca.crt",
            "users/bob/jetstream-domain",
            "users/bob/nats-context.json",
            "users/bob/nkey.seed",
            "users/bob/tls.crt",
            "users/bob/tls.key",
            "users/bob/url",
            "users/bob/username",
        ]
    );

    let never = Files::asking(|step, path| panic!("{step:?} {}", path.display()));
    let idle = open(&temporary, never);
    assert_eq!(idle.complete(&valid, &topology, now + 60).unwrap(), minted);
    idle.hand_out(&valid, &topology, &minted).unwrap();
}

#[test]
fn nobody_else_can_read_anything_at_any_moment() {
    let temporary = TempDir::new().unwrap();
    let root = temporary.path().to_owned();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let files = Files::asking(move |step, _| {
        seen.lock().unwrap().push(step);
        assert_closed(&root);
        Ok(())
    });
    // The mode must not come from the umask. Other tests that run meanwhile set theirs explicitly.
    let before = rustix::process::umask(rustix::fs::Mode::empty());
    let store = open(&temporary, files);
    let material = store.complete(&bus(), &servers(1), now()).unwrap();
    store.hand_out(&bus(), &servers(1), &material).unwrap();
    rustix::process::umask(before);
    assert_closed(temporary.path());
    let renames = steps
        .lock()
        .unwrap()
        .iter()
        .filter(|step| **step == Step::Rename)
        .count();
    assert_eq!(
        renames,
        11 + 1 + 16 + 16 + 2,
        "a file for each secret, one for the trace of a key, and for each key that is handed out one and \
         a link to it, and for each user the link to all of them"
    );
}
