//! Every check and every test, in one run.
//!
//! In: the checkout. Out: what is told on the way, a closing line with the counts, and a report. It
//! changes nothing in the checkout; what is missing on the machine is installed where that is
//! possible without asking, and named where it is not.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

use self::libtest::{Tally, go_line, rust_line};
use self::step::{Tool, check, count};
use crate::{generate, root};

mod cluster;
mod deny;
pub mod libtest;
mod notes;
mod order;
mod programs;
mod python;
pub mod step;
mod tools;

/// How deep the tests go. They read it from the environment as `SVOM_TEST_LEVEL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What fits into a run before every merge.
    Gate,
    /// Everything, with the counts that the proof asks for.
    Proof,
}

impl Level {
    /// Its name in the environment.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Proof => "proof",
        }
    }
}

/// What a run found.
#[derive(Default)]
pub struct Report {
    pub tally: Tally,
    pub steps: Vec<StepDone>,
    /// Why tests were skipped, one line each.
    pub skips: Vec<String>,
    /// Figures and seeds that tests wrote down, one line each.
    pub figures: Vec<String>,
}

/// A step that has ended.
pub struct StepDone {
    pub name: &'static str,
    pub tally: Tally,
    pub took: Duration,
}

/// What the steps share.
struct Gate {
    level: Level,
    notes: notes::Notes,
}

impl Gate {
    /// What a test program is told.
    fn inform(&self, tool: &mut Tool) {
        tool.env("SVOM_TEST_LEVEL", self.level.word());
        tool.env("SVOM_TEST_SKIPS", self.notes.skips_path());
        tool.env("SVOM_TEST_FIGURES", self.notes.figures_path());
    }
}

/// Has a test program run at least five tests at once: most wait for servers, and on two cores a fifth one
/// still finds some of them idle. Of buses there are fewer at a time (`svom_cluster::slots`).
fn several_at_once(tool: &mut Tool) {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    tool.env("RUST_TEST_THREADS", cores.max(5).to_string());
}

/// A step: its name, and what it does.
type Step = (&'static str, fn(&Gate) -> anyhow::Result<Tally>);

/// What is quick and fails often comes first. The suites of the testbed wait for nodes to be given up and
/// to come back, so that others find the cores idle.
const STAGES: [&[&[Step]]; 3] = [
    &[&[
        ("tools", |_| tools::check_all()),
        ("generated files", |_| generated()),
        ("rustfmt", |_| rustfmt()),
        ("clippy", |_| clippy()),
        ("cargo-deny", |gate| deny::run(&gate.notes)),
        ("programs", |_| programs::build_all()),
        ("tests", tests),
        ("installation", |_| installation()),
        ("status", |_| go_tests("status", "go.mod")),
        ("testbed's agent", |_| go_tests("kind/agent", "go.mod")),
        ("CRD, Kubernetes 1.36", |_| go_tests("crd", "go.mod")),
        ("CRD, Kubernetes 1.33", |_| {
            go_tests("crd", "kubernetes-1.33.mod")
        }),
    ]],
    &[
        &[("cluster", cluster::testbed)],
        &[("python", python::run), ("cycles", cluster::cycles)],
    ],
    &[&[("operator", cluster::operator)]],
];

/// Runs the steps of these names, or all where none is named, also after one has failed, and prints
/// the closing line. In the proof, which measures, nothing runs beside a step.
pub fn run(level: Level, only: &[String]) -> anyhow::Result<Report> {
    let chosen = chosen(only)?;
    let gate = Gate {
        level,
        notes: notes::Notes::fresh()?,
    };
    let all = chosen.iter().flatten().flatten().count();
    let begun = AtomicUsize::new(0);
    let steps = order::run(&chosen, level == Level::Proof, |(name, run)| {
        let number = begun.fetch_add(1, Ordering::Relaxed) + 1;
        println!("==> {number}/{all} {name}");
        let began = Instant::now();
        let tally = run(&gate).unwrap_or_else(|error| {
            println!("{name}: {error:#}");
            Tally::FAILED
        });
        let took = began.elapsed();
        let word = if tally.failed == 0 { "done" } else { "FAILED" };
        println!("<== {name}: {word} in {:.1} s", took.as_secs_f64());
        StepDone { name, tally, took }
    });
    let report = report(&gate, steps)?;
    for figure in &report.figures {
        println!("{figure}");
    }
    for why in &report.skips {
        println!("skipped: {why}");
    }
    let Tally {
        passed,
        failed,
        skipped,
    } = report.tally;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(report)
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<order::Stage<Step>>> {
    let names = || {
        STAGES
            .iter()
            .copied()
            .flatten()
            .copied()
            .flatten()
            .map(|(name, _)| *name)
    };
    for wanted in only {
        if !names().any(|name| name == wanted) {
            let names: Vec<&str> = names().collect();
            anyhow::bail!(
                "there is no step {wanted}: the steps are {}",
                names.join(", ")
            );
        }
    }
    Ok(order::chosen(&STAGES, |(name, _)| {
        only.is_empty() || only.iter().any(|wanted| wanted == name)
    }))
}

fn report(gate: &Gate, steps: Vec<StepDone>) -> anyhow::Result<Report> {
    let skips = gate.notes.skips()?;
    let sum: Tally = steps.iter().map(|step| step.tally).sum();
    Ok(Report {
        tally: sum
            .with_skips(u64::try_from(skips.len()).context("more skips than can be counted")?),
        steps,
        skips,
        figures: gate.notes.figures()?,
    })
}

fn generated() -> anyhow::Result<Tally> {
    Ok(if generate::run(true)? {
        Tally::PASSED
    } else {
        Tally::FAILED
    })
}

fn rustfmt() -> anyhow::Result<Tally> {
    check(Tool::cargo(["fmt", "--all", "--check"]))
}

fn clippy() -> anyhow::Result<Tally> {
    check(Tool::cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

fn tests(gate: &Gate) -> anyhow::Result<Tally> {
    let mut tool = Tool::cargo(["test", "--workspace", "--locked", "--no-fail-fast"]);
    for word in ["--exclude", cluster::PACKAGE] {
        tool.argument(word);
    }
    gate.inform(&mut tool);
    several_at_once(&mut tool);
    name_programs(&mut tool)?;
    count(tool, rust_line, &mut std::io::stdout())
}

/// Tells a test program where the programs are that it runs.
fn name_programs(tool: &mut Tool) -> anyhow::Result<()> {
    // Where a step is run alone, they may not be there yet.
    programs::build_all()?;
    for (name, path) in programs::variables()? {
        tool.env(name, path);
    }
    Ok(())
}

/// The manifests and the chart, rendered and read as the API server reads them.
fn installation() -> anyhow::Result<Tally> {
    let mut tool = go_test("install", "go.mod");
    name_programs(&mut tool)?;
    count(tool, go_line, &mut std::io::stdout())
}

fn go_tests(module: &str, modules: &str) -> anyhow::Result<Tally> {
    count(go_test(module, modules), go_line, &mut std::io::stdout())
}

/// The tests of a Go module below `tests/`, with the modules of one of its modfiles.
fn go_test(module: &str, modules: &str) -> Tool {
    let folder: PathBuf = root::checkout().join("tests").join(module);
    let modules = format!("-modfile={modules}");
    let mut tool = Tool::new("go", ["test", &modules, "-count=1", "-v", "./..."]);
    tool.folder(folder);
    tool
}
