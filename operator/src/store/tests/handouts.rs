//! What users find in their folders, and what a shell makes of it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use proptest::prelude::*;
use svom_plan::Secret;
use svom_plan::handout::{exports, quote};
use svom_plan::valid::UserName;
use tempfile::TempDir;

use super::{names_in, open};
use crate::store::Files;
use crate::store::fixtures::{bus, now, servers};

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
            prop_assert_eq!(lines.reveal().contains(&quote(&password)), reveal);
            let printed = sh(&format!("{}printenv NATS_PASSWORD", lines.reveal()));
            prop_assert_eq!(printed, format!("{password}\n").into_bytes());
        }
    }
}
