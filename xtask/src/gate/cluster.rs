//! The suites that need a Kubernetes: one is brought up for each group of them, and taken down.
//!
//! In: the machine. Out: the tests' counts. Where no cluster can be had, the suites that need one skip
//! their tests and say why; a cluster that does not come up is a failure, and so is one that does not
//! go away.

use super::libtest::{Tally, rust_line};
use super::step::{Tool, count};
use super::{Gate, name_programs, several_at_once};
use crate::cluster::program;

/// The package of these suites.
pub const PACKAGE: &str = "svom-cluster";

/// Suites of what the testbed gives, and of bare servers on it.
const TESTBED: [&str; 4] = ["bus", "cycles", "images", "platform"];

/// Suites of the operator, and of how it is installed.
const OPERATOR: [&str; 2] = ["installing", "operator"];

/// The exit code of what this machine cannot do.
const SKIPPED: u8 = 3;

/// The testbed and its own suites.
pub fn testbed(gate: &Gate) -> anyhow::Result<Tally> {
    run(gate, cargo_test(&["--lib", "--bins"]), &TESTBED)
}

/// The suites of the operator.
pub fn operator(gate: &Gate) -> anyhow::Result<Tally> {
    let mut tests = cargo_test(&[]);
    several_at_once(&mut tests);
    run(gate, tests, &OPERATOR)
}

fn cargo_test(units: &[&str]) -> Tool {
    let mut tests = Tool::cargo(["test", "--locked", "--no-fail-fast", "--package", PACKAGE]);
    for unit in units {
        tests.argument(unit);
    }
    tests
}

fn run(gate: &Gate, mut tests: Tool, suites: &[&str]) -> anyhow::Result<Tally> {
    // A run that is killed cannot take its cluster down: whoever brings up the next one does.
    let this = std::process::id().to_string();
    let name = format!("gate-{this}");
    let mut tally = Tally::default();
    for word in suites.iter().flat_map(|suite| ["--test", suite]) {
        tests.argument(word);
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::{OPERATOR, TESTBED};
    use crate::root;

    #[test]
    fn every_suite_is_run() {
        let folder = root::checkout().join("tests/cluster/tests");
        let there = fs::read_dir(folder).expect("the suites");
        let there: BTreeSet<String> = there
            .map(|entry| entry.expect("a suite").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        let run = TESTBED.iter().chain(&OPERATOR);
        assert_eq!(there, run.map(|suite| (*suite).to_owned()).collect());
    }
}
