//! Another credential, whole by itself, is laid in the place of the one in force: it is told apart, and
//! taken only on purpose.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use expect_test::{Expect, expect};
use svom_plan::Valid;
use svom_plan::material::{AuthorityName, Credential, Material};
use svom_plan::topology::Topology;
use svom_plan::valid::UserName;
use tempfile::TempDir;

use super::crash::ending_at;
use super::open;
use crate::store::fixtures::{bring, bus, now, servers};
use crate::store::{Files, Store};

struct Scene {
    temporary: TempDir,
    store: Store,
    valid: Valid,
    topology: Topology,
    first: Material,
}

impl Scene {
    fn new() -> Self {
        let temporary = TempDir::new().unwrap();
        let (valid, topology) = (bus(), servers(1));
        let store = open(&temporary, Files::default());
        let first = store.complete(&valid, &topology, now()).unwrap();
        Self {
            temporary,
            store,
            valid,
            topology,
            first,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.store.dir().join("secrets").join(name)
    }

    fn complete(&self) -> Result<Material, String> {
        let completed = self.store.complete(&self.valid, &self.topology, now());
        completed.map_err(|error| {
            let prefix = format!("{}/", self.store.dir().display());
            error.to_string().replace(&prefix, "")
        })
    }

    fn hand_out_authority(&self) {
        let trust = &self.first.authorities[&AuthorityName::Clients].trust_pem;
        fs::write(self.store.authority_file(), trust).unwrap();
    }

    /// Lays a file of another bus in the place of this one's.
    fn replace(&self, name: &str) -> Vec<u8> {
        let scene = Self::new();
        let other = fs::read(scene.file(name)).unwrap();
        fs::write(self.file(name), &other).unwrap();
        other
    }

    fn is_refused(&self, name: &str, expected: Expect) {
        let own = self.file(name);
        let whole = fs::read(&own).unwrap();
        let other = self.replace(name);
        expected.assert_eq(&self.complete().unwrap_err());
        assert_eq!(fs::read(&own).unwrap(), other, "{name} was touched");
        fs::write(&own, whole).unwrap();
        assert_eq!(self.complete().as_ref(), Ok(&self.first), "{name}");
    }
}

#[test]
fn another_credential_is_refused_until_the_one_in_force_is_back() {
    let scene = Scene::new();
    scene.is_refused("user.ann.password", expect!["spec.users[name=ann]: the password that is kept for it (on one machine: secrets/user.ann.password in the state folder) is not the one in force, which its clients have. Put that one back: it was handed out as password. To go over to this one instead, remove the hash of the one in force (secrets/user.ann.hash); to have a new one made, remove the password itself. Either way its clients are refused until they have it"]);
    scene.is_refused("user.bob.nkey", expect!["spec.users[name=bob]: the key that is kept for it (on one machine: secrets/user.bob.nkey in the state folder) is not the one in force, which its clients have. Put that one back: it was handed out as nkey.seed. To go over to this one instead, remove the public key of the one in force (secrets/user.bob.nkey.pub); to have a new one made, remove the key itself. Either way its clients are refused until they have it"]);
    scene.hand_out_authority();
    scene.is_refused("authority.clients.pem", expect!["secrets/authority.clients.pem: is another authority than the one that every client has, in ca.crt. Put that one back; or, to go over to this one, remove ca.crt: no client connects then until it has the new one"]);
}

#[test]
fn another_credential_is_taken_on_purpose() {
    for (user, file, trace) in [
        ("ann", "user.ann.password", "user.ann.hash"),
        ("bob", "user.bob.nkey", "user.bob.nkey.pub"),
    ] {
        let (scene, user) = (Scene::new(), UserName::new(user));
        let other = scene.replace(file);
        fs::remove_file(scene.file(trace)).unwrap();
        let taken = scene.complete().unwrap();
        assert_ne!(taken.users[&user], scene.first.users[&user]);
        assert_eq!(fs::read(scene.file(file)).unwrap(), other);
        assert_eq!(scene.complete(), Ok(taken));

        // Or a new one is made.
        fs::remove_file(scene.file(file)).unwrap();
        let made = scene.complete().unwrap();
        assert_ne!(fs::read(scene.file(file)).unwrap(), other);
        assert_eq!(scene.complete(), Ok(made));
    }
    let scene = Scene::new();
    scene.replace("authority.clients.pem");
    for handed_out in ["", "-----BEGIN CERTIFICATE-----\ndamaged"] {
        fs::write(scene.store.authority_file(), handed_out).unwrap();
        let taken = scene.complete().unwrap();
        assert_ne!(taken.authorities, scene.first.authorities);
    }
}

/// Hashes that a password is not told apart by: they were made with another key of salts, of a
/// password that was brought, or for another way to prove oneself.
#[test]
fn what_left_no_trace_is_taken() {
    let mut scene = Scene::new();
    let hash = fs::read(scene.file("user.ann.hash")).unwrap();
    fs::remove_file(scene.file("operator.json")).unwrap();
    let again = scene.complete().unwrap();
    assert_ne!(fs::read(scene.file("user.ann.hash")).unwrap(), hash);
    let password = |material: &Material| match &material.users[&UserName::new("ann")] {
        Credential::Password { password, .. } => password.reveal().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(password(&again), password(&scene.first));

    let brought = scene.temporary.path().join("brought/anns-own");
    fs::create_dir_all(&brought).unwrap();
    fs::write(brought.join("password"), "correct horse").unwrap();
    bring(&mut scene.valid, "ann", "anns-own");
    assert_eq!(password(&scene.complete().unwrap()), "correct horse");
    scene.valid = bus();
    assert_eq!(scene.complete(), Ok(again));
}

#[test]
fn a_rotation_that_ends_anywhere_is_taken_up() {
    for (file, trace) in [
        ("user.ann.password", "user.ann.hash"),
        ("user.bob.nkey", "user.bob.nkey.pub"),
        ("authority.clients.pem", "../ca.crt"),
    ] {
        let mut last = 0;
        loop {
            let scene = Scene::new();
            let read = |name: &str| fs::read(scene.file(name));
            scene.hand_out_authority();
            let before = (read(file).unwrap(), read(trace).unwrap());
            fs::remove_file(scene.file(file)).unwrap();
            let ended = rotate(&scene, ending_at(last, Arc::new(AtomicUsize::new(0))));
            let (done, persisted) = (ended.is_ok(), read(file).ok());
            scene.complete().unwrap();
            let after = read(file).unwrap();
            assert_ne!(after, before.0, "{file}, step {last}");
            if let Some(persisted) = persisted {
                assert_eq!(after, persisted, "{file}, step {last}: made twice");
            }
            assert_ne!(read(trace).ok(), Some(before.1), "{file}, step {last}");
            if done {
                break;
            }
            last += 1;
        }
        assert!(last > 6, "{file}: {last} steps are too few");
    }
}

fn rotate(scene: &Scene, files: Files) -> Result<Material, crate::store::StoreError> {
    let dir: &Path = scene.store.dir();
    let store = Store::open(files, dir.to_owned(), None)?;
    store.complete(&scene.valid, &scene.topology, now())
}
