//! `local apply` in hard cases. Each ends with a clear word and the right exit code, nothing is lost,
//! the next good run works, and nobody is disconnected who should not be.

// A test from end to end: what fails here shall panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod damage;
mod down;
mod errors;
mod secrets;
mod unread;
mod witnesses;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use expect_test::Expect;
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::command::Ended;
use svom_tests::generated::{head, herald_and_auditor};
use svom_tests::local::LocalBus;

/// A bus of three servers with these users beside the witnesses.
fn resource(users: &str) -> String {
    format!(
        "{}spec:\n  domains:\n    - {{name: data, programs: [mdb, vhf, xband]}}\n  users:\n{}{}{users}",
        head("apply"),
        herald_and_auditor(&["data"]),
        witnesses::USER
    )
}

/// Applies a resource and compares how that ended and what was said, less the progress on the way.
fn applied(bus: &LocalBus, resource: &str, expected: &Expect) -> Result<()> {
    let Ended {
        code,
        printed,
        said,
        ..
    } = bus.try_apply(resource)?;
    let error = said
        .get(printed.len()..)
        .and_then(|said| said.split_once("error: "))
        .map(|(_, error)| format!("error: {error}"))
        .unwrap_or_default();
    let code = code.context("a signal ended it")?;
    expected.assert_eq(&named(bus, &format!("exit code {code}\n{printed}{error}")));
    Ok(())
}

/// The words with the bus's own places by name.
fn named(bus: &LocalBus, words: &str) -> String {
    let (state, resource, secrets) = (bus.state(), bus.resource(), bus.secrets());
    let places: [(&Path, &str); 3] = [(&state, "DIR"), (&resource, "FILE"), (&secrets, "SECRETS")];
    places
        .into_iter()
        .fold(words.to_owned(), |text, (place, name)| {
            text.replace(&*place.to_string_lossy(), name)
        })
}

/// A client of the user with every library, at one of the servers.
fn clients_at(bus: &LocalBus, user: &str, server: &str) -> Result<Vec<Client>> {
    let credentials = bus.credentials_at(user, server)?;
    let connect = |library| Client::connect(library, &credentials);
    Library::ALL.into_iter().map(connect).collect()
}

fn may_publish(clients: &[Client], queue: &str, id: &str) -> Result<()> {
    for (number, client) in clients.iter().enumerate() {
        client.publish(queue, &format!("{id}-{number}"))?;
    }
    Ok(())
}

fn may_not_publish(clients: &[Client], queue: &str) -> Result<()> {
    for client in clients {
        let call = client.begin_forbidden_publish(queue, "forbidden")?;
        client.wait_until_refused(&format!("publish to \"{queue}\""))?;
        let acknowledged = client.answer(call)?.is_ok();
        ensure!(!acknowledged, "a publish to {queue} was acknowledged");
    }
    Ok(())
}

/// Every server runs the configuration that it was given.
fn every_server_has_its_configuration(bus: &LocalBus) -> Result<()> {
    for server in bus.status()?.servers {
        let given = bus.given_digest(&server.name)?;
        ensure!(
            server.config_digest.as_ref() == Some(&given),
            "{} runs {:?} and was given {given}",
            server.name,
            server.config_digest
        );
    }
    Ok(())
}
