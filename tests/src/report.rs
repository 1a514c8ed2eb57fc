//! What a suite tells: figures, skips, and the cases that went wrong, all of them and not the first.

use std::env;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write};

use anyhow::{Context, Result, ensure};

/// Names a file to which each skip is added as a line, so that a runner can count them.
pub const SKIPS_VARIABLE: &str = "SVOM_TEST_SKIPS";

/// Prints a line past libtest's capture: figures are there to be read when all is well, too.
pub fn print(line: impl AsRef<str>) {
    // Nothing can be done about a closed stderr, and no test depends on it.
    let _ = writeln!(io::stderr(), "{}", line.as_ref());
}

/// Names a file to which each figure is added as a line.
pub const FIGURES_VARIABLE: &str = "SVOM_TEST_FIGURES";

/// Prints a figure and keeps it for whoever runs the tests.
///
/// # Errors
/// When the file of figures cannot be written.
pub fn figure(what: &str, value: impl Display) -> Result<()> {
    let line = format!("{what}: {value}");
    print(&line);
    append(FIGURES_VARIABLE, &line)
}

/// Says that a test is not run here, and why.
///
/// # Errors
/// When the file of skips cannot be written.
pub fn skip(test: &str, why: &str) -> Result<()> {
    print(format!("{test}: skipped: {why}"));
    append(SKIPS_VARIABLE, &format!("{test}: {why}"))
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
    writeln!(file, "{line}")?;
    Ok(())
}

/// Cases that are all tried, whatever becomes of one.
#[derive(Debug)]
pub struct Cases {
    suite: String,
    tried: usize,
    wrong: Vec<String>,
}

impl Cases {
    /// No case so far.
    pub fn of(suite: &str) -> Self {
        Self {
            suite: suite.to_owned(),
            tried: 0,
            wrong: Vec::new(),
        }
    }

    /// Counts a case that holds when `wrong` is nothing.
    pub fn count(&mut self, case: impl AsRef<str>, wrong: Option<String>) {
        self.tried += 1;
        if let Some(wrong) = wrong {
            self.wrong.push(format!("{}: {wrong}", case.as_ref()));
        }
    }

    /// Counts a case that holds when `right`, and says `otherwise` when it does not.
    pub fn holds(
        &mut self,
        case: impl AsRef<str>,
        right: bool,
        otherwise: impl FnOnce() -> String,
    ) {
        self.count(case, (!right).then(otherwise));
    }

    /// Counts a case that holds when the attempt succeeded.
    pub fn succeeds<T>(&mut self, case: impl AsRef<str>, attempt: Result<T>) {
        self.count(case, attempt.err().map(|problem| format!("{problem:#}")));
    }

    /// How many were tried.
    pub fn tried(&self) -> usize {
        self.tried
    }

    /// Prints the count.
    ///
    /// # Errors
    /// With every case that went wrong.
    pub fn finish(self) -> Result<()> {
        let (tried, wrong) = (self.tried, self.wrong.len());
        figure(&self.suite, format!("{tried} cases, {wrong} wrong"))?;
        ensure!(
            self.wrong.is_empty(),
            "{}: {} of {} cases are wrong:\n  {}",
            self.suite,
            self.wrong.len(),
            self.tried,
            self.wrong.join("\n  ")
        );
        Ok(())
    }
}
