//! What is accepted, and the words for what is not.

use expect_test::{Expect, expect};

use super::read;

const HEAD: &str =
    "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {name: fsc}\n";

fn refused(text: &str, expected: Expect) {
    let defects = read(text.as_bytes()).expect_err("the text must be refused");
    let lines: Vec<String> = defects.iter().map(ToString::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

fn refused_spec(spec: &str, expected: Expect) {
    refused(&format!("{HEAD}spec:\n{spec}"), expected);
}

#[test]
fn the_smallest_resource_has_every_default() {
    let resource = read(format!("{HEAD}spec: {{}}\n").as_bytes()).expect("valid");
    expect![[r#"
        {
          "apiVersion": "messaging.svom.eu/v1alpha1",
          "kind": "SvomMessaging",
          "metadata": {
            "name": "fsc"
          },
          "spec": {
            "replicas": 3,
            "storage": {
              "size": "10Gi",
              "sync": "Always",
              "onDelete": "Retain"
            },
            "tls": {
              "clientCertificates": "None"
            },
            "users": [],
            "rollout": {
              "maxWaitPerServer": "10m"
            },
            "paused": false
          },
          "status": {
            "observedGeneration": -1
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&resource).unwrap());
}

#[test]
fn text_that_is_not_a_resource() {
    refused("", expect!["the file is empty"]);
    refused("---\n", expect!["the file is empty"]);
    refused(
        "just words\n",
        expect![
            "line 1: the document is not a SvomMessaging: it must begin with apiVersion: messaging.svom.eu/v1alpha1"
        ],
    );
    refused(
        "kind: Pod\napiVersion: v1\n",
        expect![[r#"
        line 1: kind: write SvomMessaging instead of "Pod"
        line 2: apiVersion: write messaging.svom.eu/v1alpha1 instead of "v1""#]],
    );
    refused(
        "kind: SvomMessaging\n",
        expect!["apiVersion: missing: write apiVersion: messaging.svom.eu/v1alpha1"],
    );
    refused(
        &format!("{HEAD}spec: {{}}\n---\n{HEAD}spec: {{}}\n"),
        expect!["the file holds more than one document; write one resource in each file"],
    );
    refused(
        &format!("{HEAD}spec:\n\tusers: []\n"),
        expect!["line 5: the line is indented with a tab; YAML is indented with spaces"],
    );
    refused(
        &format!("{HEAD}spec: [\n"),
        expect!["line 5: this is not valid YAML: did not find expected node content"],
    );
    refused(
        &format!("{HEAD}spec: {{}}\nspec: {{}}\n"),
        expect![[r#"line 1: this is not valid YAML: duplicate entry with key "spec""#]],
    );
    refused(
        &format!("{HEAD}spec: {{1: 2}}\n"),
        expect!["spec: the key 1 is not text: put it in quotes"],
    );
    refused(
        &format!("{HEAD}spec: {{paused: !yes true}}\n"),
        expect!["spec.paused: the tag !yes has no meaning here: remove it"],
    );
    refused(
        &format!("{HEAD}spec: {{replicas: .nan}}\n"),
        expect!["spec.replicas: .nan is not a number that can be used"],
    );
}

#[test]
fn text_that_is_hostile() {
    let defects = read(&[b'x'; 10 << 20]).expect_err("too large");
    expect!["the file has more than 1048576 bytes, which no resource has"]
        .assert_eq(&defects[0].to_string());
    let defects = read(b"kind: x\n\xff\xfe").expect_err("not UTF-8");
    expect!["line 2: the file is not UTF-8 text"].assert_eq(&defects[0].to_string());
    let nested = |depth| format!("{HEAD}spec: {}{}\n", "[".repeat(depth), "]".repeat(depth));
    refused(
        &nested(200),
        expect!["line 4: this is not valid YAML: recursion limit exceeded"],
    );
    refused(
        &nested(400_000),
        expect!["line 4: this is nested more than 256 deep, which no resource is"],
    );
    let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (this, last) in ('b'..='k').zip('a'..='j') {
        bomb += &format!(
            "{this}: &{this} [{}]\n",
            vec![format!("*{last}"); 9].join(",")
        );
    }
    refused(
        &bomb,
        expect!["this is not valid YAML: repetition limit exceeded"],
    );
}

#[test]
fn fields_that_are_unknown_or_wrong() {
    refused_spec(
        "  user: []\n  replicas: three\n",
        expect![[r#"
            line 5: spec.user: unknown field; known here: domains, external, image, paused, pod, replicas, rollout, storage, tls, users, version, websocket
            line 6: spec.replicas: text stands here; write a whole number"#]],
    );
    refused_spec(
        "  users:\n  - name: gateway\n    publish: data.vhf\n  - name: gateway\n",
        expect![[r#"
        line 7: spec.users[0].publish: text stands here; write a list
        line 8: spec.users[1]: "gateway" stands here twice"#]],
    );
    refused_spec(
        "  users:\n  - {publish: [data.vhf, data.vhf], name: 7}\n",
        expect![[r#"
        line 6: spec.users[0].name: a number stands here; write text (put it in quotes if it looks like a number or a truth value)
        line 6: spec.users[0].publish[1]: "data.vhf" stands here twice"#]],
    );
    refused_spec(
        "  domains: []\n",
        expect!["line 5: spec.domains: write at least 1 of them"],
    );
    refused_spec(
        "  storage: {onDelete: Keep}\n  replicas: 99999999999\n",
        expect![[r#"
        line 5: spec.storage.onDelete: "Keep" is not known; write one of Retain, Delete
        line 6: spec.replicas: 99999999999 is too large for this field"#]],
    );
    refused(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {nam: fsc, labels: {a: 1}}\nspec: {}\n",
        expect![[r#"
        line 3: metadata.labels.a: a number stands here; write text (put it in quotes if it looks like a number or a truth value)
        line 3: metadata.nam: unknown field
        line 3: metadata.name: missing: write a name"#]],
    );
}

#[test]
fn values_that_break_a_rule() {
    refused_spec(
        "  replicas: 2\n",
        expect![
            "line 5: spec.replicas: write 1, 3 or 5: an even number of servers survives no more falls than the odd number below it"
        ],
    );
    refused_spec(
        "  storage: {size: 1.5Gi, sync: never}\n",
        expect![[r#"
        line 5: spec.storage.size: write a whole number with a unit, such as 512Mi, 10Gi or 1Ti
        line 5: spec.storage.sync: write Always, or a length of time such as 10s or 2m"#]],
    );
    refused_spec(
        "  users:\n  - {name: Gate_Way, publish: ['>', data.vhf]}\n",
        expect![[r#"
        line 6: spec.users[0].name: write a DNS label that starts with a letter: lower-case letters, digits and '-', such as vhf-listener
        line 6: spec.users[0].publish: write queues such as data.vhf, data.* or *.too; *.* and > are not granted: name what is needed"#]],
    );
    refused_spec(
        "  domains:\n  - {name: live, programs: [Ab]}\n",
        expect![[r#"
        line 6: spec.domains[0].name: write a name that starts with a letter and holds lower-case letters, digits, '-' and '_'; live, pub, deliver and svom are reserved
        line 6: spec.domains[0].programs: write programs in lower-case letters, digits, '-' and '_', such as core_program"#]],
    );
    refused_spec(
        "  tls: {issuer: {managed: {}, secretRef: {name: ca}}}\n",
        expect!["line 5: spec.tls.issuer: write exactly one of managed and secretRef"],
    );
    refused_spec(
        "  tls: {issuer: {}}\n",
        expect!["line 5: spec.tls.issuer: write exactly one of managed and secretRef"],
    );
    refused_spec(
        "  version: '2.14.5'\n",
        expect![
            "line 5: spec.version: write a version of nats-server that this release supports: 2.15.x, such as 2.15.1"
        ],
    );
    refused(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {name: Fsc}\nspec: {}\n",
        expect![
            "metadata.name must start with a letter, hold only lower-case letters, digits and '-', and be at most 40 characters long, since the names of servers and Secrets are made from it"
        ],
    );
}

#[test]
fn networks() {
    let spec = |range: &str| format!("{HEAD}spec:\n  external: {{sourceRanges: ['{range}']}}\n");
    for range in [
        "0.0.0.0/0",
        "192.0.2.0/24",
        "192.0.2.7/32",
        "::/0",
        "2001:db8::/32",
        "2001:db8::7/128",
    ] {
        assert!(read(spec(range).as_bytes()).is_ok(), "{range}");
    }
    for range in [
        "192.0.2.7",
        "192.0.2.7/24",
        "192.0.2.0/33",
        "192.0.2.0/024",
        "192.0.02.0/24",
        "192.0.2/24",
        "192.0.2.0/24 ",
        "bus.example.org",
        "2001:db8::7/32",
        "2001:DB8::/32",
        "2001:db8:0::/48",
        "fe80::1%eth0/128",
        "::ffff:192.0.2.0/120",
    ] {
        let defects = read(spec(range).as_bytes()).expect_err(range);
        let said: Vec<String> = defects.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "line 5: spec.external.sourceRanges: write networks in their shortest form and without a bit beyond the prefix, such as 192.0.2.0/24 or 2001:db8::/32; 192.0.2.7/32 is one address"
            ],
            "{range}"
        );
    }
}
