//! What suites tell whoever runs them: figures, and tests that were not run.
//!
//! In: lines. Out: the same on standard error, past the test program's capture, and in the files that
//! the environment names.

use std::env;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write};

use anyhow::{Context, Result};

/// Names a file to which each skip is added as a line, so that a runner can count them.
const SKIPS_VARIABLE: &str = "SVOM_TEST_SKIPS";
/// Names a file to which each figure is added as a line.
const FIGURES_VARIABLE: &str = "SVOM_TEST_FIGURES";
/// How deep the tests go: `gate` or `proof`.
const LEVEL_VARIABLE: &str = "SVOM_TEST_LEVEL";

/// Says that a test is not run here, and why.
///
/// # Errors
/// When the file of skips cannot be written.
pub fn skip(test: &str, why: impl Display) -> Result<()> {
    print(format!("{test}: skipped: {why}"));
    append(SKIPS_VARIABLE, &format!("{test}: {why}"))
}

/// Prints a figure and keeps it for whoever runs the tests.
///
/// # Errors
/// When the file of figures cannot be written.
pub fn figure(what: &str, value: impl Display) -> Result<()> {
    let line = format!("{what}: {value}");
    print(&line);
    append(FIGURES_VARIABLE, &line)
}

/// One number for the gate and one for the proof, which goes deeper.
pub fn at_level<T>(gate: T, proof: T) -> T {
    if env::var(LEVEL_VARIABLE).is_ok_and(|level| level == "proof") {
        proof
    } else {
        gate
    }
}

/// Prints a line past libtest's capture: figures are there to be read when all is well, too.
pub fn print(line: impl AsRef<str>) {
    // Nothing can be done about a closed stderr, and no test depends on it.
    let _ = writeln!(io::stderr(), "{}", line.as_ref());
}

fn append(variable: &str, line: &str) -> Result<()> {
    let Ok(path) = env::var(variable) else {
        return Ok(());
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {path}"))?;
    writeln!(file, "{line}").with_context(|| format!("cannot write {path}"))
}
