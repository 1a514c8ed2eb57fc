//! Files of the state folder that are damaged while the bus runs.

use std::fs;

use anyhow::{Context, Result, ensure};
use expect_test::{Expect, expect};
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
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

#[test]
fn a_damaged_secret_is_named_and_holds_up_no_revocation() -> Result<()> {
    LocalBus::with(&resource(BEFORE), |bus| {
        let mut witnesses = Witnesses::of(bus)?;
        let gateway = clients_at(bus, "gateway", "apply-0")?;
        let cases: [(&str, Expect); 4] = [
            (
                "operator.json",
                expect![[r#"
                exit code 1
                error: DIR/secrets/operator.json: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; all servers have to be restarted after that; what the resource takes away was applied all the same
            "#]],
            ),
            (
                "authority.clients.pem",
                expect![[r#"
                exit code 1
                error: DIR/secrets/authority.clients.pem: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; every client then needs the new ca.crt; what the resource takes away was applied all the same
            "#]],
            ),
            (
                "authority.routes.pem",
                expect![[r#"
                exit code 1
                error: DIR/secrets/authority.routes.pem: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; all servers have to be restarted after that; what the resource takes away was applied all the same
            "#]],
            ),
            (
                "user.gateway.password",
                expect![[r#"
                exit code 1
                error: DIR/secrets/user.gateway.password: is damaged. It is not replaced by itself: restore it from a backup, or remove it, so that another is made; user gateway then needs the new one; what the resource takes away was applied all the same
            "#]],
            ),
        ];
        for (name, expected) in cases {
            damaged_and_whole_again(bus, &gateway, name, &expected)?;
            witnesses.are_undisturbed(name)?;
        }
        let lost: usize = gateway.iter().map(Client::disconnects).sum();
        ensure!(lost == 0, "the gateway was disconnected {lost} times");
        witnesses.lost_nothing(bus)
    })
}

fn damaged_and_whole_again(
    bus: &LocalBus,
    gateway: &[Client],
    name: &str,
    expected: &Expect,
) -> Result<()> {
    may_publish(gateway, "data.xband", &format!("before {name}"))?;
    let file = bus.state().join("secrets").join(name);
    let whole = fs::read(&file).with_context(|| name.to_owned())?;
    let damaged = &whole[..whole.len() / 2];
    fs::write(&file, damaged)?;
    applied(bus, &resource(AFTER), expected)?;
    ensure!(fs::read(&file)? == damaged, "{name} was touched");
    may_not_publish(gateway, "data.xband")?;
    may_publish(gateway, "data.vhf", &format!("while {name} is damaged"))?;
    ensure!(
        bus.credentials("newcomer").is_err(),
        "{name}: the new user was handed something"
    );

    fs::write(&file, &whole)?;
    bus.apply(&resource(AFTER))?;
    let newcomer = clients_at(bus, "newcomer", "apply-1")?;
    may_publish(&newcomer, "data.xband", &format!("newcomer after {name}"))?;
    bus.apply(&resource(BEFORE))
}

#[test]
fn what_can_be_made_anew_is_made_anew_by_the_next_apply() -> Result<()> {
    LocalBus::with(&resource(BEFORE), |bus| {
        let mut witnesses = Witnesses::of(bus)?;
        let password = bus.credentials("gateway")?;
        let files = [
            "in-force.json",
            "ca.crt",
            "secrets/certificate.server.apply-1.pem",
            "secrets/certificate.route.apply-1.pem",
            "secrets/user.gateway.hash",
            "servers/apply-0/server.json",
            "servers/apply-1/client.pem",
            "servers/apply-2/route-ca.crt",
            "users/gateway/password",
            "users/gateway/ca.crt",
        ];
        for file in files {
            let file = bus.state().join(file);
            let whole = fs::read(&file).with_context(|| file.display().to_string())?;
            fs::write(&file, &whole[..whole.len() / 2])?;
        }
        applied(
            bus,
            &resource(BEFORE),
            &expect![[r#"
            exit code 0
            Nothing changes.
            Ready: 3 server(s), 3 queues and 4 user(s) are in force and proven
        "#]],
        )?;
        every_server_has_its_configuration(bus)?;
        let now = bus.credentials("gateway")?;
        ensure!(
            now.password()? == password.password()?,
            "the gateway is handed another password"
        );
        for server in bus.servers() {
            may_publish(
                &clients_at(bus, "gateway", &server)?,
                "data.vhf",
                &format!("at {server}"),
            )?;
        }
        witnesses.are_undisturbed("files were made anew")?;
        // The next run begins from what is written there.
        bus.finish()?;
        bus.begin()?;
        Client::connect(Library::NatsPy, &password)?.publish("data.vhf", "the next run")?;
        witnesses.lost_nothing(bus)
    })
}
