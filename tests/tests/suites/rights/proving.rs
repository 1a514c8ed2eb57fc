//! The proof that the bus itself makes of every right stores and delivers nothing.

use anyhow::{Result, ensure};
use svom_tests::audit::Audit;
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::generated;
use svom_tests::load::received;
use svom_tests::report::figure;
use svom_tests::rights::{AUDITOR, Rights};
use svom_tests::serving;
use svom_tests::sizes::sizes;

#[test]
fn proving_rights_stores_and_delivers_nothing() -> Result<()> {
    let resource = generated::resource(1_000, sizes().generated_users);
    serving::with(&resource, |bus| {
        let rights = Rights::read(&resource)?;
        let mut audit = Audit::begin(bus, &rights)?;
        // Only the markers of the audit itself: the proof of `up` stored nothing.
        let markers = rights.domains().len() as u64;
        ensure!(
            audit.count()? == markers,
            "{} messages are stored in a new bus",
            audit.count()?
        );
        let readers = readers_of_everything(bus, &rights)?;
        let before = audit.count()?;
        // A user more and a user less: each change is followed by a proof of every right.
        bus.apply(&format!(
            "{resource}    - {{name: one-more, publish: ['data.*'], subscribe: ['*.too']}}\n"
        ))?;
        bus.apply(&resource)?;
        ensure!(audit.count()? == before, "proving stored messages");
        let heard = audit.heard()?;
        ensure!(heard.is_empty(), "proving delivered or stored {heard:?}");
        for (durable, reader) in &readers {
            let got = received(&reader.events(), durable);
            let got: Vec<&String> = got
                .keys()
                .filter(|text| !text.starts_with("marker-"))
                .collect();
            ensure!(got.is_empty(), "proving delivered {got:?} on {durable}");
        }
        figure(
            "users proven thrice, nothing stored or delivered",
            rights.users.len(),
        )
    })
}

fn readers_of_everything(bus: &dyn Bus, rights: &Rights) -> Result<Vec<(String, Client)>> {
    let mut readers = Vec::new();
    for (user, rights) in rights.users.iter().filter(|(user, _)| *user != AUDITOR) {
        for durable in &rights.durables {
            let reader = Client::connect(Library::AsyncNats, &bus.credentials(user)?)?;
            reader.bind(&durable.stream, &durable.consumer, true)?;
            readers.push((durable.consumer.clone(), reader));
        }
    }
    Ok(readers)
}
