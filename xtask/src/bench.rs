//! The benches, which are a program of their own: it needs a release build and clients of the bus.
//!
//! In: its words. Out: what it prints, seen or given back.

use crate::gate::Level;
use crate::gate::step::Tool;

/// Measures and prints; whether it did.
pub fn run(words: &[String]) -> anyhow::Result<bool> {
    program(words).holds()
}

/// The rows of every bench whose name holds this, at their full depth, as Markdown.
pub fn markdown(only: &str) -> anyhow::Result<String> {
    let mut program = program(&["--only".to_owned(), only.to_owned()]);
    program.env("SVOM_TEST_LEVEL", Level::Proof.word());
    program.answers()
}

fn program(words: &[String]) -> Tool {
    let mut tool = Tool::cargo([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "svom-bench",
        "--",
    ]);
    for word in words {
        tool.argument(word);
    }
    tool
}
