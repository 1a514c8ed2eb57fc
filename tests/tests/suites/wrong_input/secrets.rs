//! Passwords and keys that people bring: what does not fit is refused in words that never hold the
//! secret, and what fits works with stock clients.

use std::fs;

use anyhow::{Result, ensure};
use expect_test::{Expect, expect};
use nkeys::{KeyPair, KeyPairType};
use svom_cluster::slots::Slot;
use svom_tests::bus::{Bus, Credentials, Proof};
use svom_tests::client::{Client, Library};
use svom_tests::local::LocalBus;

use super::{refused_by, with};

#[test]
fn brought_passwords_that_do_not_fit_are_refused() -> Result<()> {
    let resource =
        with("  users:\n    - {name: desk, publish: [data.vhf], secretRef: {name: own}}\n");
    let bus = LocalBus::prepare(&resource, Slot::shared())?;
    refused_by(
        &bus,
        &mut bus.up_command()?,
        &expect![[r#"
        exit code Some(1)
        making what is missing of keys, certificates and passwords
        error: spec.users[name=desk].secretRef: Secret own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets)
    "#]],
    )?;
    fs::create_dir_all(bus.secrets())?;
    refused_by(
        &bus,
        &mut bus.up_command()?,
        &expect![[r#"
        exit code Some(1)
        making what is missing of keys, certificates and passwords
        error: spec.users[name=desk].secretRef: Secret own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets)
    "#]],
    )?;
    let seventy_three = "ä".repeat(36) + "x";
    let seed = KeyPair::new_from_raw(KeyPairType::User, [7; 32])?.seed()?;
    let cases: [(&[(&str, &[u8])], Expect); 11] = [
        (
            &[],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets)
        "#]],
        ),
        (
            &[("passwort", b"x")],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets)
        "#]],
        ),
        (
            &[("password", b"")],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: password is empty
        "#]],
        ),
        (
            &[("password", seventy_three.as_bytes())],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: password has 73 bytes, and servers compare only the first 72: choose a shorter one
        "#]],
        ),
        (
            &[("password", b"pass word\n")],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: password ends with a newline, which would be part of it: remove the newline at its end (printf instead of echo)
        "#]],
        ),
        (
            &[("password", b"pass\nword")],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: password has a control character, which the servers' configuration cannot hold: choose one without
        "#]],
        ),
        (
            &[("password", b"pass\0word")],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: password has a NUL byte, and servers compare only what stands before it: choose one without
        "#]],
        ),
        (
            &[("password", b"pass\tword")],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: password has a control character, which the servers' configuration cannot hold: choose one without
        "#]],
        ),
        (
            &[("password", b"pass\xffword")],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: password is not text (UTF-8)
        "#]],
        ),
        (
            &[("nkey.seed", seed.as_bytes())],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=desk].secretRef: Secret own: it holds nkey.seed, and the user's authentication is Password: bring password, or write authentication: NKey
        "#]],
        ),
        (
            &[("password", b"good"), ("nkey.seed", seed.as_bytes())],
            expect![[r#"
                exit code Some(1)
                making what is missing of keys, certificates and passwords
                error: spec.users[name=desk].secretRef: Secret own: it holds password and nkey.seed: leave exactly one of them
            "#]],
        ),
    ];
    for (keys, expected) in cases {
        bus.bring("own", keys)?;
        refused_by(&bus, &mut bus.up_command()?, &expected)?;
    }
    // The longest that fits.
    let longest = "ä".repeat(36);
    bus.bring("own", &[("password", longest.as_bytes())])?;
    bus.begin()?;
    let credentials = bus.credentials("desk")?;
    ensure!(
        credentials.password()? == longest,
        "the user is handed another password"
    );
    for library in Library::ALL {
        Client::connect(library, &credentials)?.publish("data.vhf", library.name())?;
        let almost = Credentials {
            proof: Proof::Password("ä".repeat(35) + "Ã"),
            ..credentials.clone()
        };
        ensure!(
            Client::refusal(library, &almost)?.is_some(),
            "another password of 72 bytes is let in"
        );
    }
    Ok(())
}

#[test]
fn brought_keys_work_and_damaged_ones_are_refused() -> Result<()> {
    let resource = with(
        "  users:\n    - {name: seed, publish: [data.vhf], authentication: NKey, secretRef: {name: with-seed}}\n    - {name: public, publish: [data.vhf], authentication: NKey, secretRef: {name: with-public}}\n",
    );
    let bus = LocalBus::prepare(&resource, Slot::shared())?;
    let (first, second) = (
        KeyPair::new_from_raw(KeyPairType::User, [1; 32])?,
        KeyPair::new_from_raw(KeyPairType::User, [2; 32])?,
    );
    let (first_seed, second_public) = (first.seed()?, second.public_key());
    bus.bring(
        "with-public",
        &[("nkey.pub", format!("{second_public}\n").as_bytes())],
    )?;
    let account = KeyPair::new_from_raw(KeyPairType::Account, [1; 32])?.seed()?;
    let damaged = first_seed.replace(
        &first_seed[10..11],
        if &first_seed[10..11] == "A" { "B" } else { "A" },
    );
    let cases: [(&[(&str, &[u8])], Expect); 5] = [
        (
            &[("password", b"secret")],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=seed].secretRef: Secret with-seed: it holds password, and the user's authentication is NKey: bring nkey.pub or nkey.seed, or write authentication: Password
        "#]],
        ),
        (
            &[("nkey.seed", damaged.as_bytes())],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=seed].secretRef: Secret with-seed: nkey.seed is not the seed of a user, or is damaged: it is 58 capitals and digits that start with SU (nk -gen user makes one)
        "#]],
        ),
        (
            &[("nkey.seed", account.as_bytes())],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=seed].secretRef: Secret with-seed: nkey.seed is not the seed of a user, or is damaged: it is 58 capitals and digits that start with SU (nk -gen user makes one)
        "#]],
        ),
        (
            &[("nkey.pub", first_seed.as_bytes())],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users[name=seed].secretRef: Secret with-seed: nkey.pub is not the public key of a user, or is damaged: it is 56 capitals and digits that start with U (nk -inkey FILE -pubout prints it)
        "#]],
        ),
        (
            &[("nkey.pub", second_public.as_bytes())],
            expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            error: spec.users: the public key UCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZJPJO is used by user public and user seed: give each a key pair of its own
        "#]],
        ),
    ];
    for (keys, expected) in cases {
        bus.bring("with-seed", keys)?;
        refused_by(&bus, &mut bus.up_command()?, &expected)?;
    }
    bus.bring("with-seed", &[("nkey.seed", first_seed.as_bytes())])?;
    bus.begin()?;
    let own = bus.secrets().join("own.seed");
    fs::write(&own, second.seed()?)?;
    let known = Credentials {
        proof: Proof::Nkey(own.clone()),
        ..of_public(&bus)?
    };
    for credentials in [bus.credentials("seed")?, known.clone()] {
        for library in Library::ALL {
            Client::connect(library, &credentials)?.publish("data.vhf", library.name())?;
        }
    }
    fs::write(
        &own,
        KeyPair::new_from_raw(KeyPairType::User, [3; 32])?.seed()?,
    )?;
    for library in Library::ALL {
        let refusal = Client::refusal(library, &known)?;
        ensure!(refusal.is_some(), "another key is let in");
    }
    Ok(())
}

/// What the user whose seed stays with its owner is handed.
fn of_public(bus: &LocalBus) -> Result<Credentials> {
    let folder = bus.state().join("users/public");
    ensure!(
        !folder.join("nkey.seed").exists() && !folder.join("password").exists(),
        "a secret is handed out"
    );
    let seed = bus.credentials("seed")?;
    Ok(Credentials {
        username: "public".to_owned(),
        ca: folder.join("ca.crt"),
        folder,
        ..seed
    })
}
