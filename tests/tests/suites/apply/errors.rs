//! Resources that are wrong, and changes that are refused: what is in force stays in force.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, ensure};
use expect_test::{Expect, expect};
use svom_tests::bus::Bus;
use svom_tests::client::Client;
use svom_tests::local::LocalBus;

use super::witnesses::Witnesses;
use super::{applied, clients_at, may_not_publish, may_publish, resource};

const USERS: &str = "    - {name: gateway, publish: [data.vhf, data.xband]}\n";

#[test]
fn a_resource_with_errors_changes_nothing() -> Result<()> {
    LocalBus::with(&resource(USERS), |bus| {
        let mut witnesses = Witnesses::of(bus)?;
        let good = resource(USERS);
        let before = state(bus)?;
        for (wrong, expected) in wrong_resources(&good) {
            applied(bus, &wrong, &expected)?;
            let after = state(bus)?;
            ensure!(after == before, "something changed for {wrong}");
            witnesses.are_undisturbed(&format!("a wrong resource, {} bytes", wrong.len()))?;
        }
        applied(
            bus,
            &good,
            &expect![[r#"
            exit code 0
            Nothing changes.
            Ready: 3 server(s), 3 queues and 4 user(s) are in force and proven
        "#]],
        )?;
        witnesses.are_undisturbed("the good resource again")?;
        witnesses.lost_nothing(bus)
    })
}

/// Resources that are wrong each in its own way, and what is said of each.
fn wrong_resources(good: &str) -> Vec<(String, Expect)> {
    vec![
        (
            String::new(),
            expect![[r#"
                exit code 1
                error: FILE: the file is empty
            "#]],
        ),
        (
            format!("{good}  - : ["),
            expect![[r#"
                exit code 1
                error: FILE:14: this is not valid YAML: did not find expected key
            "#]],
        ),
        (
            good.replace("publish: [data.vhf", "publishes: [data.vhf"),
            expect![[r#"
                    exit code 1
                    error: FILE:13: spec.users[3].publishes: unknown field; known here: authentication, durables, name, publish, secretRef, subscribe
                "#]],
        ),
        (
            good.replace("metadata: {name: apply}", "metadata: {name: other}"),
            expect![[r#"
                    exit code 1
                    refuse   metadata.name: apply -> other
                             servers, Secrets and the cluster itself are named like the resource
                             make a second resource with the new name and move the clients to it
                    Not ready (ChangeRefused): metadata.name: apply -> other: servers, Secrets and the cluster itself are named like the resource; make a second resource with the new name and move the clients to it
                "#]],
        ),
        (
            good.replace("spec:\n", "spec:\n  replicas: 2\n"),
            expect![[r#"
                    exit code 1
                    error: FILE:5: spec.replicas: write 1, 3 or 5: an even number of servers survives no more falls than the odd number below it
                "#]],
        ),
        (
            format!("{good}    - {{name: newcomer, publish: [data.radio]}}\n"),
            expect![[r#"
                    exit code 1
                    wrong    spec.users[4].publish[0]: data.radio names no declared queue; declared are data.mdb, data.vhf, data.xband
                    Since the resource is wrong, only what it takes away was applied.
                    Nothing changes.
                    Not ready (InvalidSpec): spec.users[4].publish[0]: data.radio names no declared queue; declared are data.mdb, data.vhf, data.xband; the last good state stays in force, less what this one takes away
                "#]],
        ),
        (
            format!("{good}    - {{name: gateway, publish: [data.mdb]}}\n"),
            expect![[r#"
                    exit code 1
                    error: FILE:14: spec.users[4]: "gateway" stands here twice
                "#]],
        ),
    ]
}

#[test]
fn a_resource_with_errors_still_takes_rights_away() -> Result<()> {
    LocalBus::with(&resource(USERS), |bus| {
        let mut witnesses = Witnesses::of(bus)?;
        let gateway = clients_at(bus, "gateway", "apply-0")?;
        may_publish(&gateway, "data.xband", "before")?;
        let less = "    - {name: gateway, publish: [data.vhf]}\n";
        let wrong = format!("{less}    - {{name: newcomer, publish: [data.radio]}}\n");
        applied(
            bus,
            &resource(&wrong),
            &expect![[r#"
            exit code 1
            wrong    spec.users[4].publish[0]: data.radio names no declared queue; declared are data.mdb, data.vhf, data.xband
            Since the resource is wrong, only what it takes away was applied.
            reload   spec.users[gateway].publish: loses data.xband
                     in force on open connections; what it may no longer publish to is refused
            Not ready (InvalidSpec): spec.users[4].publish[0]: data.radio names no declared queue; declared are data.mdb, data.vhf, data.xband; the last good state stays in force, less what this one takes away
        "#]],
        )?;
        may_not_publish(&gateway, "data.xband")?;
        may_publish(&gateway, "data.vhf", "after")?;
        witnesses.are_undisturbed("a wrong resource that takes a right away")?;
        applied(
            bus,
            &resource(less),
            &expect![[r#"
            exit code 0
            Nothing changes.
            Ready: 3 server(s), 3 queues and 4 user(s) are in force and proven
        "#]],
        )?;
        let lost: usize = gateway.iter().map(Client::disconnects).sum();
        ensure!(lost == 0, "the gateway was disconnected {lost} times");
        witnesses.lost_nothing(bus)
    })
}

#[test]
fn a_change_that_would_lose_messages_is_refused_and_the_rest_is_done() -> Result<()> {
    LocalBus::with(&resource(USERS), |bus| {
        let mut witnesses = Witnesses::of(bus)?;
        witnesses.are_undisturbed("the start")?;
        let gateway = clients_at(bus, "gateway", "apply-0")?;
        let less = resource("    - {name: gateway, publish: [data.vhf]}\n");
        let fewer = less.replace("xband]}\n", "xband], maxMessagesPerQueue: 1}\n");
        ensure!(
            fewer != less,
            "there is no domain to keep fewer messages of"
        );
        applied(
            bus,
            &fewer,
            &expect![[r#"
            exit code 1
            reload   spec.users[gateway].publish: loses data.xband
                     in force on open connections; what it may no longer publish to is refused
            refuse   spec.domains[data].maxMessagesPerQueue: 100,000 -> 1
                     5 messages above 1 in 1 queue of stream DATA (most in data.mdb, which holds 6) would be deleted at once
                     wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
            Not ready (ChangeRefused): spec.domains[data].maxMessagesPerQueue: 100,000 -> 1: 5 messages above 1 in 1 queue of stream DATA (most in data.mdb, which holds 6) would be deleted at once; wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
        "#]],
        )?;
        may_not_publish(&gateway, "data.xband")?;
        witnesses.are_undisturbed("a refused change")?;
        applied(
            bus,
            &less,
            &expect![[r#"
            exit code 0
            Nothing changes.
            Ready: 3 server(s), 3 queues and 4 user(s) are in force and proven
        "#]],
        )?;
        witnesses.lost_nothing(bus)
    })
}

/// What is in force: the files of the state folder, but logs and messages, and what each server runs.
fn state(bus: &LocalBus) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut state = BTreeMap::new();
    for folder in ["", "secrets", "users/gateway", "users/witness"] {
        for entry in fs::read_dir(bus.state().join(folder))?.flatten() {
            if entry.file_type()?.is_file() {
                state.insert(entry.path().display().to_string(), fs::read(entry.path())?);
            }
        }
    }
    for server in bus.status()?.servers {
        let digest = server.config_digest.unwrap_or_default();
        state.insert(server.name, digest.into_bytes());
    }
    Ok(state)
}
