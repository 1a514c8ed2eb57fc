//! The tests at their full depth and the benches, written down as `docs/proof/DATE.md`.
//!
//! In: one run of the gate at level `proof`, and one of every bench. Out: a page with the date, the
//! machine, the versions, each step's counts, every figure and seed. A run that failed writes a page
//! too, and says so in it.

use std::fmt::Write;

use anyhow::Context;

use crate::gate::libtest::Tally;
use crate::gate::{self, Level, Report, StepDone};
use crate::{bench, machine, root};

/// What names all benches among the steps.
const BENCHES: &str = "benches";
/// What names one, before its own name.
const BENCH: &str = "bench ";

/// Runs the steps of these names, or all and the benches, writes the page, and tells whether
/// everything held.
pub fn run(only: &[String]) -> anyhow::Result<bool> {
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let (benches, steps): (Vec<_>, Vec<_>) = only
        .iter()
        .cloned()
        .partition(|step| benches_named(step).is_some());
    let report = if only.is_empty() || !steps.is_empty() {
        gate::run(Level::Proof, &steps)?
    } else {
        Report::default()
    };
    let benches: Vec<&str> = if only.is_empty() {
        vec![""]
    } else {
        benches
            .iter()
            .filter_map(|name| benches_named(name))
            .collect()
    };
    let tables = benches.into_iter().map(bench::markdown);
    let tables = tables.collect::<anyhow::Result<Vec<_>>>()?;
    let name = file_name(&date, only);
    let page = Page {
        date: &date,
        only,
        facts: machine::facts(),
        report: &report,
        benches: (!tables.is_empty()).then(|| tables.join("\n")),
    };
    let folder = root::checkout().join("docs").join("proof");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(&name);
    std::fs::write(&path, page.text()?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("written: docs/proof/{name}");
    Ok(report.tally.failed == 0)
}

/// Which benches a step's name stands for, by what their names hold, if it is not one of the tests.
fn benches_named(step: &str) -> Option<&str> {
    match step {
        BENCHES => Some(""),
        step => step.strip_prefix(BENCH),
    }
}

/// `DATE.md`, or `DATE-STEP-STEP.md` for a part.
fn file_name(date: &str, only: &[String]) -> String {
    let mut name = date.to_owned();
    for step in only {
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        name.push('-');
        name.extend(step.to_ascii_lowercase().chars().map(word));
    }
    name.push_str(".md");
    name
}

struct Page<'a> {
    date: &'a str,
    only: &'a [String],
    facts: Vec<(&'static str, String)>,
    report: &'a Report,
    benches: Option<String>,
}

impl Page<'_> {
    fn text(&self) -> Result<String, std::fmt::Error> {
        let Self {
            date,
            only,
            facts,
            report,
            benches,
        } = self;
        let mut page = String::new();
        let Tally {
            passed,
            failed,
            skipped,
        } = report.tally;
        writeln!(
            page,
            "# Proof of {date}\n\nWritten by `cargo xtask proof`.\n"
        )?;
        if !only.is_empty() {
            writeln!(page, "A part of it: {}.\n", only.join(", "))?;
        }
        writeln!(
            page,
            "**{passed} passed, {failed} failed, {skipped} skipped**\n\n## Machine\n"
        )?;
        for (what, which) in facts {
            writeln!(page, "- {what}: {which}")?;
        }
        writeln!(
            page,
            "\n## Steps\n\n| step | passed | failed | skipped | seconds |\n| --- | --- | --- | --- | --- |"
        )?;
        for StepDone { name, tally, took } in &report.steps {
            let Tally {
                passed,
                failed,
                skipped,
            } = tally;
            writeln!(
                page,
                "| {name} | {passed} | {failed} | {skipped} | {:.1} |",
                took.as_secs_f64()
            )?;
        }
        write_list(&mut page, "Skipped", &report.skips)?;
        write_list(&mut page, "Figures and seeds of the tests", &report.figures)?;
        if let Some(benches) = benches {
            writeln!(
                page,
                "\n## Benches\n\nMedian, and in brackets least and most.\n\n{}",
                benches.trim_end()
            )?;
        }
        Ok(page)
    }
}

fn write_list(page: &mut String, title: &str, lines: &[String]) -> std::fmt::Result {
    writeln!(page, "\n## {title}\n")?;
    if lines.is_empty() {
        writeln!(page, "None.")?;
    }
    for line in lines {
        writeln!(page, "- {line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::{Page, Report, StepDone, Tally, file_name};

    #[test]
    fn a_page_holds_the_date_the_machine_the_counts_and_the_figures() {
        let tally = Tally {
            passed: 7,
            failed: 1,
            skipped: 1,
        };
        let step = StepDone {
            name: "tests",
            tally,
            took: Duration::from_millis(1260),
        };
        let report = Report {
            tally,
            steps: vec![step],
            skips: vec!["power cut: needs root".to_owned()],
            figures: Vec::new(),
        };
        let page = Page {
            date: "2026-11-23",
            only: &[],
            facts: vec![("cores", "2".to_owned())],
            report: &report,
            benches: Some("| a |\n".to_owned()),
        };
        expect![[r#"
            # Proof of 2026-11-23

            Written by `cargo xtask proof`.

            **7 passed, 1 failed, 1 skipped**

            ## Machine

            - cores: 2

            ## Steps

            | step | passed | failed | skipped | seconds |
            | --- | --- | --- | --- | --- |
            | tests | 7 | 1 | 1 | 1.3 |

            ## Skipped

            - power cut: needs root

            ## Figures and seeds of the tests

            None.

            ## Benches

            Median, and in brackets least and most.

            | a |
        "#]]
        .assert_eq(&page.text().unwrap());
    }

    #[test]
    fn a_part_is_named_after_its_steps() {
        let only = ["CRD, Kubernetes 1.36".to_owned(), "benches".to_owned()];
        assert_eq!(file_name("2026-11-23", &[]), "2026-11-23.md");
        assert_eq!(
            file_name("2026-11-23", &only),
            "2026-11-23-crd--kubernetes-1-36-benches.md"
        );
    }
}
