//! A server that does not read the configuration that was written for it.
//!
//! The servers are started by a program that gives them another file to read, which is a link to their
//! own: what the link leads to is what the server reads.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use expect_test::expect;
use svom_cluster::slots::Slot;
use svom_tests::bus::Bus;
use svom_tests::client::Client;
use svom_tests::local::LocalBus;

use super::witnesses::Witnesses;
use super::{
    applied, clients_at, every_server_has_its_configuration, may_not_publish, may_publish, resource,
};

const BEFORE: &str = "    - {name: gateway, publish: [data.vhf, data.xband]}\n";
/// The gateway loses a right, and somebody is new.
const AFTER: &str = "    - {name: gateway, publish: [data.vhf]}
    - {name: newcomer, publish: [data.xband]}
";
/// The file that the server reads, in its own folder.
const READ: &str = "read.json";
/// The server that does not read what it should.
const DEAF: &str = "apply-2";

/// Runs what is to be tried on a bus whose servers read through the link.
fn through_links(attempt: impl FnOnce(&LocalBus) -> Result<()>) -> Result<()> {
    let bus = LocalBus::prepare(&resource(BEFORE), Slot::shared())?;
    bus.begin()?;
    let real = bus.process(DEAF)?.program()?;
    bus.finish()?;
    let folder = tempfile::tempdir()?;
    bus.served_by(program(folder.path(), &real)?).run(attempt)
}

/// A nats-server that reads `read.json` beside the file that it is told to read.
fn program(folder: &Path, real: &Path) -> Result<PathBuf> {
    let path = folder.join("nats-server");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = -c ]; then\n  [ -L {READ} ] || ln -s server.json {READ}\n  exec '{real}' -c \"$PWD/{READ}\"\nfi\nexec '{real}' \"$@\"\n",
        real = real.display()
    );
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Makes the server read this file, or, where there is none, nothing.
fn lead_to(bus: &LocalBus, target: &str) -> Result<()> {
    let link = bus.store(DEAF).join(READ);
    fs::remove_file(&link).with_context(|| format!("no {}", link.display()))?;
    Ok(symlink(target, link)?)
}

#[test]
fn a_server_that_does_not_read_its_configuration_is_named() -> Result<()> {
    through_links(|bus| {
        let mut witnesses = Witnesses::of(bus)?;
        let mut gateways = Vec::new();
        for server in bus.servers() {
            gateways.push(clients_at(bus, "gateway", &server)?);
        }
        there_is_nothing_to_read(bus, &gateways)?;
        witnesses.are_undisturbed("a server could not read")?;
        there_is_something_else_to_read(bus, &gateways)?;
        witnesses.are_undisturbed("a server read something else")?;
        there_is_its_own_to_read(bus)?;
        witnesses.are_undisturbed("the server read its own again")?;
        let lost: usize = gateways.iter().flatten().map(Client::disconnects).sum();
        ensure!(lost == 0, "gateways were disconnected {lost} times");
        witnesses.lost_nothing(bus)
    })
}

/// The server refuses and keeps what it has; the others take what is new.
fn there_is_nothing_to_read(bus: &LocalBus, gateways: &[Vec<Client>]) -> Result<()> {
    let (deaf, hearing) = gateways.split_last().context("no servers")?;
    lead_to(bus, "nothing.json")?;
    applied(
        bus,
        &resource(AFTER),
        &expect![[r#"
            exit code 1
            reload   spec.users[gateway].publish: loses data.xband
                     in force on open connections; what it may no longer publish to is refused
            reload   spec.users[newcomer]: added: publishes to data.xband; subscribes to nothing
                     its credentials are made; nobody else is touched
            Not ready (StepFailed): server apply-2 refuses to reload its configuration: open DIR/servers/apply-2/read.json: no such file or directory
        "#]],
    )?;
    for clients in hearing {
        may_not_publish(clients, "data.xband")?;
    }
    for clients in gateways {
        may_publish(clients, "data.vhf", "while a server cannot read")?;
    }
    may_publish(deaf, "data.xband", "where nothing is read")
}

/// The server takes it, and its digest tells.
fn there_is_something_else_to_read(bus: &LocalBus, gateways: &[Vec<Client>]) -> Result<()> {
    let deaf = gateways.last().context("no servers")?;
    let own = fs::read_to_string(bus.store(DEAF).join("server.json"))?;
    let other = own.replace(
        "\"max_payload\":",
        "\"max_control_line\": 8192, \"max_payload\":",
    );
    ensure!(
        own != other,
        "there is no max_payload to put something before"
    );
    fs::write(bus.store(DEAF).join("other.json"), other)?;
    lead_to(bus, "other.json")?;
    applied(
        bus,
        &resource(AFTER),
        &expect![[r#"
            exit code 1
            Nothing changes.
            Not ready (ConfigurationBehind): the configuration that is wanted is not in force on apply-2
        "#]],
    )?;
    may_not_publish(deaf, "data.xband")
}

/// The next good run works, at this server too.
fn there_is_its_own_to_read(bus: &LocalBus) -> Result<()> {
    lead_to(bus, "server.json")?;
    applied(
        bus,
        &resource(AFTER),
        &expect![[r#"
            exit code 0
            Nothing changes.
            Ready: 3 server(s), 3 queues and 5 user(s) are in force and proven
        "#]],
    )?;
    every_server_has_its_configuration(bus)?;
    for server in bus.servers() {
        let newcomer = clients_at(bus, "newcomer", &server)?;
        may_publish(&newcomer, "data.xband", &format!("newcomer at {server}"))?;
    }
    Ok(())
}

#[test]
fn a_server_that_could_not_read_is_asked_again_without_another_apply() -> Result<()> {
    through_links(|bus| {
        let mut witnesses = Witnesses::of(bus)?;
        lead_to(bus, "nothing.json")?;
        let refused = bus.try_apply(&resource(AFTER))?;
        ensure!(refused.code == Some(1), "{}", refused.said);
        lead_to(bus, "server.json")?;
        bus.wait_until_ready()?;
        every_server_has_its_configuration(bus)?;
        let newcomer = clients_at(bus, "newcomer", DEAF)?;
        may_publish(&newcomer, "data.xband", "the newcomer")?;
        witnesses.are_undisturbed("the server was asked again")?;
        witnesses.lost_nothing(bus)
    })
}
