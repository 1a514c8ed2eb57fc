//! The suites that need a Kubernetes: one is brought up for all of them, and taken down.
//!
//! In: the machine. Out: the tests' counts. Where no cluster can be had, the suites that need one skip
//! their tests and say why; a cluster that does not come up is a failure, and so is one that does not
//! go away.

use super::libtest::{Tally, rust_line};
use super::step::{Tool, count};
use super::{Gate, name_programs};
use crate::cluster::program;

/// The package of these suites.
pub const PACKAGE: &str = "svom-cluster";

/// The exit code of what this machine cannot do.
const SKIPPED: u8 = 3;

pub fn run(gate: &Gate) -> anyhow::Result<Tally> {
    // A run that is killed cannot take its cluster down: whoever brings up the next one does.
    let this = std::process::id().to_string();
    let name = format!("gate-{this}");
    let mut tally = Tally::default();
    let mut tests = Tool::cargo(["test", "--locked", "--no-fail-fast", "--package", PACKAGE]);
    gate.inform(&mut tests);
    name_programs(&mut tests)?;
    let up = program(&["up", "--name", &name, "--owner", &this]).code()?;
    if !matches!(up, 0 | SKIPPED) {
        return Ok(Tally::FAILED);
    }
    if up == 0 {
        tests.env("SVOM_TEST_CLUSTER", &name);
    }
    tally += count(tests, rust_line, &mut std::io::stdout())?;
    if program(&["down", "--name", &name]).code()? != 0 {
        tally += Tally::FAILED;
    }
    Ok(tally)
}
