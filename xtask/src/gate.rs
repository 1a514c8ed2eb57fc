//! Every check and every test, in one run.
//!
//! In: the checkout. Out: what is told on the way, a closing line with the counts, and a report. It
//! changes nothing in the checkout; what is missing on the machine is installed where that is
//! possible without asking, and named where it is not.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;

use self::libtest::{Tally, go_line, rust_line};
use self::step::{Tool, check, count};
use crate::{generate, root};

mod deny;
pub mod libtest;
mod notes;
mod programs;
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

type Run = fn(&Gate) -> anyhow::Result<Tally>;

/// What is quick and fails often comes first.
const STEPS: [(&str, Run); 9] = [
    ("tools", |_| tools::check_all()),
    ("generated files", |_| generated()),
    ("rustfmt", |_| rustfmt()),
    ("clippy", |_| clippy()),
    ("cargo-deny", |gate| deny::run(&gate.notes)),
    ("programs", |_| programs::build_all()),
    ("tests", tests),
    ("CRD, Kubernetes 1.36", |_| definition("go.mod")),
    ("CRD, Kubernetes 1.33", |_| {
        definition("kubernetes-1.33.mod")
    }),
];

/// Runs all steps, also after one has failed, and prints the closing line.
pub fn run(level: Level) -> anyhow::Result<Report> {
    let gate = Gate {
        level,
        notes: notes::Notes::fresh()?,
    };
    let mut steps = Vec::new();
    for (number, (name, run)) in STEPS.into_iter().enumerate() {
        println!("==> {}/{} {name}", number + 1, STEPS.len());
        let began = Instant::now();
        let tally = run(&gate).unwrap_or_else(|error| {
            println!("{error:#}");
            Tally::FAILED
        });
        let took = began.elapsed();
        let word = if tally.failed == 0 { "done" } else { "FAILED" };
        println!("<== {name}: {word} in {:.1} s", took.as_secs_f64());
        steps.push(StepDone { name, tally, took });
    }
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
    tool.env("SVOM_TEST_LEVEL", gate.level.word());
    tool.env("SVOM_TEST_SKIPS", gate.notes.skips_path());
    tool.env("SVOM_TEST_FIGURES", gate.notes.figures_path());
    for (name, path) in programs::variables()? {
        tool.env(name, path);
    }
    count(tool, rust_line, &mut std::io::stdout())
}

/// The API server's own judgement of the definition and of the examples.
fn definition(modules: &str) -> anyhow::Result<Tally> {
    let folder: PathBuf = root::checkout().join("tests").join("crd");
    let modules = format!("-modfile={modules}");
    let mut tool = Tool::new("go", ["test", &modules, "-count=1", "-v", "./..."]);
    tool.folder(folder);
    count(tool, go_line, &mut std::io::stdout())
}
