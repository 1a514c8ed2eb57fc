//! A Secret that people bring and that vanishes, or is spoilt, while its user uses it.

use std::fs;

use anyhow::{Result, ensure};
use expect_test::expect;
use svom_cluster::slots::Slot;
use svom_tests::bus::Bus;
use svom_tests::client::Client;
use svom_tests::local::LocalBus;

use super::witnesses::Witnesses;
use super::{applied, clients_at, may_not_publish, may_publish, resource};

const BEFORE: &str =
    "    - {name: desk, publish: [data.vhf, data.xband], secretRef: {name: own}}\n";
/// The desk loses a right, and somebody is new.
const AFTER: &str = "    - {name: desk, publish: [data.vhf], secretRef: {name: own}}
    - {name: newcomer, publish: [data.xband]}
";

#[test]
fn a_secret_that_vanished_holds_up_only_what_needs_it() -> Result<()> {
    let bus = LocalBus::prepare(&resource(BEFORE), Slot::shared())?;
    bus.bring("own", &[("password", b"of the desk")])?;
    bus.run(|bus| {
        let mut witnesses = Witnesses::of(bus)?;
        let desk = clients_at(bus, "desk", "apply-0")?;
        may_publish(&desk, "data.xband", "before")?;

        fs::remove_dir_all(bus.secrets())?;
        applied(bus, &resource(AFTER), &expect![[r#"
            exit code 1
            wrong    spec.users[name=desk].secretRef: Secret own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets)
            Since the resource is wrong, only what it takes away was applied.
            reload   spec.users[desk].publish: loses data.xband
                     in force on open connections; what it may no longer publish to is refused
            Not ready (InvalidSpec): spec.users[name=desk].secretRef: Secret own: it is missing or empty: bring password (on one machine: as a file in the folder of this name under --secrets); the last good state stays in force, less what this one takes away
        "#]])?;
        without_its_secret(bus, &desk)?;
        witnesses.are_undisturbed("a Secret vanished")?;

        bus.bring("own", &[("password", b"of the desk\n")])?;
        applied(bus, &resource(AFTER), &expect![[r#"
            exit code 1
            wrong    spec.users[name=desk].secretRef: Secret own: password ends with a newline, which would be part of it: remove the newline at its end (printf instead of echo)
            Since the resource is wrong, only what it takes away was applied.
            Nothing changes.
            Not ready (InvalidSpec): spec.users[name=desk].secretRef: Secret own: password ends with a newline, which would be part of it: remove the newline at its end (printf instead of echo); the last good state stays in force, less what this one takes away
        "#]])?;
        may_publish(&desk, "data.vhf", "while its Secret is spoilt")?;
        witnesses.are_undisturbed("a Secret was spoilt")?;

        bus.bring("own", &[("password", b"of the desk")])?;
        applied(bus, &resource(AFTER), &expect![[r#"
            exit code 0
            reload   spec.users[newcomer]: added: publishes to data.xband; subscribes to nothing
                     its credentials are made; nobody else is touched
            Ready: 3 server(s), 3 queues and 5 user(s) are in force and proven
        "#]])?;
        may_publish(
            &clients_at(bus, "newcomer", "apply-2")?,
            "data.xband",
            "the newcomer",
        )?;
        may_publish(&desk, "data.vhf", "with its Secret again")?;
        let lost: usize = desk
            .iter()
            .map(Client::disconnects)
            .sum();
        ensure!(lost == 0, "the desk was disconnected {lost} times");
        witnesses.are_undisturbed("the Secret was back")?;
        witnesses.lost_nothing(bus)
    })
}

/// What the resource takes away is taken away, and nothing else is touched.
fn without_its_secret(bus: &LocalBus, desk: &[Client]) -> Result<()> {
    may_not_publish(desk, "data.xband")?;
    may_publish(desk, "data.vhf", "while its Secret is gone")?;
    let newly_connected = clients_at(bus, "desk", "apply-1")?;
    may_publish(&newly_connected, "data.vhf", "newly connected")?;
    ensure!(
        bus.credentials("newcomer").is_err(),
        "the new user was handed something"
    );
    Ok(())
}
