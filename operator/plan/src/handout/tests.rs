use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::{KEYS, WEBSOCKET_URL, exports, handout, url, websocket_url};
use crate::material::{Credential, Material, Nkey};
use crate::pki::fixtures::{NOW, bus, mint, one_server};
use crate::valid::UserName;
use crate::{Secret, Valid};

fn material(valid: &Valid, seed_is_here: bool) -> Material {
    let mut material = Material::default();
    mint(valid, &mut material, NOW);
    material.users = BTreeMap::from([
        (
            UserName::new("ann"),
            Credential::Password {
                password: Secret::new("it's \"so\""),
                brought: false,
                hash: None,
            },
        ),
        (
            UserName::new("bob"),
            Credential::Nkey {
                own: Nkey {
                    public: "UB".to_owned(),
                    seed: seed_is_here.then(|| Secret::new("SUB")),
                },
                stand_in: None,
            },
        ),
    ]);
    material
}

fn check(user: &str, client_certificates: bool, seed_is_here: bool, expected: Expect) {
    let mut valid = bus();
    valid.tls.client_certificates = client_certificates;
    let material = material(&valid, seed_is_here);
    let user = UserName::new(user);
    let keys = handout(&valid, &one_server(), &material, &user, "/run/o'ne").unwrap();
    assert!(keys.keys().all(|key| KEYS.contains(&key.as_str())));
    let mut said: String = keys
        .iter()
        .map(|(key, value)| format!("{key}: {}\n", value.reveal()))
        .collect();
    for reveal in [false, true] {
        said.push_str(&format!(
            "--- reveal {reveal}\n{}",
            exports(&keys, "/run/o'ne", reveal).reveal()
        ));
    }
    expected.assert_eq(&said);
}

#[test]
fn a_user_with_a_password() {
    check(
        "ann",
        false,
        true,
        expect![[r#"
        ca.crt: fsc clients
        jetstream-domain: svom
        nats-context.json: {
          "description": "ann on fsc",
          "url": "tls://127.0.0.1:4222",
          "user": "ann",
          "password": "it's \"so\"",
          "ca": "/run/o'ne/ca.crt",
          "jetstream_domain": "svom"
        }

        password: it's "so"
        url: tls://127.0.0.1:4222
        username: ann
        --- reveal false
        export NATS_URL='tls://127.0.0.1:4222'
        export NATS_USER='ann'
        export NATS_PASSWORD="$(cat '/run/o'\''ne/password')"
        export NATS_CA='/run/o'\''ne/ca.crt'
        export NATS_CONTEXT='/run/o'\''ne/nats-context.json'
        --- reveal true
        export NATS_URL='tls://127.0.0.1:4222'
        export NATS_USER='ann'
        export NATS_PASSWORD='it'\''s "so"'
        export NATS_CA='/run/o'\''ne/ca.crt'
        export NATS_CONTEXT='/run/o'\''ne/nats-context.json'
    "#]],
    );
}

#[test]
fn a_user_with_a_key_and_a_certificate() {
    check(
        "bob",
        true,
        true,
        expect![[r#"
        ca.crt: fsc clients
        jetstream-domain: svom
        nats-context.json: {
          "description": "bob on fsc",
          "url": "tls://127.0.0.1:4222",
          "nkey": "/run/o'ne/nkey.seed",
          "cert": "/run/o'ne/tls.crt",
          "key": "/run/o'ne/tls.key",
          "ca": "/run/o'ne/ca.crt",
          "jetstream_domain": "svom"
        }

        nkey.seed: SUB
        tls.crt: bob
        tls.key: key
        url: tls://127.0.0.1:4222
        username: bob
        --- reveal false
        export NATS_URL='tls://127.0.0.1:4222'
        export NATS_NKEY='/run/o'\''ne/nkey.seed'
        export NATS_CA='/run/o'\''ne/ca.crt'
        export NATS_CERT='/run/o'\''ne/tls.crt'
        export NATS_KEY='/run/o'\''ne/tls.key'
        export NATS_CONTEXT='/run/o'\''ne/nats-context.json'
        --- reveal true
        export NATS_URL='tls://127.0.0.1:4222'
        export NATS_NKEY='/run/o'\''ne/nkey.seed'
        export NATS_CA='/run/o'\''ne/ca.crt'
        export NATS_CERT='/run/o'\''ne/tls.crt'
        export NATS_KEY='/run/o'\''ne/tls.key'
        export NATS_CONTEXT='/run/o'\''ne/nats-context.json'
    "#]],
    );
}

#[test]
fn a_user_that_keeps_its_seed() {
    check(
        "bob",
        false,
        false,
        expect![[r#"
        ca.crt: fsc clients
        jetstream-domain: svom
        nats-context.json: {
          "description": "bob on fsc",
          "url": "tls://127.0.0.1:4222",
          "ca": "/run/o'ne/ca.crt",
          "jetstream_domain": "svom"
        }

        url: tls://127.0.0.1:4222
        username: bob
        --- reveal false
        export NATS_URL='tls://127.0.0.1:4222'
        export NATS_CA='/run/o'\''ne/ca.crt'
        export NATS_CONTEXT='/run/o'\''ne/nats-context.json'
        --- reveal true
        export NATS_URL='tls://127.0.0.1:4222'
        export NATS_CA='/run/o'\''ne/ca.crt'
        export NATS_CONTEXT='/run/o'\''ne/nats-context.json'
    "#]],
    );
}

#[test]
fn what_is_not_there_is_said() {
    let mut valid = bus();
    let whole = material(&valid, true);
    let ask = |valid: &Valid, material: &Material, user| {
        let user = UserName::new(user);
        handout(valid, &one_server(), material, &user, "/run")
            .unwrap_err()
            .to_string()
    };
    let mut said = vec![
        ask(&valid, &whole, "eve"),
        ask(&valid, &Material::default(), "ann"),
        ask(
            &valid,
            &Material {
                users: BTreeMap::new(),
                ..whole.clone()
            },
            "ann",
        ),
    ];
    valid.tls.client_certificates = true;
    said.push(ask(&valid, &whole, "ann"));
    expect![[r#"
        spec.users[name=eve]: there is no such user in the resource
        spec.users[name=ann]: the authority that signs what clients see is not there yet
        spec.users[name=ann]: its credentials are not there yet
        spec.users[name=ann]: its certificate is not there yet"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn every_server_is_named() {
    let mut topology = one_server();
    let mut second = topology.servers[0].clone();
    second.client_host = "::1".to_owned();
    second.client_port = 4223;
    second.websocket_port = 5223;
    topology.servers.push(second);
    assert_eq!(url(&topology), "tls://127.0.0.1:4222,tls://[::1]:4223");
    let mut valid = bus();
    assert_eq!(websocket_url(&valid, &topology), None);
    valid.websocket = true;
    assert_eq!(
        websocket_url(&valid, &topology).as_deref(),
        Some("wss://127.0.0.1:5222,wss://[::1]:5223")
    );
}

#[test]
fn the_way_by_websocket_is_handed_out_where_there_is_one() {
    let mut valid = bus();
    valid.websocket = true;
    let material = material(&valid, true);
    let keys = handout(
        &valid,
        &one_server(),
        &material,
        &UserName::new("ann"),
        "/run",
    )
    .unwrap();
    let url = keys[WEBSOCKET_URL].reveal();
    assert_eq!(url, "wss://127.0.0.1:5222");
    let lines = exports(&keys, "/run", false);
    let lines: Vec<&str> = lines.reveal().lines().take(2).collect();
    assert_eq!(
        lines,
        [
            "export NATS_URL='tls://127.0.0.1:4222'",
            "export NATS_WEBSOCKET_URL='wss://127.0.0.1:5222'"
        ]
    );
    assert!(!keys["nats-context.json"].reveal().contains("wss"));
}
