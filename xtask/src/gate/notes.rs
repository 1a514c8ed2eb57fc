//! What tests write down while they run, since their output is kept back when they pass.
//!
//! Two files of lines: `TEST: WHY`, one for each test that returned without testing, and figures and
//! seeds as the tests put them. Both are empty at the start of a run.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::root;

/// The two files of this run.
pub struct Notes {
    skips: PathBuf,
    figures: PathBuf,
}

impl Notes {
    /// Begins a run.
    pub fn fresh() -> anyhow::Result<Self> {
        Self::within(&root::scratch())
    }

    fn within(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let notes = Self {
            skips: folder.join("skips"),
            figures: folder.join("figures"),
        };
        for path in [&notes.skips, &notes.figures] {
            std::fs::write(path, "").with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(notes)
    }

    pub fn skips_path(&self) -> &Path {
        &self.skips
    }

    pub fn figures_path(&self) -> &Path {
        &self.figures
    }

    /// Writes down, as a test would, that something was skipped.
    pub fn skip(&self, why: &str) -> anyhow::Result<()> {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.skips);
        file.and_then(|mut file| writeln!(file, "{why}"))
            .with_context(|| format!("cannot write {}", self.skips.display()))
    }

    /// Why tests were skipped, in the order of the alphabet: tests run side by side.
    pub fn skips(&self) -> anyhow::Result<Vec<String>> {
        lines(&self.skips)
    }

    /// The figures, in the order of the alphabet.
    pub fn figures(&self) -> anyhow::Result<Vec<String>> {
        lines(&self.figures)
    }
}

fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    lines.sort();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::Notes;

    #[test]
    fn a_run_begins_with_empty_notes_and_keeps_whole_lines() {
        let folder = std::env::temp_dir().join(format!("xtask-notes-{}", std::process::id()));
        let notes = Notes::within(&folder).unwrap();
        notes.skip("power cut: needs root").unwrap();
        std::fs::write(notes.figures_path(), "seed: 7\nfigure: cells 1200\n").unwrap();
        assert_eq!(notes.skips().unwrap(), ["power cut: needs root"]);
        assert_eq!(notes.figures().unwrap(), ["figure: cells 1200", "seed: 7"]);
        let next = Notes::within(&folder).unwrap();
        assert_eq!(next.skips().unwrap(), Vec::<String>::new());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
