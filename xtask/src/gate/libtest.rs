//! What test programs say about themselves.
//!
//! In: one line of a test program's output. Out: what it adds to the tally. Nothing is kept between
//! lines.

use std::iter::Sum;
use std::ops::AddAssign;

/// How many tests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Tally {
    pub const PASSED: Self = Self {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    pub const FAILED: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
    pub const SKIPPED: Self = Self {
        passed: 0,
        failed: 0,
        skipped: 1,
    };

    /// Whether nothing failed and anything ran.
    pub fn good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// Counts as skipped what passed only because it returned early and said so.
    pub fn with_skips(self, skips: u64) -> Self {
        Self {
            passed: self.passed.saturating_sub(skips),
            failed: self.failed,
            skipped: self.skipped + skips,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self {
            passed,
            failed,
            skipped,
        } = other;
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        let mut sum = Self::default();
        for tally in tallies {
            sum += tally;
        }
        sum
    }
}

/// The line with which a Rust test program ends: `test result: ok. 3 passed; 0 failed; ...`.
pub fn rust_line(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut tally = Tally::default();
    for count in counts.split("; ") {
        let Some((number, what)) = count.split_once(' ') else {
            continue;
        };
        let number = number.parse().ok();
        match (what, number) {
            ("passed", Some(number)) => tally.passed = number,
            ("failed", Some(number)) => tally.failed = number,
            ("ignored", Some(number)) => tally.skipped = number,
            _ => {}
        }
    }
    Some(tally)
}

/// The line that a verbose Go test prints for each test. The cases of a table are lines with an
/// indent: they belong to their test and are not counted again.
pub fn go_line(line: &str) -> Option<Tally> {
    let (outcome, _) = line.strip_prefix("--- ")?.split_once(": ")?;
    match outcome {
        "PASS" => Some(Tally::PASSED),
        "FAIL" => Some(Tally::FAILED),
        "SKIP" => Some(Tally::SKIPPED),
        _ => None,
    }
}

/// The line with which pytest ends: `1 failed, 12 passed, 2 skipped in 3.20s`.
pub fn pytest_line(line: &str) -> Option<Tally> {
    let (counts, took) = line.rsplit_once(" in ")?;
    if !took.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut tally = Tally::default();
    for count in counts.split(", ") {
        let (number, what) = count.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match what {
            "passed" | "xfailed" => tally.passed += number,
            "failed" | "error" | "errors" | "xpassed" => tally.failed += number,
            "skipped" => tally.skipped += number,
            "deselected" | "warning" | "warnings" => {}
            _ => return None,
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::{Tally, go_line, pytest_line, rust_line};

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn rust_programs_are_counted_by_their_last_line() {
        let cases = [
            (
                "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.00s",
                Some(tally(12, 0, 3)),
            ),
            (
                "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s",
                Some(tally(1, 2, 0)),
            ),
            ("test result_is_kept ... ok", None),
            ("    test result: as printed by a test", None),
            ("running 12 tests", None),
        ];
        for (line, expected) in cases {
            assert_eq!(rust_line(line), expected, "{line}");
        }
    }

    #[test]
    fn go_tests_are_counted_without_their_cases() {
        let cases = [
            ("--- PASS: TestAccepted (0.07s)", Some(tally(1, 0, 0))),
            ("--- FAIL: TestRefused (0.02s)", Some(tally(0, 1, 0))),
            ("    --- FAIL: TestRefused/two_servers (0.00s)", None),
            ("--- SKIP: TestOther (0.00s)", Some(tally(0, 0, 1))),
            ("=== RUN   TestAccepted", None),
            ("PASS", None),
        ];
        for (line, expected) in cases {
            assert_eq!(go_line(line), expected, "{line}");
        }
    }

    #[test]
    fn python_tests_are_counted_by_their_last_line() {
        let cases = [
            ("12 passed in 0.31s", Some(tally(12, 0, 0))),
            (
                "2 failed, 105 passed, 3 skipped, 1 warning, 1 error in 279.11s (0:04:39)",
                Some(tally(105, 3, 3)),
            ),
            ("9 passed, 4 deselected in 1.00s", Some(tally(9, 0, 0))),
            ("a test says: 3 passed in vain", None),
            ("no tests ran in 0.01s", None),
        ];
        for (line, expected) in cases {
            assert_eq!(pytest_line(line), expected, "{line}");
        }
    }

    #[test]
    fn a_test_that_returned_early_is_skipped_and_not_passed() {
        assert_eq!(tally(10, 0, 1).with_skips(2), tally(8, 0, 3));
    }

    #[test]
    fn a_run_without_a_single_test_is_not_good() {
        assert!(!tally(0, 0, 4).good());
        assert!(!tally(9, 1, 0).good());
        assert!(tally(9, 0, 4).good());
    }
}
