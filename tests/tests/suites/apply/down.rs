//! A change while a server is down: it comes back with the new rights.

use anyhow::{Result, ensure};
use expect_test::{Expect, expect};
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::local::LocalBus;

use super::witnesses::Witnesses;
use super::{
    applied, clients_at, every_server_has_its_configuration, may_not_publish, may_publish, resource,
};

const BEFORE: &str = "    - {name: gateway, publish: [data.vhf, data.xband]}
    - {name: former, publish: [data.vhf]}
";
/// The gateway loses a right, somebody is gone and somebody is new.
const AFTER: &str = "    - {name: gateway, publish: [data.vhf]}
    - {name: newcomer, publish: [data.xband]}
";

#[test]
fn a_server_that_was_killed_comes_back_with_the_new_rights() -> Result<()> {
    comes_back(
        |bus, server| bus.kill(server),
        &expect![[r#"
        exit code 1
        reload   spec.users[former]: removed: published to data.vhf; subscribed to nothing
                 its connections are closed at once and it cannot connect again; nobody else is touched
        reload   spec.users[gateway].publish: loses data.xband
                 in force on open connections; what it may no longer publish to is refused
        reload   spec.users[newcomer]: added: publishes to data.xband; subscribes to nothing
                 its credentials are made; nobody else is touched
        Not ready (ServerDown): apply-2: is down: it was killed on request; start it with `svom-messaging local start`
    "#]],
    )
}

#[test]
fn a_server_that_was_stopped_comes_back_with_the_new_rights() -> Result<()> {
    comes_back(
        |bus, server| bus.stop(server),
        &expect![[r#"
        exit code 1
        reload   spec.users[former]: removed: published to data.vhf; subscribed to nothing
                 its connections are closed at once and it cannot connect again; nobody else is touched
        reload   spec.users[gateway].publish: loses data.xband
                 in force on open connections; what it may no longer publish to is refused
        reload   spec.users[newcomer]: added: publishes to data.xband; subscribes to nothing
                 its credentials are made; nobody else is touched
        Not ready (ServerDown): apply-2: is down: it was stopped on request; start it with `svom-messaging local start`
    "#]],
    )
}

fn comes_back(fall: impl FnOnce(&LocalBus, &str) -> Result<()>, expected: &Expect) -> Result<()> {
    LocalBus::with(&resource(BEFORE), |bus| {
        let servers = bus.servers();
        let [standing @ .., fallen] = servers.as_slice() else {
            anyhow::bail!("no servers");
        };
        let mut witnesses = Witnesses::at(bus, standing)?;
        let gateway = clients_at(bus, "gateway", &standing[0])?;
        let mut former = bus.credentials_at("former", fallen)?;
        // What it was handed goes with it; what it knows stays.
        former.ca = bus.credentials("gateway")?.ca;
        fall(bus, fallen)?;

        applied(bus, &resource(AFTER), expected)?;
        for server in standing {
            may_publish(
                &clients_at(bus, "newcomer", server)?,
                "data.xband",
                &format!("the newcomer at {server}"),
            )?;
        }
        may_not_publish(&gateway, "data.xband")?;
        witnesses.are_undisturbed("a change while a server is down")?;

        bus.start(fallen)?;
        every_server_has_its_configuration(bus)?;
        let there = clients_at(bus, "gateway", fallen)?;
        may_not_publish(&there, "data.xband")?;
        may_publish(&there, "data.vhf", "at the server that came back")?;
        may_publish(
            &clients_at(bus, "newcomer", fallen)?,
            "data.xband",
            "the newcomer at the server that came back",
        )?;
        for library in Library::ALL {
            let refusal = Client::refusal(library, &former)?;
            ensure!(refusal.is_some(), "the former user is let in");
        }
        applied(
            bus,
            &resource(AFTER),
            &expect![[r#"
            exit code 0
            Nothing changes.
            Ready: 3 server(s), 3 queues and 5 user(s) are in force and proven
        "#]],
        )?;
        witnesses.are_undisturbed("the server came back")?;
        let lost: usize = gateway.iter().map(Client::disconnects).sum();
        ensure!(lost == 0, "the gateway was disconnected {lost} times");
        witnesses.lost_nothing(bus)
    })
}
