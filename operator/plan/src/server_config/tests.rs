use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::access::fixture::{bus, material, mission};
use crate::topology::ServerFiles;
use crate::valid::Sync;

fn topology(cluster: &str, folder: &str, count: u16) -> Topology {
    let server = |index: u16| {
        let file = |name: &str| format!("{folder}/{name}");
        Server {
            name: format!("fsc-{index}"),
            listen: "127.0.0.1".parse().expect("an address"),
            client_host: "127.0.0.1".to_owned(),
            client_port: 4222 + index,
            websocket_port: 5222 + index,
            route_host: if index == 1 { "::1" } else { "127.0.0.1" }.to_owned(),
            route_port: 6222 + index,
            monitor_port: None,
            dns_names: Vec::new(),
            addresses: Vec::new(),
            files: ServerFiles {
                store_dir: file("store"),
                client_pem: file("client.pem"),
                client_ca: file("client-ca.crt"),
                route_pem: file("route.pem"),
                route_ca: file("route-ca.crt"),
                log: None,
            },
        }
    };
    Topology {
        cluster: cluster.to_owned(),
        servers: (0..count).map(server).collect(),
    }
}

/// All but the accounts, which `access` shows.
fn around_the_accounts(config: &ServerConfig) -> String {
    let mut json: Value = serde_json::from_str(config.json.reveal()).expect("it is JSON");
    json.as_object_mut()
        .expect("it is an object")
        .remove("accounts");
    serde_json::to_string_pretty(&json).expect("it is JSON")
}

#[test]
fn one_of_three_servers() {
    let valid = mission();
    let configs = server_configs(&valid, &topology("fsc", "/bus", 3), &material(&valid));
    let configs = configs.expect("nothing is wrong");
    expect![[r#"
        {
          "authorization": {
            "timeout": 10
          },
          "cluster": {
            "advertise": "[::1]:6223",
            "authorization": {
              "password": "routepassword",
              "timeout": 10,
              "user": "route"
            },
            "host": "127.0.0.1",
            "name": "fsc",
            "no_advertise": true,
            "port": 6223,
            "routes": [
              "nats-route://route:routepassword@127.0.0.1:6222",
              "nats-route://route:routepassword@[::1]:6223",
              "nats-route://route:routepassword@127.0.0.1:6224"
            ],
            "tls": {
              "ca_file": "/bus/route-ca.crt",
              "cert_file": "/bus/route.pem",
              "key_file": "/bus/route.pem",
              "timeout": 5,
              "verify": true
            }
          },
          "host": "127.0.0.1",
          "jetstream": {
            "max_file_store": 8053063680,
            "max_memory_store": 0,
            "store_dir": "/bus/store",
            "strict": true,
            "sync_interval": "always"
          },
          "lame_duck_duration": "30s",
          "lame_duck_grace_period": "1s",
          "max_payload": 1048576,
          "port": 4223,
          "server_name": "fsc-1",
          "system_account": "SYS",
          "tls": {
            "cert_file": "/bus/client.pem",
            "key_file": "/bus/client.pem",
            "timeout": 5,
            "verify": false
          }
        }"#]]
    .assert_eq(&around_the_accounts(&configs[1]));
}

/// Else a server that is told of it connects to it by an address that no certificate is for.
#[test]
fn what_servers_tell_of_one_is_one_of_their_routes() {
    let valid = mission();
    let configs = server_configs(&valid, &topology("fsc", "/bus", 3), &material(&valid));
    for config in configs.expect("nothing is wrong") {
        let json: Value = serde_json::from_str(config.json.reveal()).expect("it is JSON");
        let told = json["cluster"]["advertise"].as_str().expect("it is told");
        let routes = json["cluster"]["routes"].as_array().expect("routes");
        let route = |route: &Value| {
            route
                .as_str()
                .expect("a URL")
                .ends_with(&format!("@{told}"))
        };
        assert_eq!(routes.iter().filter(|one| route(one)).count(), 1, "{told}");
    }
}

#[test]
fn a_single_server_with_client_certificates() {
    let mut valid = mission();
    valid.tls.client_certificates = true;
    valid.sync = Sync::Every(std::time::Duration::from_secs(90));
    let configs = server_configs(&valid, &topology("fsc", "/bus", 1), &material(&valid));
    let configs = configs.expect("nothing is wrong");
    expect![[r#"
        {
          "authorization": {
            "timeout": 10
          },
          "host": "127.0.0.1",
          "jetstream": {
            "max_file_store": 8053063680,
            "max_memory_store": 0,
            "store_dir": "/bus/store",
            "strict": true,
            "sync_interval": "90s"
          },
          "lame_duck_duration": "30s",
          "lame_duck_grace_period": "1s",
          "max_payload": 1048576,
          "port": 4222,
          "server_name": "fsc-0",
          "system_account": "SYS",
          "tls": {
            "ca_file": "/bus/client-ca.crt",
            "cert_file": "/bus/client.pem",
            "key_file": "/bus/client.pem",
            "timeout": 5,
            "verify": true
          }
        }"#]]
    .assert_eq(&around_the_accounts(&configs[0]));
}

#[test]
fn accounts_in_a_file_of_their_own_change_no_digest() {
    let valid = mission().with_user("analyst", &["science.*"], &["data.*"]);
    let mut topology = topology("fsc", "/bus", 3);
    for server in &mut topology.servers {
        server.monitor_port = Some(8222);
    }
    let material = material(&valid);
    let whole = server_configs(&valid, &topology, &material).expect("nothing is wrong");
    let shared = shared_configs(&valid, &topology, &material, "accounts.json");
    let shared = shared.expect("nothing is wrong");
    assert_eq!(shared.servers.len(), 3);
    for (own, whole) in shared.servers.iter().zip(&whole) {
        assert_eq!((&own.server, &own.digest), (&whole.server, &whole.digest));
        let text = own.text.reveal();
        assert!(
            text.len() < 2_000 && text.contains(r#","http_port":8222,"#),
            "{text}"
        );
        let include = r#"{include "accounts.json"}"#;
        assert!(
            text.starts_with(&format!("{{\"accounts\":{include},\"authorization\":")),
            "{text}"
        );
        let put_together = text.replacen(include, shared.accounts.reveal(), 1);
        assert_eq!(put_together, whole.json.reveal());
    }
    let size = secret_size(&shared, &topology, &material);
    let own: usize = shared
        .servers
        .iter()
        .map(|own| own.text.reveal().len())
        .sum();
    assert_eq!(
        size,
        shared.accounts.reveal().len() + own,
        "nothing else is minted"
    );
}

/// The same certificates at both ports: where one asks for a client's, the other does.
#[test]
fn websockets_meet_what_everybody_meets() {
    let mut valid = mission();
    let section = |valid: &Valid| {
        let configs = server_configs(valid, &topology("fsc", "/bus", 3), &material(valid));
        let configs = configs.expect("nothing is wrong");
        let json: Value = serde_json::from_str(configs[2].json.reveal()).expect("it is JSON");
        assert!(configs[2].json.reveal().contains(r#"},"websocket":{"#) == valid.websocket);
        (json["websocket"].clone(), json["tls"].clone())
    };
    assert_eq!(section(&valid).0, Value::Null);
    valid.websocket = true;
    let (websocket, tls) = section(&valid);
    assert_eq!(websocket["tls"], tls);
    valid.tls.client_certificates = true;
    let (websocket, tls) = section(&valid);
    assert_eq!(websocket["tls"], tls);
    expect![[r#"
        {
          "handshake_timeout": "5s",
          "host": "127.0.0.1",
          "port": 5224,
          "tls": {
            "ca_file": "/bus/client-ca.crt",
            "cert_file": "/bus/client.pem",
            "key_file": "/bus/client.pem",
            "timeout": 5,
            "verify": true
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&websocket).expect("it is JSON"));
}

/// Measured: what `nats-server -t` 2.15 prints for these files.
#[test]
fn a_real_server_agrees_about_the_digest() {
    let cases = [
        (
            r#"{"max_payload":1048576}"#,
            "sha256:805e8fcac4b17c72405e5f4bef5d73b2dd137a8b3f920d23191ff59feb44d80e",
        ),
        (
            "{\"accounts\":{\"A\":{\"users\":[{\"password\":\"<&>\u{2028}\\\"\\\\é😀\u{2029}\",\"permissions\":{\"publish\":\"_INBOX.>\"},\"user\":\"a\"}]}},\"system_account\":\"A\"}",
            "sha256:ee2f55c3dea02c0f3d0fa875b3b544f4903a0853e47564dbceef697c6cb9309d",
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(digest(json), expected, "{json}");
    }
}

#[test]
fn keys_are_sorted_as_the_digest_needs_them() {
    let valid = mission()
        .with_user("analyst", &["science.*"], &["science.*", "data.*"])
        .with_durable("analyst", "own", &["data.*"])
        .with_user("keyed", &["data.vhf"], &[])
        .with_key_pair("keyed");
    let configs = server_configs(&valid, &topology("fsc", "/bus", 3), &material(&valid));
    for config in configs.expect("nothing is wrong") {
        let text = config.json.reveal();
        let mut value: Value = serde_json::from_str(text).expect("it is JSON");
        value.sort_all_objects();
        assert_eq!(serde_json::to_string(&value).expect("it is JSON"), text);
    }
}

#[test]
fn a_control_character_is_refused_by_its_place() {
    let valid = mission();
    let configs = server_configs(&valid, &topology("fsc", "/bus\u{7}", 1), &material(&valid));
    let problems = configs.expect_err("a folder holds a control character");
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        [
            "spec: the configuration of server fsc-0 would hold a control character in jetstream.store_dir: choose a name or a folder without it",
            "spec: the configuration of server fsc-0 would hold a control character in tls.cert_file: choose a name or a folder without it",
            "spec: the configuration of server fsc-0 would hold a control character in tls.key_file: choose a name or a folder without it",
        ]
    "#]].assert_debug_eq(&text);
}

#[test]
fn what_does_not_fit_into_a_secret_is_refused_by_its_size() {
    let mut valid = mission();
    let all = ["activity.*", "data.*", "science.*"];
    for index in 0..300 {
        valid = valid.with_user(&format!("user-{index}"), &all, &all);
    }
    let configs = server_configs(&valid, &topology("fsc", "/bus", 3), &material(&valid));
    let problems = configs.expect_err("it is over the limit");
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        [
            "spec.users: the servers' configuration with its certificates takes 1055801 bytes, and one Secret holds 1048576: name fewer users, or grant each only the queues it needs, or split the bus in two",
        ]
    "#]].assert_debug_eq(&text);
}

/// Characters that mean something to JSON, to the servers' parser, to Go's encoder or to nobody.
fn odd_text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        '"', '\\', '/', '\'', '$', '#', '{', '}', '[', ']', ':', ',', '=', '<', '>', '&', '%', ' ',
        '*', '.', '\u{2028}', '\u{2029}', '\u{feff}', '\u{fffd}', 'é', '😀', 'a', '0',
    ]);
    let any = any::<char>().prop_filter("control characters are refused", |c| !c.is_control());
    prop::collection::vec(prop_oneof![odd, any], 0..40).prop_map(|text| text.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn every_string_survives(
        cluster in odd_text(),
        folder in odd_text(),
        hash in odd_text(),
        (domain, program) in ("[a-z][-_a-z0-9]{0,31}", "[a-z0-9][-_a-z0-9]{0,31}"),
        user in "[a-z][-a-z0-9]{0,39}",
    ) {
        let queue = format!("{domain}.{program}");
        let valid = bus(&[(&domain, &[&program])]).with_user(&user, &[&queue], &[&queue]);
        let mut material = material(&valid);
        for credential in material.users.values_mut() {
            if let crate::material::Credential::Password { hash: rendered, .. } = credential {
                *rendered = Some(hash.clone());
            }
        }
        let topology = topology(&cluster, &folder, 3);
        let configs = server_configs(&valid, &topology, &material).expect("nothing is wrong");
        for (config, server) in configs.iter().zip(&topology.servers) {
            let json: Value = serde_json::from_str(config.json.reveal()).expect("it is JSON");
            let at = |pointer: &str| json.pointer(pointer).and_then(Value::as_str);
            let account = format!("/accounts/U_{user}");
            prop_assert_eq!(at("/cluster/name"), Some(cluster.as_str()));
            prop_assert_eq!(at("/jetstream/store_dir"), Some(server.files.store_dir.as_str()));
            prop_assert_eq!(at("/tls/cert_file"), Some(server.files.client_pem.as_str()));
            prop_assert_eq!(at(&format!("{account}/users/0/password")), Some(hash.as_str()));
            prop_assert_eq!(at(&format!("{account}/users/0/user")), Some(user.as_str()));
            prop_assert_eq!(
                at(&format!("{account}/mappings/{queue}")).map(str::to_owned),
                Some(format!("pub.{queue}"))
            );
        }
    }
}
