//! The suites that need a Kubernetes: one is brought up for each group of them, and taken down. With those
//! of the operator run the suites of the bus that the step `tests` runs on this machine.
//!
//! In: the machine. Out: the tests' counts. Where no cluster can be had, the suites that need one skip
//! their tests and say why; a cluster that does not come up is a failure, and so is one that does not
//! go away.

use super::libtest::{Tally, rust_line};
use super::step::{Tool, count};
use super::{Gate, Level, name_programs, several_at_once};
use crate::cluster::program;

/// The package of these suites.
pub const PACKAGE: &str = "svom-cluster";

/// Suites of what the testbed gives, and of bare servers on it.
const TESTBED: [&str; 3] = ["bus", "images", "platform"];

/// The suite whose clusters are its own.
const CYCLES: [&str; 1] = ["cycles"];

/// Suites of the operator, and of how it is installed.
const OPERATOR: [&str; 2] = ["installing", "operator"];

/// Where the operator's processes die.
const CRASHES: &str = "crash_points";

/// Suites of the bus that are the same on a cluster, by words in their tests' names.
const BUS: [&str; 4] = ["attacks::", "durables::", "rights::", "websocket::"];

/// Of them, falls under readers of durable subscriptions: the operator's own suite has the same on nodes,
/// and these follow one another, so that they run in the proof.
const FALLS: &str = "durables::nothing_acknowledged_is_lost";

/// The exit code of what this machine cannot do.
const SKIPPED: u8 = 3;

/// Clusters that come and go.
pub fn cycles(gate: &Gate) -> anyhow::Result<Tally> {
    let mut cycles = tests(&["--package", PACKAGE], &[], &CYCLES);
    gate.inform(&mut cycles);
    name_programs(&mut cycles)?;
    count(cycles, rust_line, &mut std::io::stdout())
}

/// The testbed and its own suites.
pub fn testbed(gate: &Gate) -> anyhow::Result<Tally> {
    let units = ["--lib", "--bins"];
    run(gate, vec![tests(&["--package", PACKAGE], &units, &TESTBED)])
}

/// The suites of the operator, and on its buses those of the bus.
pub fn operator(gate: &Gate) -> anyhow::Result<Tally> {
    // The packages of the step `tests`, so that nothing is compiled with other features.
    let others = ["--workspace", "--exclude", PACKAGE];
    let mut bus = tests(&others, &[], &["suites"]);
    bus.argument("--");
    for words in BUS {
        bus.argument(words);
    }
    if gate.level == Level::Gate {
        bus.argument("--skip");
        bus.argument(FALLS);
    }
    bus.env("SVOM_TEST_BUS", "cluster");
    let operator = tests(&["--package", PACKAGE], &[], &OPERATOR);
    let mut all = vec![operator, tests(&others, &[], &[CRASHES]), bus];
    all.iter_mut().for_each(several_at_once);
    run(gate, all)
}

fn tests(packages: &[&str], units: &[&str], suites: &[&str]) -> Tool {
    let mut tests = Tool::cargo(["test", "--locked", "--no-fail-fast"]);
    let suites = suites.iter().flat_map(|suite| ["--test", suite]);
    for word in packages.iter().chain(units).copied().chain(suites) {
        tests.argument(word);
    }
    tests
}

fn run(gate: &Gate, suites: Vec<Tool>) -> anyhow::Result<Tally> {
    // A run that is killed cannot take its cluster down: whoever brings up the next one does.
    let this = std::process::id().to_string();
    let name = format!("gate-{this}");
    let up = program(&["up", "--name", &name, "--owner", &this]).code()?;
    if !matches!(up, 0 | SKIPPED) {
        return Ok(Tally::FAILED);
    }
    let mut tally = Tally::default();
    for mut tests in suites {
        gate.inform(&mut tests);
        name_programs(&mut tests)?;
        if up == 0 {
            tests.env("SVOM_TEST_CLUSTER", &name);
        }
        tally += count(tests, rust_line, &mut std::io::stdout())?;
    }
    if program(&["down", "--name", &name]).code()? != 0 {
        tally += Tally::FAILED;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::{CYCLES, OPERATOR, TESTBED};
    use crate::root;

    #[test]
    fn every_suite_is_run() {
        let folder = root::checkout().join("tests/cluster/tests");
        let there = fs::read_dir(folder).expect("the suites");
        let there: BTreeSet<String> = there
            .map(|entry| entry.expect("a suite").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        let run = TESTBED.iter().chain(&CYCLES).chain(&OPERATOR);
        assert_eq!(there, run.map(|suite| (*suite).to_owned()).collect());
    }
}
