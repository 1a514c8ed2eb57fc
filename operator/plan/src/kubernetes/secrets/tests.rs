use expect_test::expect;

use super::*;
use crate::kubernetes::fixtures::{Made, SEED, made, of_spec, random};
use crate::kubernetes::{InForce, Ownership, ours};
use crate::material::Nkey;
use crate::valid::{Authentication, OnDelete};

fn bus() -> Made {
    made(&of_spec(
        "users: [{name: ann, publish: [data.vhf]}, {name: bob, authentication: NKey}]\n\
         tls: {clientCertificates: Required}",
    ))
}

fn of_user(made: &Made, user: &str) -> Secret {
    let user = UserName::new(user);
    self::user(&made.bus(), &made.topology, &made.material, &user).expect("it is minted")
}

#[test]
fn what_was_written_is_read_back() {
    let mut made = bus();
    let key = |public: &str, seed: Option<&str>| Nkey {
        public: public.to_owned(),
        seed: seed.map(crate::Secret::new),
    };
    let stand_in = crate::credentials::nkey_of_seed(SEED).expect("a seed");
    let bob = UserName::new("bob");
    made.material.users.insert(
        bob.clone(),
        Credential::Nkey {
            own: key("UB", None),
            stand_in: Some(stand_in.clone()),
        },
    );
    let operator = operator(&made.bus(), &made.material).expect("it is minted");

    let keys = operator_keys(&operator).expect("whole").expect("there");
    assert_eq!(keys.route_password, random("route"));
    assert_eq!(keys.salt_key, random("salt"));
    assert_eq!(keys.system.seed, Some(crate::Secret::new(SEED)));
    assert_eq!(
        hash(&operator, &UserName::new("ann")).as_deref(),
        Some("$2a$04$hash-of-ann")
    );
    assert_eq!(super::stand_in(&operator, &bob), Some(stand_in));

    let ann = UserName::new("ann");
    let found = generated_credential(&of_user(&made, "ann"), &ann, Authentication::Password);
    let Some(Credential::Password {
        password,
        brought: false,
        hash: None,
    }) = found.expect("whole")
    else {
        panic!("no password");
    };
    assert_eq!(password, random("password of ann"));
}

#[test]
fn certificates_are_read_back() {
    let made = bus();
    let operator = operator(&made.bus(), &made.material).expect("it is minted");
    let servers = servers(&made.bus(), &made.topology, &made.material)
        .expect("minted")
        .0;
    for leaf in [
        LeafName::Server("fsc-1".to_owned()),
        LeafName::Route("fsc-1".to_owned()),
    ] {
        let key = server_certificate_key(&leaf).expect("a server's");
        let (chain, _) = certificate(&servers, &key).expect("it is there");
        assert_eq!(chain, made.material.leaves[&leaf].chain_pem);
    }
    let (chain, _) = certificate(&operator, OPERATOR_PEM).expect("it is there");
    assert_eq!(chain, made.material.leaves[&LeafName::Operator].chain_pem);
    let authorities = authorities(&made.bus(), &made.material);
    for (name, authority) in &made.material.authorities {
        let (chain, key) = certificate(&authorities, authority_key(*name)).expect("it is there");
        assert_eq!(
            (chain, &key),
            (authority.own.chain_pem.as_str(), &authority.own.key_pem)
        );
    }
}

#[test]
fn what_is_in_force_leaves_a_trace() {
    let mut made = bus();
    let (ann, bob) = (UserName::new("ann"), UserName::new("bob"));
    let written = |made: &Made| operator(&made.bus(), &made.material).expect("it is minted");
    let operator = written(&made);
    let of = |user, authentication| trace(&operator, user, authentication);
    assert_eq!(
        of(&ann, Authentication::Password),
        Some("$2a$04$hash-of-ann")
    );
    assert_eq!(of(&bob, Authentication::Nkey), Some("U-bob"));
    assert_eq!(of(&bob, Authentication::Password), None);
    // What is brought is its owner's affair.
    made.valid.users.get_mut(&bob).expect("bob").secret = Some("own".to_owned());
    assert_eq!(trace(&written(&made), &bob, Authentication::Nkey), None);
}

#[test]
fn a_copy_of_what_was_brought_is_never_taken_for_generated() {
    let mut made = bus();
    let ann = UserName::new("ann");
    made.valid.users.get_mut(&ann).expect("ann").secret = Some("own".to_owned());
    let secret = of_user(&made, "ann");
    let found = generated_credential(&secret, &ann, Authentication::Password);
    assert_eq!(found, Ok(None));
}

#[test]
fn a_brought_authority_stays_where_it_is() {
    let mut made = bus();
    made.valid.tls.issuer = crate::valid::Issuer::Brought {
        secret: "own".to_owned(),
    };
    let data = authorities(&made.bus(), &made.material).data.expect("data");
    assert_eq!(data.keys().collect::<Vec<_>>(), ["routes.pem"]);
}

#[test]
fn what_is_damaged_is_refused() {
    let made = bus();
    let mut operator = operator(&made.bus(), &made.material).expect("it is minted");
    let mut ann = of_user(&made, "ann");
    let mut bob = of_user(&made, "bob");
    for (secret, key) in [
        (&mut operator, SALT_KEY),
        (&mut ann, handout::PASSWORD),
        (&mut bob, handout::NKEY_SEED),
    ] {
        put(secret.data.get_or_insert_default(), key, "damaged");
    }
    let told = [
        operator_keys(&operator).expect_err("damaged"),
        generated_credential(&ann, &UserName::new("ann"), Authentication::Password)
            .expect_err("damaged"),
        generated_credential(&bob, &UserName::new("bob"), Authentication::Nkey)
            .expect_err("damaged"),
    ];
    expect![[r#"
        spec: Secret fsc-operator: the operator's keys in it cannot be understood. It is not replaced by itself: restore it from a backup, or delete what is damaged, so that another is made; all servers have to be restarted after that
        spec: Secret fsc-user-ann: its password cannot be understood. It is not replaced by itself: restore it from a backup, or delete what is damaged, so that another is made; user ann then needs the new one
        spec: Secret fsc-user-bob: its nkey.seed cannot be understood. It is not replaced by itself: restore it from a backup, or delete what is damaged, so that another is made; user bob then needs the new one"#]].assert_eq(&told.map(|problem| problem.to_string()).join("\n"));
    // The other key is not there, and a Secret of somebody else's making holds nothing of ours.
    assert_eq!(
        generated_credential(&ann, &UserName::new("ann"), Authentication::Nkey),
        Ok(None)
    );
    assert_eq!(operator_keys(&Secret::default()), Ok(None));
    assert_eq!(certificate(&ann, handout::URL), None);
}

#[test]
fn what_is_kept_has_no_owner_but_where_it_is_to_be_deleted() {
    let mut made = bus();
    for (on_delete, owners) in [(OnDelete::Retain, 0), (OnDelete::Delete, 1)] {
        made.valid.on_delete = on_delete;
        let bus = made.bus();
        let in_force = InForce {
            valid: made.valid.clone(),
            settings: made.settings.clone(),
            version: "2.15.1".to_owned(),
        };
        let kept = [
            authorities(&bus, &made.material),
            operator(&bus, &made.material).expect("minted"),
            of_user(&made, "ann"),
            in_force.secret(&made.identity).expect("it fits"),
        ];
        for secret in kept {
            let of = secret
                .metadata
                .owner_references
                .as_ref()
                .map_or(0, Vec::len);
            assert_eq!(of, owners, "{:?}", secret.metadata.name);
            assert_eq!(ours(&secret.metadata, &made.identity), Ownership::Ours);
        }
        let derived = [
            servers(&bus, &made.topology, &made.material)
                .expect("minted")
                .0,
            trust(&bus, &made.material).expect("minted"),
        ];
        assert!(
            derived
                .iter()
                .all(|secret| secret.metadata.owner_references.is_some())
        );
    }
}

#[test]
fn what_is_in_force_is_read_back() {
    let made = bus();
    let in_force = InForce {
        valid: made.valid,
        settings: made.settings,
        version: "2.15.1".to_owned(),
    };
    let mut secret = in_force.secret(&made.identity).expect("it fits");
    assert_eq!(InForce::read(&secret), Ok(Some(in_force)));
    assert_eq!(InForce::read(&Secret::default()), Ok(None));
    put(secret.data.get_or_insert_default(), "in-force.json", "{}");
    let problem = InForce::read(&secret).expect_err("damaged");
    expect!["spec: Secret fsc-in-force cannot be understood (missing field `valid` at line 1 column 2): it was written by another version, or damaged. Delete it to start from the resource alone; messages and credentials stay"].assert_eq(&problem.to_string());
}

/// The largest bus whose configuration fits can be written down.
#[test]
fn what_is_in_force_fits_where_the_configuration_does() {
    let made = made(&of_spec("users: []"));
    let all = ["activity.*", "science.*", "data.*"];
    let mut valid = made.valid;
    for number in 0..280 {
        valid = valid.with_user(&format!("user-{number}"), &all, &all);
    }
    assert_eq!(crate::server_config::check_size(&valid), Ok(()));
    let in_force = InForce {
        valid,
        settings: made.settings,
        version: "2.15.1".to_owned(),
    };
    assert!(in_force.secret(&made.identity).is_ok());
}

#[test]
fn a_digest_of_what_a_secret_holds() {
    let digest = |data: &[(&str, &str)]| {
        let mut secret = Secret::default();
        for (key, value) in data {
            put(secret.data.get_or_insert_default(), *key, value);
        }
        content_digest(&secret)
    };
    let all = [
        digest(&[]),
        digest(&[("a", "bc")]),
        digest(&[("ab", "c")]),
        digest(&[("a", "b"), ("c", "")]),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(all[..index].iter().all(|other| other != one), "{index}");
    }
    assert_eq!(
        digest(&[("a", "b"), ("b", "c")]),
        digest(&[("b", "c"), ("a", "b")])
    );
}
