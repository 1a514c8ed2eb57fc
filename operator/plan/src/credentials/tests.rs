use std::collections::BTreeMap;

use expect_test::expect;

use super::{Brought, HashError, brought, fits, hash_password, wanted};
use crate::material::{Credential, Material, Nkey, OperatorKeys};
use crate::pki::fixtures::bus;
use crate::valid::{Authentication, UserName};
use crate::want::Want;
use crate::{Problem, Secret, Valid};

// The key pair whose 32 random bytes are 0 to 31.
const SEED: &str = "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y";
const PUBLIC: &str = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK";
// The same bytes as an account's.
const ACCOUNT_SEED: &str = "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI";
const ACCOUNT_PUBLIC: &str = "AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV";

fn salt_key() -> Secret {
    Secret::new("00112233")
}

fn operator() -> OperatorKeys {
    let key = Nkey {
        public: "U".to_owned(),
        seed: None,
    };
    OperatorKeys {
        system: key.clone(),
        jetstream: key,
        route_password: Secret::new("route"),
        salt_key: salt_key(),
    }
}

fn name(text: &str) -> UserName {
    UserName::new(text)
}

type Keys<'a> = &'a [(&'a str, &'a [u8])];

fn bring(authentication: Authentication, keys: Keys) -> Result<Credential, Problem> {
    let keys: BTreeMap<_, _> = keys
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.to_vec().into()))
        .collect();
    brought(&Brought {
        user: &name("ann"),
        authentication,
        secret: "anns-own",
        keys: &keys,
    })
}

/// Ann has a password, Bob an NKey; each brings its own or not.
fn with_secrets(ann: bool, bob: bool) -> Valid {
    let mut valid = bus();
    for (user, brings) in [("ann", ann), ("bob", bob)] {
        valid.users.get_mut(&name(user)).unwrap().secret = brings.then(|| format!("{user}s-own"));
    }
    valid
}

fn password(text: &str, brought: bool, hash: Option<String>) -> Credential {
    Credential::Password {
        password: Secret::new(text),
        brought,
        hash,
    }
}

#[test]
fn everything_is_wanted_at_first() {
    assert_eq!(
        wanted(&bus(), &Material::default()).unwrap(),
        [
            Want::OperatorKeys,
            Want::Password(name("ann")),
            Want::Hash(name("ann")),
            Want::Nkey(name("bob")),
        ]
    );
}

#[test]
fn what_is_there_is_kept_and_what_does_not_fit_is_made() {
    let hash = |user, text, brought| {
        Some(hash_password(&salt_key(), &name(user), &Secret::new(text), brought).unwrap())
    };
    let nkey = |seed: Option<&str>, stand_in: bool| Credential::Nkey {
        own: Nkey {
            public: PUBLIC.to_owned(),
            seed: seed.map(Secret::new),
        },
        stand_in: stand_in.then(|| Nkey {
            public: PUBLIC.to_owned(),
            seed: Some(Secret::new(SEED)),
        }),
    };
    let (ann, bob) = (|| name("ann"), || name("bob"));
    let generated = || password("word", false, hash("ann", "word", false));
    let chosen = || password("word", true, hash("ann", "word", true));
    let cases = [
        (
            "all there",
            (false, false),
            generated(),
            nkey(Some(SEED), false),
            vec![],
        ),
        (
            "no hash yet",
            (false, false),
            password("word", false, None),
            nkey(Some(SEED), false),
            vec![Want::Hash(ann())],
        ),
        (
            "the hash of another password",
            (false, false),
            password("word", false, hash("ann", "other", false)),
            nkey(Some(SEED), false),
            vec![Want::Hash(ann())],
        ),
        (
            "the hash of another user",
            (false, false),
            password("word", false, hash("bob", "word", false)),
            nkey(Some(SEED), false),
            vec![Want::Hash(ann())],
        ),
        (
            "too cheap a hash",
            (true, false),
            password("word", true, hash("ann", "word", false)),
            nkey(Some(SEED), false),
            vec![Want::Hash(ann())],
        ),
        (
            "half a hash",
            (false, false),
            password("word", false, Some("$2b$04$abc".to_owned())),
            nkey(Some(SEED), false),
            vec![Want::Hash(ann())],
        ),
        (
            "brought",
            (true, true),
            chosen(),
            nkey(Some(SEED), false),
            vec![],
        ),
        (
            "brought without seed",
            (true, true),
            chosen(),
            nkey(None, false),
            vec![Want::StandIn(bob())],
        ),
        (
            "with a stand-in",
            (true, true),
            chosen(),
            nkey(None, true),
            vec![],
        ),
        (
            "no longer brought",
            (false, false),
            chosen(),
            nkey(None, true),
            vec![Want::Password(ann()), Want::Hash(ann()), Want::Nkey(bob())],
        ),
        (
            "of the other kind",
            (false, false),
            nkey(Some(SEED), false),
            generated(),
            vec![Want::Password(ann()), Want::Hash(ann()), Want::Nkey(bob())],
        ),
    ];
    for (what, (ann_brings, bob_brings), ann, bob, expected) in cases {
        let material = Material {
            operator: Some(operator()),
            users: BTreeMap::from([(name("ann"), ann), (name("bob"), bob)]),
            ..Material::default()
        };
        let found = wanted(&with_secrets(ann_brings, bob_brings), &material);
        assert_eq!(found.unwrap(), expected, "{what}");
    }
}

#[test]
fn what_should_be_brought_is_never_made() {
    let problems = wanted(&with_secrets(true, true), &Material::default()).unwrap_err();
    let said: String = problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect();
    expect![[r#"
        spec.users[name=ann].secretRef: Secret anns-own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets)
        spec.users[name=bob].secretRef: Secret bobs-own: it is missing or empty: bring nkey.pub (its seed then stays with its owner) or nkey.seed (on one machine: as a file in the folder of this name under --secrets)
    "#]].assert_eq(&said);
}

#[test]
fn a_user_that_is_gone_is_left_alone() {
    let material = Material {
        operator: Some(operator()),
        users: BTreeMap::from([(name("gone"), password("word", false, None))]),
        ..Material::default()
    };
    let mut valid = bus();
    valid.users.clear();
    assert_eq!(wanted(&valid, &material), Ok(vec![]));
}

#[test]
fn brought_credentials_that_fit() {
    use Authentication::{Nkey as NKEY, Password as PASSWORD};
    for text in ["secret", " ", "'\"\\$`\u{e9}\u{1f980}", &"x".repeat(72)] {
        assert_eq!(
            bring(
                PASSWORD,
                &[("password", text.as_bytes()), ("username", b"ann")]
            ),
            Ok(password(text, true, None))
        );
    }
    let nkey = |seed: Option<&str>| Credential::Nkey {
        own: Nkey {
            public: PUBLIC.to_owned(),
            seed: seed.map(Secret::new),
        },
        stand_in: None,
    };
    assert_eq!(
        bring(NKEY, &[("nkey.pub", PUBLIC.as_bytes())]),
        Ok(nkey(None))
    );
    assert_eq!(
        bring(NKEY, &[("nkey.seed", SEED.as_bytes())]),
        Ok(nkey(Some(SEED)))
    );
    let with_newline = format!("{SEED}\n");
    assert_eq!(
        bring(NKEY, &[("nkey.seed", with_newline.as_bytes())]),
        Ok(nkey(Some(SEED)))
    );
}

#[test]
fn brought_credentials_that_are_refused() {
    use Authentication::{Nkey as NKEY, Password as PASSWORD};
    let long = "x".repeat(73);
    let one_letter_off = PUBLIC.replace("UAB2", "UAB3");
    let not_ascii = "\u{e9}".repeat(29);
    let cases: &[(Authentication, Keys)] = &[
        (PASSWORD, &[]),
        (NKEY, &[("username", b"ann")]),
        (PASSWORD, &[("password", b"a"), ("nkey.pub", b"b")]),
        (PASSWORD, &[("nkey.pub", PUBLIC.as_bytes())]),
        (NKEY, &[("password", b"secret")]),
        (PASSWORD, &[("password", b"")]),
        (PASSWORD, &[("password", b"secret\n")]),
        (PASSWORD, &[("password", b"sec\0ret")]),
        (PASSWORD, &[("password", b"sec\tret")]),
        (PASSWORD, &[("password", "sec\u{85}ret".as_bytes())]),
        (PASSWORD, &[("password", b"\xff\xfe")]),
        (PASSWORD, &[("password", long.as_bytes())]),
        (NKEY, &[("nkey.pub", one_letter_off.as_bytes())]),
        (NKEY, &[("nkey.pub", ACCOUNT_PUBLIC.as_bytes())]),
        (NKEY, &[("nkey.pub", SEED.as_bytes())]),
        (NKEY, &[("nkey.seed", PUBLIC.as_bytes())]),
        (NKEY, &[("nkey.seed", ACCOUNT_SEED.as_bytes())]),
        (NKEY, &[("nkey.seed", not_ascii.as_bytes())]),
        (NKEY, &[("nkey.seed", b"")]),
    ];
    let said: String = cases
        .iter()
        .map(|(authentication, keys)| {
            format!("{}\n", bring(*authentication, keys).unwrap_err().message)
        })
        .collect();
    expect![[r#"
        Secret anns-own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets)
        Secret anns-own: it is missing or empty: bring nkey.pub (its seed then stays with its owner) or nkey.seed (on one machine: as a file in the folder of this name under --secrets)
        Secret anns-own: it holds password and nkey.pub: leave exactly one of them
        Secret anns-own: it holds nkey.pub, and the user's authentication is Password: bring password, or write authentication: NKey
        Secret anns-own: it holds password, and the user's authentication is NKey: bring nkey.pub or nkey.seed, or write authentication: Password
        Secret anns-own: password is empty
        Secret anns-own: password ends with a newline, which would be part of it: remove the newline at its end (printf instead of echo)
        Secret anns-own: password has a NUL byte, and servers compare only what stands before it: choose one without
        Secret anns-own: password has a control character, which the servers' configuration cannot hold: choose one without
        Secret anns-own: password has a control character, which the servers' configuration cannot hold: choose one without
        Secret anns-own: password is not text (UTF-8)
        Secret anns-own: password has 73 bytes, and servers compare only the first 72: choose a shorter one
        Secret anns-own: nkey.pub is not the public key of a user, or is damaged: it is 56 capitals and digits that start with U (nk -inkey FILE -pubout prints it)
        Secret anns-own: nkey.pub is not the public key of a user, or is damaged: it is 56 capitals and digits that start with U (nk -inkey FILE -pubout prints it)
        Secret anns-own: nkey.pub is not the public key of a user, or is damaged: it is 56 capitals and digits that start with U (nk -inkey FILE -pubout prints it)
        Secret anns-own: nkey.seed is not the seed of a user, or is damaged: it is 58 capitals and digits that start with SU (nk -gen user makes one)
        Secret anns-own: nkey.seed is not the seed of a user, or is damaged: it is 58 capitals and digits that start with SU (nk -gen user makes one)
        Secret anns-own: nkey.seed is not the seed of a user, or is damaged: it is 58 capitals and digits that start with SU (nk -gen user makes one)
        Secret anns-own: nkey.seed is not the seed of a user, or is damaged: it is 58 capitals and digits that start with SU (nk -gen user makes one)
    "#]].assert_eq(&said);
    let problem = bring(PASSWORD, &[]).unwrap_err();
    assert_eq!(problem.path, "spec.users[name=ann].secretRef");
}

#[test]
fn hashes_are_stable_and_differ_where_they_must() {
    let hash = |key: &str, user: &str, text: &str, brought| {
        let (key, text) = (Secret::new(key), Secret::new(text));
        let hash = hash_password(&key, &name(user), &text, brought).unwrap();
        assert!(
            fits(&hash, &key, &name(user), &text, brought),
            "{user} {brought}"
        );
        assert!(
            bcrypt::verify(text.reveal(), &hash).unwrap(),
            "{user} {brought}"
        );
        hash
    };
    let first = hash("k", "ann", "word", false);
    assert_eq!(first, hash("k", "ann", "word", false));
    expect!["$2b$04$TQQYCP8FOX52e0.rnQ3PAuFPT3mbBHzDUj4MtuQPQLk3NLA9c6JKG"].assert_eq(&first);
    let salt = |hash: &str| hash.get(7..29).map(str::to_owned);
    for other in [
        hash("j", "ann", "word", false),
        hash("k", "bob", "word", false),
        hash("k", "ann", "wore", false),
    ] {
        assert_ne!(salt(&first), salt(&other));
    }
    let slow = hash("k", "ann", "word", true);
    assert_eq!(
        (salt(&slow), slow.get(..7)),
        (salt(&first), Some("$2b$10$"))
    );
}

#[test]
fn all_of_a_password_counts() {
    let hash = |text: &str| hash_password(&salt_key(), &name("ann"), &Secret::new(text), false);
    let longest = format!("{}a", "x".repeat(71));
    let other = format!("{}b", "x".repeat(71));
    let hashed = hash(&longest).unwrap();
    assert!(bcrypt::verify(&longest, &hashed).unwrap());
    assert!(!bcrypt::verify(&other, &hashed).unwrap());
    assert_eq!(hash(&"x".repeat(73)), Err(HashError::TooLong));
    assert_eq!(hash("sec\0ret"), Err(HashError::Nul));
}
