use expect_test::{Expect, expect};

use super::settings;
use crate::kubernetes::fixtures::{of_spec, resource};

fn refused(yaml: &str, expected: Expect) {
    let problems = settings(&of_spec(yaml)).expect_err("something is wrong");
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn a_resource_that_says_nothing() {
    let settings = settings(&of_spec("users: []")).expect("nothing is wrong");
    expect![[r#"
        Settings {
            storage_class: None,
            image: Image {
                repository: "docker.io/library/nats",
                pin: Version,
                pull_policy: None,
                pull_secrets: [],
            },
            external: None,
            pod: Pod {
                requests: {
                    "cpu": Quantity(
                        "100m",
                    ),
                    "memory": Quantity(
                        "256Mi",
                    ),
                },
                limits: {},
                labels: {},
                annotations: {},
                placement: Placement {
                    node_selector: {},
                    tolerations: [],
                    affinity: None,
                    spread: [],
                    priority_class: None,
                },
            },
        }"#]]
    .assert_eq(&format!("{settings:#?}"));
    assert_eq!(
        settings.image.reference("2.15.1"),
        "docker.io/library/nats:2.15.1"
    );
}

#[test]
fn what_is_set_aside_is_merged_by_kind() {
    let shown = |resources: &str| {
        let pod = settings(&of_spec(&format!("pod: {{resources: {resources}}}")))
            .expect("nothing is wrong")
            .pod;
        format!("{:?} {:?}", pod.requests, pod.limits)
    };
    let told = [
        shown("{requests: {cpu: \"0.5\"}}"),
        shown("{limits: {memory: 1024Mi}}"),
        shown(
            "{requests: {cpu: 1000m, memory: 1.5Gi}, limits: {memory: 2Gi, example.org/fpga: 1}}",
        ),
    ];
    expect![[r#"
        {"cpu": Quantity("500m"), "memory": Quantity("256Mi")} {}
        {"cpu": Quantity("100m")} {"memory": Quantity("1Gi")}
        {"cpu": Quantity("1"), "memory": Quantity("1536Mi")} {"example.org/fpga": Quantity("1"), "memory": Quantity("2Gi")}"#]].assert_eq(&told.join("\n"));
}

#[test]
fn images() {
    let reference = |image: &str| {
        let settings = settings(&of_spec(&format!("image: {image}"))).expect("nothing is wrong");
        settings.image.reference("2.15.3")
    };
    assert_eq!(
        reference("{repository: registry.example.org:5000/nats}"),
        "registry.example.org:5000/nats:2.15.3"
    );
    assert_eq!(
        reference("{tag: 2.15.1-alpine}"),
        "docker.io/library/nats:2.15.1-alpine"
    );
    let digest = format!("sha256:{}", "0".repeat(64));
    assert_eq!(
        reference(&format!("{{digest: \"{digest}\"}}")),
        format!("docker.io/library/nats@{digest}")
    );
}

#[test]
fn names_that_the_api_server_would_refuse() {
    refused(
        "storage: {storageClassName: Fast}\n\
         image: {repository: \"nats:2.15.1\", tag: \"-\", pullSecrets: [{name: mirror}]}\n\
         pod:\n  \
           priorityClassName: high_priority\n  \
           nodeSelector: {\"example.org/\": x, disk: \"s s d\"}\n  \
           labels: {app.kubernetes.io/name: x, messaging.svom.eu/user: x, team: a b}\n  \
           annotations: {messaging.svom.eu/configuration: x, \"no good\": y}",
        expect![[r#"
            spec.storage.storageClassName: "Fast" cannot be the name of a storage class: write lower-case letters, digits, '-' and '.'
            spec.image.repository: "nats:2.15.1" is no repository: write REGISTRY/NAME in lower case, and tag or digest in fields of their own
            spec.image.tag: "-" is no tag: write letters, digits, '_', '-' and '.', such as 2.15.1-alpine
            spec.pod.labels: "a b" cannot be the value of team: write at most 63 letters, digits, '-', '_' and '.'
            spec.pod.labels: app.kubernetes.io/name is set by the operator or by Kubernetes: choose another key
            spec.pod.labels: messaging.svom.eu/user is set by the operator or by Kubernetes: choose another key
            spec.pod.annotations: "no good" cannot be a key: write NAME or DOMAIN/NAME, the name of at most 63 letters, digits, '-', '_' and '.'
            spec.pod.annotations: messaging.svom.eu/configuration is set by the operator or by Kubernetes: choose another key
            spec.pod.nodeSelector: "s s d" cannot be the value of disk: write at most 63 letters, digits, '-', '_' and '.'
            spec.pod.nodeSelector: "example.org/" cannot be a key: write NAME or DOMAIN/NAME, the name of at most 63 letters, digits, '-', '_' and '.'
            spec.pod.priorityClassName: "high_priority" cannot be the name of a priority class: write lower-case letters, digits, '-' and '.'"#]],
    );
}

#[test]
fn amounts_that_do_not_fit_together() {
    refused(
        "pod: {resources: {requests: {memory: 2Gi, cpu: 1}, limits: {memory: 1Gi, cpu: 1500m}}}",
        expect![
            "spec.pod.resources: memory: 2Gi is set aside and 1Gi is the limit: raise the limit or lower the request"
        ],
    );
}

#[test]
fn ways_from_outside() {
    refused(
        "external: {type: NodePort, annotations: {messaging.svom.eu/x: y}}",
        expect![[r#"
            spec.external.annotations: messaging.svom.eu/x is set by the operator or by Kubernetes: choose another key
            spec.external.hostnames: with type NodePort write the names or addresses of the nodes that clients are told: the servers' certificates must carry them"#]],
    );
    // Past the definition, which refuses it first.
    let mut resource = of_spec("external: {sourceRanges: [192.0.2.0/24]}");
    let external = resource.spec.external.as_mut().expect("it is there");
    external.source_ranges = vec!["192.0.2.7/24".to_owned()];
    let problems = settings(&resource).expect_err("no network");
    assert_eq!(problems[0].path, "spec.external.sourceRanges");
    let named = settings(&of_spec(
        "external: {type: NodePort, hostnames: [node-1.example.org, 192.0.2.7]}",
    ));
    let external = named
        .expect("nothing is wrong")
        .external
        .expect("it is there");
    assert_eq!(external.dns_names.len(), 1);
    assert_eq!(external.addresses.len(), 1);
    let by_wildcard = "external: {type: NodePort}\ntls: {extraDnsNames: [\"*.nodes.example.org\"]}";
    assert!(settings(&of_spec(by_wildcard)).is_ok());
}

#[test]
fn brought_secrets_have_names_of_their_own() {
    refused(
        "tls: {issuer: {secretRef: {name: fsc-authorities}}}\n\
         users: [{name: ann, secretRef: {name: fsc-user-ann}}, {name: bob, secretRef: {name: bob}}]",
        expect![[r#"
            spec.tls.issuer.secretRef: fsc-authorities is a name of the Secrets that are made for fsc: bring it under another name
            spec.users[name=ann].secretRef: fsc-user-ann is a name of the Secrets that are made for fsc: bring it under another name"#]],
    );
}

#[test]
fn a_name_that_could_be_read_in_two_ways() {
    // Past the definition, which refuses it first.
    let mut resource = resource(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {name: a}\nspec: {}",
    );
    resource.metadata.name = Some("a-user-b".to_owned());
    let problems = settings(&resource).expect_err("the name");
    assert_eq!(problems[0].path, "metadata.name");
}

#[test]
fn what_is_written_down_is_read_back() {
    let text = include_str!("../../../../../manifests/examples/on-kubernetes.yaml");
    let settings = settings(&resource(text)).expect("nothing is wrong");
    let json = serde_json::to_string(&settings).expect("plain data");
    assert_eq!(
        serde_json::from_str::<super::Settings>(&json).expect("the same"),
        settings
    );
}
