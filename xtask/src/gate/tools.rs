//! What has to be on the machine.
//!
//! In: the machine. Out: whether everything is there. Rust's own components are added where rustup
//! can do it; for what is missing otherwise it says what to install.

use super::libtest::Tally;
use super::step::Tool;

const GO: &str = "Go is missing: install Go 1.26 or later (https://go.dev/dl); the CRD check needs it, \
                  and so does the build of nats-server where none is on the path";

/// Looks for every tool, and names all that are missing.
pub fn check_all() -> anyhow::Result<Tally> {
    let mut good = true;
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        good &= has_component(subcommand, component);
    }
    match Tool::new("go", ["version"]).prints() {
        Ok(version) => println!("{version}"),
        Err(_) => {
            println!("{GO}");
            good = false;
        }
    }
    Ok(if good { Tally::PASSED } else { Tally::FAILED })
}

fn has_component(subcommand: &str, component: &str) -> bool {
    let version = || Tool::cargo([subcommand, "--version"]).prints();
    let mut found = version();
    if found.is_err() {
        println!("{component} is missing: rustup component add {component}");
        // Whether it worked is asked of the component itself.
        drop(Tool::new("rustup", ["component", "add", component]).holds());
        found = version();
    }
    match &found {
        Ok(version) => println!("{version}"),
        Err(_) => println!(
            "{component} is missing and rustup cannot add it: install it with Rust itself (https://rustup.rs)"
        ),
    }
    found.is_ok()
}
