//! Files of the state that are damaged: what clients do not depend on is made anew, everything else
//! is refused by its name.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use svom_cluster::slots::Slot;
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::command::{Ended, ended};
use svom_tests::local::LocalBus;

use super::{SMALL, WITHIN};

/// Ways to damage a file.
const DAMAGES: [fn(&[u8]) -> Vec<u8>; 4] = [
    |_| Vec::new(),
    |old| old[..old.len() / 2].to_vec(),
    |_| b"nonsense\n".to_vec(),
    |old| {
        let mut changed = old.to_vec();
        let middle = changed.len() / 2;
        // What is text stays text in no other bit.
        changed[middle] ^= 0x80;
        changed
    },
];

#[test]
fn damaged_files_of_the_state() -> Result<()> {
    let resource = SMALL.replace(
        "  users:\n",
        "  tls: {clientCertificates: Required}\n  users:\n",
    );
    let bus = LocalBus::prepare(&resource, Slot::shared())?;
    bus.begin()?;
    let client = Client::connect(Library::NatsPy, &bus.credentials("vhf-listener")?)?;
    client.publish("data.vhf", "before")?;
    client.close()?;
    let handed = bus.credentials("vhf-listener")?;
    bus.finish()?;

    what_must_not_be_replaced_is_refused(&bus)?;
    what_can_be_made_anew_is(&bus)?;

    // What a client was handed before all this still works, and nothing is lost.
    let client = Client::connect(Library::AsyncNats, &handed)?;
    client.publish("data.vhf", "after")?;
    let desk = Client::connect(Library::NatsPy, &bus.credentials("alert-desk")?)?;
    let kept = desk.consumer_info("DATA", "alert-desk_all")?.pending;
    ensure!(kept == 2, "{kept} messages are kept, not 2");
    Ok(())
}

fn what_must_not_be_replaced_is_refused(bus: &LocalBus) -> Result<()> {
    let cases = [
        (
            "secrets/authority.clients.pem",
            "It is not replaced by itself",
        ),
        (
            "secrets/authority.routes.pem",
            "It is not replaced by itself",
        ),
        ("secrets/operator.json", "It is not replaced by itself"),
        (
            "secrets/user.vhf-listener.password",
            "It is not replaced by itself",
        ),
        ("in-force.json", "Move it away"),
    ];
    for (name, advice) in cases {
        let file = bus.state().join(name);
        let whole = fs::read(&file).with_context(|| name.to_owned())?;
        for damage in &DAMAGES {
            fs::write(&file, damage(&whole))?;
            let Ended { code, said, .. } = ended(&mut bus.up_command()?, WITHIN)?;
            let told = said.contains(name) && said.contains(advice);
            ensure!(
                code == Some(1) && told,
                "{name}: exit code {code:?}: {said}"
            );
            ensure!(fs::read(&file)? == damage(&whole), "{name} was touched");
        }
        fs::write(&file, &whole)?;
    }
    Ok(())
}

fn what_can_be_made_anew_is(bus: &LocalBus) -> Result<()> {
    let files = [
        "secrets/certificate.server.fsc-0.pem",
        "secrets/certificate.user.alert-desk.pem",
        "secrets/certificate.operator.pem",
        "secrets/user.vhf-listener.hash",
        "servers/fsc-0/server.json",
        "servers/fsc-0/client.pem",
        "servers/fsc-0/client-ca.crt",
        "users/vhf-listener/ca.crt",
        "users/vhf-listener/nats-context.json",
        "ca.crt",
    ];
    for damage in DAMAGES {
        for name in files {
            damage_file(&bus.state().join(name), damage)?;
        }
        bus.begin()?;
        for user in ["alert-desk", "vhf-listener"] {
            Client::connect(Library::NatsPy, &bus.credentials(user)?)?;
        }
        bus.finish()?;
    }
    bus.begin()
}

fn damage_file(file: &Path, damage: fn(&[u8]) -> Vec<u8>) -> Result<()> {
    let whole = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(fs::write(file, damage(&whole))?)
}
