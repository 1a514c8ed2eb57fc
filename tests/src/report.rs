//! What a suite tells: figures, skips, and the cases that went wrong, all of them and not the first.

use std::fmt::Display;

use anyhow::{Result, ensure};
use svom_cluster::notes;

pub use svom_cluster::notes::{at_level, print, skip};

use crate::serving::{ServedBy, served_by};

/// Prints a figure and keeps it for whoever runs the tests; one of a cluster says so.
///
/// # Errors
/// When the file of figures cannot be written.
pub fn figure(what: &str, value: impl Display) -> Result<()> {
    match served_by()? {
        ServedBy::Local => notes::figure(what, value),
        ServedBy::Cluster => notes::figure(&format!("on a cluster: {what}"), value),
    }
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
