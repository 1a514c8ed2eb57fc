use std::fmt::Write;

use expect_test::{ExpectFile, expect_file};
use k8s_openapi::api::networking::v1::NetworkPolicyIngressRule;

use super::fixtures::{Made, made, of_spec, resource, shown};
use super::stateful_set::stateful_set;
use super::*;
use crate::material::Credential;
use crate::valid::UserName;
use crate::{Problem, Secret};

const MINIMAL: &str = include_str!("../../../../manifests/examples/minimal.yaml");
const FULL: &str = include_str!("../../../../manifests/examples/on-kubernetes.yaml");

/// A bus of whose users one brings a password, which is there.
fn with_brought(made: Made) -> Made {
    let mut made = made;
    let credential = Credential::Password {
        password: Secret::new("a password of its own"),
        brought: true,
        hash: Some("$2a$10$hash-of-archive".to_owned()),
    };
    made.material
        .users
        .insert(UserName::new("archive"), credential);
    made
}

fn all(made: &Made) -> Objects {
    objects(&made.bus(), &made.topology, &made.material).expect("everything is minted")
}

/// All objects as people read them; the values of Secrets beside their keys.
fn written(objects: &Objects) -> String {
    let mut text = String::new();
    for object in &objects.objects {
        let (object, data) = match object {
            Object::Secret(secret) => {
                let mut secret = secret.clone();
                let data = secret.data.take().expect("a Secret holds something");
                (Object::Secret(secret), format!("data:\n{}", shown(&data)))
            }
            other => (other.clone(), String::new()),
        };
        let yaml = serde_yaml::to_string(&object).expect("an object");
        writeln!(text, "---\n{yaml}{data}").expect("text");
    }
    for (server, digest) in &objects.digests {
        writeln!(text, "# {server} will report {digest}").expect("text");
    }
    writeln!(text, "# {}", objects.configuration).expect("text");
    text
}

fn check(made: &Made, expected: ExpectFile) {
    expected.assert_eq(&written(&all(made)));
}

#[test]
fn the_smallest_bus() {
    check(
        &made(&resource(MINIMAL)),
        expect_file!["./snapshots/minimal.txt"],
    );
}

#[test]
fn everything_that_can_be_said() {
    check(&full(), expect_file!["./snapshots/on-kubernetes.txt"]);
}

fn full() -> Made {
    // What is brought is read by a shell; here it is put beside what is minted.
    let mut text = resource(FULL);
    let mut secret = None;
    for user in &mut text.spec.users {
        secret = secret.or(user.secret_ref.take());
    }
    let mut made = with_brought(made(&text));
    let archive = made.valid.users.get_mut(&UserName::new("archive"));
    archive.expect("the user").secret = secret.map(|secret| secret.name);
    made
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for text in [MINIMAL, FULL] {
        let text = text.replace("      secretRef: {name: archive-credentials}\n", "");
        let [one, other] = [(); 2].map(|()| written(&all(&made(&resource(&text)))));
        assert_eq!(one, other);
    }
}

/// What a reload puts in force changes no pod's template, or else a pod that is made anew would be
/// another one than those beside it.
#[test]
fn a_reload_does_not_show_in_the_stateful_set() {
    let before = made(&of_spec("users: [{name: ann, publish: [data.vhf]}]"));
    let after = made(&of_spec(
        "users: [{name: ann}, {name: bob, subscribe: [\"data.*\"], authentication: NKey}]\n\
         tls: {clientCertificates: Required, extraDnsNames: [bus.example.org], issuer: {managed: {validity: 24h, renewBefore: 1h}}}\n\
         domains: [{name: data, programs: [vhf, mdb], maxAge: 1h}]\n\
         external: {type: NodePort, hostnames: [192.0.2.1]}\n\
         rollout: {maxWaitPerServer: 1m}\n\
         storage: {sync: 10s}",
    ));
    assert_eq!(stateful_set(&before.bus()), stateful_set(&after.bus()));
    let configuration = |made| all(made).configuration;
    assert_ne!(configuration(&before), configuration(&after));
}

#[test]
fn nothing_is_written_before_all_of_it_is_minted() {
    let whole = made(&resource(MINIMAL));
    let mut told = Vec::new();
    let mut ask = |take: fn(&mut crate::material::Material)| {
        let mut material = whole.material.clone();
        take(&mut material);
        let problems = objects(&whole.bus(), &whole.topology, &material).expect_err("not all");
        told.extend(problems.iter().map(Problem::to_string));
    };
    ask(|material| material.operator = None);
    ask(|material| material.authorities.clear());
    ask(|material| material.leaves.clear());
    ask(|material| material.users.clear());
    expect_test::expect![[r#"
        spec: the operator's own keys are missing: they are minted before servers are configured
        spec: an authority is not minted yet
        spec: the certificate server/fsc-0 is not minted yet
        spec.users: user alert-desk has no complete credential yet: it is minted or read before servers are configured
        spec.users: user vhf-listener has no complete credential yet: it is minted or read before servers are configured"#]].assert_eq(&told.join("\n"));
}

#[test]
fn what_is_wanted_no_more_is_found() {
    let outside = made(&of_spec(
        "external: {hostnames: [bus.example.org]}\nusers: [{name: ann}]",
    ));
    let inside = made(&of_spec("users: []"));
    let found = all(&outside).objects;
    let mut others = found.clone();
    for object in &mut others {
        if let Object::Service(service) = object {
            service.metadata.labels = None;
        }
    }
    let wanted = all(&inside).objects;
    let names = |found: &[Object]| -> Vec<String> {
        no_longer_wanted(found, &wanted, &inside.identity)
            .iter()
            .map(|object| format!("{} {}", object.kind(), object.name()))
            .collect()
    };
    assert_eq!(names(&found), ["Service fsc-external"]);
    assert!(names(&others).is_empty(), "what is not ours is left alone");
}

/// Clients from outside are let in at both of their ports, and nobody else is let in anywhere for it.
#[test]
fn websockets_are_reached_where_clients_are() {
    let spec = |websocket: bool| {
        of_spec(&format!(
            "external: {{hostnames: [bus.example.org], sourceRanges: [192.0.2.0/24]}}\nwebsocket: {{enabled: {websocket}}}"
        ))
    };
    let ports = |websocket: bool| -> Vec<String> {
        let made = made(&spec(websocket));
        let objects = around(&made.bus());
        let name = |object: &Object| format!("{} {}", object.kind(), object.name());
        let told = |object: &Object| match object {
            Object::Service(service) => {
                let ports = service.spec.clone()?.ports?;
                Some(ports.iter().map(|port| port.port.to_string()).collect())
            }
            Object::NetworkPolicy(policy) => {
                let rules = policy.spec.clone()?.ingress?;
                let told = |rule: &NetworkPolicyIngressRule| {
                    let ports = rule.ports.iter().flatten();
                    let ports: Vec<_> = ports.filter_map(|port| port.port.clone()).collect();
                    format!("{ports:?} from {}", rule.from.iter().flatten().count())
                };
                Some(rules.iter().map(told).collect::<Vec<String>>())
            }
            _ => None,
        };
        let all = objects.iter().filter_map(|object| {
            let told: Vec<String> = told(object)?;
            Some(format!("{}: {}", name(object), told.join(" ")))
        });
        all.collect()
    };
    expect_test::expect![[r#"
        Service fsc-servers: 4222 6222
        Service fsc: 4222
        Service fsc-external: 4222
        NetworkPolicy fsc: [Int(4222)] from 2 [Int(6222)] from 1
        --
        Service fsc-servers: 4222 8080 6222
        Service fsc: 4222 8080
        Service fsc-external: 4222 8080
        NetworkPolicy fsc: [Int(4222), Int(8080)] from 2 [Int(6222)] from 1"#]]
    .assert_eq(&format!(
        "{}\n--\n{}",
        ports(false).join("\n"),
        ports(true).join("\n")
    ));
}

#[test]
fn the_tested_version_is_one_that_a_resource_may_name() {
    let named = format!("version: \"{}\"", settings::TESTED_VERSION);
    assert_eq!(
        made(&of_spec(&named)).valid.version.as_deref(),
        Some(settings::TESTED_VERSION)
    );
}

#[test]
fn what_has_no_second_copy_is_made_empty_first() {
    let made = made(&resource(MINIMAL));
    let first: Vec<Object> = all(&made)
        .objects
        .iter()
        .filter_map(Object::without_data)
        .collect();
    let names: Vec<&str> = first.iter().map(Object::name).collect();
    assert_eq!(
        names,
        [
            "fsc-authorities",
            "fsc-user-alert-desk",
            "fsc-user-vhf-listener",
            "fsc-operator"
        ]
    );
    for object in &first {
        let value = serde_json::to_value(object).expect("plain data");
        assert_eq!(value.get("data"), None);
        assert_eq!(ours(object.metadata(), &made.identity), Ownership::Ours);
    }
}
