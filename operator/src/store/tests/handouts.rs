//! What users find in their folders, and what a shell makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use expect_test::expect;
use proptest::prelude::*;
use svom_plan::Secret;
use svom_plan::handout::{exports, quote};
use svom_plan::material::{LeafName, Material};
use svom_plan::valid::UserName;
use tempfile::TempDir;

use super::crash::ending_at;
use super::{assert_closed, names_in, open};
use crate::store::fixtures::{bus, now, servers};
use crate::store::{Files, Store};

#[test]
fn what_a_user_no_longer_has_is_taken_away() {
    let (mut valid, topology) = (bus(), servers(1));
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    let material = store.complete(&valid, &topology, now()).unwrap();
    store.hand_out(&valid, &topology, &material).unwrap();
    let users = store.dir().join("users");
    fs::write(users.join("ann/notes"), "her own").unwrap();
    let secrets = names_in(&store.dir().join("secrets"));
    let elsewhere = TempDir::new().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), users.join("link")).unwrap();

    valid.tls.client_certificates = false;
    let bob = valid.users.remove(&UserName::new("bob")).unwrap();
    store.hand_out(&valid, &topology, &material).unwrap();
    assert_eq!(
        names_in(&users),
        [
            "ann/ca.crt",
            "ann/jetstream-domain",
            "ann/nats-context.json",
            "ann/notes",
            "ann/password",
            "ann/url",
            "ann/username",
        ]
    );
    assert!(!users.join("bob").exists());

    valid.users.clear();
    store.hand_out(&valid, &topology, &material).unwrap();
    assert_eq!(names_in(&users), ["ann/notes"]);

    // His credentials were kept, and are his again.
    assert_eq!(names_in(&store.dir().join("secrets")), secrets);
    valid.users.insert(UserName::new("bob"), bob);
    let again = store.complete(&valid, &topology, now()).unwrap();
    let bob = UserName::new("bob");
    assert_eq!(again.users.get(&bob), material.users.get(&bob));
}

/// The names in a folder and what kind of thing each is.
fn laid_out(folder: &Path) -> String {
    let mut lines: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            match fs::read_link(&path) {
                Ok(target) => format!("{name} -> {}\n", target.display()),
                Err(_) if path.is_dir() => format!("{name}/ {}\n", names_in(&path).join(" ")),
                Err(_) => format!("{name}\n"),
            }
        })
        .collect();
    lines.sort();
    lines.concat()
}

#[test]
fn what_a_user_is_handed_changes_at_one_moment() {
    let (valid, topology) = (bus(), servers(1));
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    let material = store.complete(&valid, &topology, now()).unwrap();
    let ann = store.user_folder(&UserName::new("ann"));
    // As an earlier version laid it out.
    fs::create_dir(&ann).unwrap();
    fs::write(ann.join("url"), "tls://elsewhere:4222").unwrap();
    store.hand_out(&valid, &topology, &material).unwrap();
    expect![[r#"
        ..1/ ca.crt jetstream-domain nats-context.json password tls.crt tls.key url username
        ..data -> ..1
        ca.crt -> ..data/ca.crt
        jetstream-domain -> ..data/jetstream-domain
        nats-context.json -> ..data/nats-context.json
        password -> ..data/password
        tls.crt -> ..data/tls.crt
        tls.key -> ..data/tls.key
        url -> ..data/url
        username -> ..data/username
    "#]]
    .assert_eq(&laid_out(&ann));
    let before = laid_out(&ann);
    let later = now() + 61 * 86_400;
    let renewed = store.complete(&valid, &topology, later).unwrap();
    store.hand_out(&valid, &topology, &renewed).unwrap();
    assert_eq!(laid_out(&ann), before.replace("..1", "..2"));
    // What somebody altered by hand is as it was again.
    fs::write(ann.join("password"), "mine").unwrap();
    fs::remove_file(ann.join("url")).unwrap();
    store.hand_out(&valid, &topology, &renewed).unwrap();
    assert_eq!(laid_out(&ann), before);
}

/// The certificate and the key that a user finds, if any.
fn pair(store: &Store, user: &UserName) -> Option<[String; 2]> {
    let folder = store.user_folder(user);
    let [certificate, key] =
        ["tls.crt", "tls.key"].map(|key| fs::read_to_string(folder.join(key)).ok());
    Some([certificate?, key?])
}

/// At every step: a whole pair of one age or none, and the next run leaves what one without a crash
/// does.
#[test]
fn a_handing_out_that_ends_anywhere_leaves_what_belongs_together() {
    let (valid, topology) = (bus(), servers(1));
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    let first = store.complete(&valid, &topology, now()).unwrap();
    let renewed = store
        .complete(&valid, &topology, now() + 61 * 86_400)
        .unwrap();
    let ann = UserName::new("ann");
    let pair_of = |material: &Material| {
        let leaf = &material.leaves[&LeafName::User(ann.clone())];
        Some([leaf.chain_pem.clone(), leaf.key_pem.reveal().to_owned()])
    };
    assert_ne!(pair_of(&first), pair_of(&renewed));
    for before in [None, Some(&first)] {
        let allowed = [before.and_then(pair_of), pair_of(&renewed)];
        let mut found = BTreeSet::new();
        let mut last = 0;
        loop {
            let users = store.dir().join("users");
            fs::remove_dir_all(&users).unwrap();
            let store = open(&temporary, Files::default());
            if let Some(before) = before {
                store.hand_out(&valid, &topology, before).unwrap();
            }
            let files = ending_at(last, Arc::new(AtomicUsize::new(0)));
            let cut = Store::open(files, store.dir().to_owned(), None).unwrap();
            let done = cut.hand_out(&valid, &topology, &renewed).is_ok();
            let pair = pair(&store, &ann);
            assert!(allowed.contains(&pair), "step {last}");
            found.insert(pair);
            store.hand_out(&valid, &topology, &renewed).unwrap();
            assert_eq!(laid_out(&users.join("ann")).lines().count(), 1 + 1 + 8);
            assert_eq!(laid_out(&users.join("bob")).lines().count(), 1 + 1 + 8);
            assert_closed(&users);
            if done {
                break;
            }
            last += 1;
        }
        assert!(last > 80, "{last} steps are too few for two users");
        assert_eq!(found.len(), 2);
    }
}

/// What a shell makes of a script.
fn sh(script: &str) -> Vec<u8> {
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_shell_reads_back_what_was_quoted(texts in prop::collection::vec("[^\0]{0,40}", 50)) {
        let words: Vec<String> = texts.iter().map(|text| quote(text)).collect();
        let printed = sh(&format!("printf '%s\\0' {}", words.join(" ")));
        let expected: String = texts.iter().map(|text| format!("{text}\0")).collect();
        prop_assert_eq!(printed, expected.into_bytes());
    }

    #[test]
    fn a_password_reaches_the_environment_with_and_without_reveal(
        password in "[^\0\\p{Cc}]{1,30}",
        folder in "[^\0/\\p{Cc}]{1,20}",
    ) {
        prop_assume!(folder != "." && folder != "..");
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path().join(format!("d{folder}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("password"), &password).unwrap();
        let keys = BTreeMap::from([("password".to_owned(), Secret::new(password.as_str()))]);
        for reveal in [false, true] {
            let lines = exports(&keys, folder.to_str().unwrap(), reveal);
            let shown = format!("export NATS_PASSWORD={}", quote(&password));
            prop_assert_eq!(lines.reveal().lines().any(|line| line == shown), reveal);
            // What does not show it is the same with another one.
            let other = BTreeMap::from([("password".to_owned(), Secret::new("another"))]);
            let of_other = exports(&other, folder.to_str().unwrap(), reveal);
            prop_assert_eq!(of_other.reveal() == lines.reveal(), !reveal || password == "another");
            let printed = sh(&format!("{}printenv NATS_PASSWORD", lines.reveal()));
            prop_assert_eq!(printed, format!("{password}\n").into_bytes());
        }
    }
}
