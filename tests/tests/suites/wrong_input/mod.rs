//! Wrong input: each is refused with words that say what to do and an exit code that is not 0,
//! nothing is lost, and the next good run works.

// A test from end to end: what fails here shall panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity
)]

mod authorities;
mod commands;
mod damage;
mod killed;
mod places;
mod programs;
mod resources;
mod secrets;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use expect_test::Expect;
use svom_tests::command::{Ended, ended};
use svom_tests::local::LocalBus;

/// A bus of one server, which is quickly there.
pub const SMALL: &str = "
apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: fsc}
spec:
  replicas: 1
  users:
    - {name: vhf-listener, publish: [data.vhf]}
    - {name: alert-desk, subscribe: ['data.vhf'], durables: [{name: all, queues: [data.vhf]}]}
";

/// A bus of one server with this in its `spec`.
pub fn with(spec: &str) -> String {
    format!(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {{name: fsc}}\nspec:\n  replicas: 1\n{spec}"
    )
}

/// What is refused is refused at once; a program that hangs is waited for.
const WITHIN: Duration = Duration::from_secs(60);

/// Runs a command that must be refused, and compares its words, with the places in them by name. What
/// it says while it waits depends on how busy the machine is, and is left out.
pub fn refused(command: &mut Command, places: &[(&Path, &str)], expected: &Expect) -> Result<()> {
    let Ended { code, said, .. } = ended(command, WITHIN)?;
    let said: String = said
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("waiting: "))
        .collect();
    expected.assert_eq(&format!("exit code {code:?}\n{}", named(&said, places)));
    assert_eq!(code, Some(1), "{command:?}");
    Ok(())
}

/// The words with each place by its name.
pub fn named(said: &str, places: &[(&Path, &str)]) -> String {
    let named =
        |text: String, (place, name): &(&Path, &str)| text.replace(&*place.to_string_lossy(), name);
    places.iter().fold(said.to_owned(), named)
}

/// As [`refused`], where the bus's own folders and ports are named: DIR, FILE, SECRETS, PORT.
pub fn refused_by(bus: &LocalBus, command: &mut Command, expected: &Expect) -> Result<()> {
    let (state, resource, secrets) = (bus.state(), bus.resource(), bus.secrets());
    refused(
        command,
        &[(&state, "DIR"), (&resource, "FILE"), (&secrets, "SECRETS")],
        expected,
    )
}
