//! Programs that a step runs.
//!
//! In: a command. Out: whether it held, or how many tests it ran; its output goes through to the
//! user as it comes. No program gets an input.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow};

use super::libtest::Tally;
use crate::root;

/// A program with its arguments, run in the checkout.
pub struct Tool {
    name: String,
    command: Command,
}

impl Tool {
    pub fn new<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = Command::new(program.as_ref());
        command
            .args(arguments)
            .current_dir(root::checkout())
            .stdin(Stdio::null());
        Self {
            name: program.as_ref().to_string_lossy().into_owned(),
            command,
        }
    }

    /// The cargo that runs this program, or the one on the path.
    pub fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut tool = Self::new(cargo, arguments);
        // What cargo says about this program's package is not about what is built: build scripts that
        // look at it (ring's does) would run anew, and everything above them be built anew.
        for (name, _) in std::env::vars_os() {
            let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
            if of_package
                .iter()
                .any(|prefix| name.to_string_lossy().starts_with(prefix))
            {
                tool.command.env_remove(&name);
            }
        }
        tool
    }

    pub fn argument(&mut self, argument: impl AsRef<OsStr>) {
        self.command.arg(argument);
    }

    pub fn env(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.command.env(name, value);
    }

    pub fn folder(&mut self, folder: PathBuf) {
        self.command.current_dir(folder);
    }

    /// Whether it ends well. What it prints is seen.
    pub fn holds(mut self) -> anyhow::Result<bool> {
        let status = self.command.status();
        Ok(status.with_context(|| self.missing())?.success())
    }

    /// How it ends, as its exit code says. What it prints is seen.
    pub fn code(mut self) -> anyhow::Result<u8> {
        let status = self.command.status().with_context(|| self.missing())?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        code.with_context(|| format!("{} ended with {status}", self.name))
    }

    /// What it prints, where it ends well. What it says on standard error is not seen.
    pub fn prints(mut self) -> anyhow::Result<String> {
        self.command.stderr(Stdio::null());
        self.answers()
    }

    /// What it prints, where it ends well. What it says on standard error is seen.
    pub fn answers(mut self) -> anyhow::Result<String> {
        let output = self.command.stdout(Stdio::piped()).spawn();
        let output = output.and_then(std::process::Child::wait_with_output);
        let output = output.with_context(|| self.missing())?;
        if !output.status.success() {
            return Err(anyhow!("{} ended with {}", self.name, output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn missing(&self) -> String {
        format!("{} cannot be run", self.name)
    }
}

/// One check: it holds or it does not.
pub fn check(tool: Tool) -> anyhow::Result<Tally> {
    Ok(if tool.holds()? {
        Tally::PASSED
    } else {
        Tally::FAILED
    })
}

/// Many tests, counted from the lines that `line` knows. A run that ends badly without naming a test
/// that failed (it did not compile, it was killed) counts as one failure. The output goes through to
/// `seen`.
pub fn count(
    mut tool: Tool,
    line: fn(&str) -> Option<Tally>,
    seen: &mut impl Write,
) -> anyhow::Result<Tally> {
    let mut child = tool
        .command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| tool.missing())?;
    let output = child.stdout.take().context("no output to read")?;
    let mut tally = Tally::default();
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(output);
    while reader
        .read_until(b'\n', &mut bytes)
        .context("output cannot be read")?
        > 0
    {
        seen.write_all(&bytes).context("output cannot be shown")?;
        let text = String::from_utf8_lossy(&bytes);
        tally += line(text.trim_end()).unwrap_or_default();
        bytes.clear();
    }
    let status = child.wait().with_context(|| tool.missing())?;
    if !status.success() && tally.failed == 0 {
        println!(
            "{} ended with {status} and named no test that failed",
            tool.name
        );
        tally += Tally::FAILED;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::{Tally, Tool, check, count};
    use crate::gate::libtest::rust_line;

    fn shell(script: &str) -> Tool {
        Tool::new("sh", ["-c", script])
    }

    #[test]
    fn a_check_is_its_exit_code() {
        assert_eq!(check(shell("exit 0")).unwrap(), Tally::PASSED);
        assert_eq!(check(shell("exit 3")).unwrap(), Tally::FAILED);
        let error = check(Tool::new("no-such-program", ["x"])).unwrap_err();
        assert_eq!(error.to_string(), "no-such-program cannot be run");
    }

    fn counted(script: &str) -> (Tally, String) {
        let mut seen = Vec::new();
        let tally = count(shell(script), rust_line, &mut seen).unwrap();
        (tally, String::from_utf8(seen).unwrap())
    }

    #[test]
    fn tests_of_several_programs_are_added_up_and_seen() {
        let output = "test result: ok. 2 passed; 0 failed; 1 ignored\n\
                      test result: FAILED. 1 passed; 1 failed; 0 ignored";
        let expected = Tally {
            passed: 3,
            failed: 1,
            skipped: 1,
        };
        let script = format!("printf '%s' '{output}'; exit 101");
        assert_eq!(counted(&script), (expected, output.to_owned()));
    }

    #[test]
    fn a_run_that_breaks_off_is_a_failure() {
        let output = "test result: ok. 2 passed; 0 failed; 0 ignored\n";
        let expected = Tally {
            passed: 2,
            failed: 1,
            skipped: 0,
        };
        let script = format!("printf '%s' '{output}'; exit 101");
        assert_eq!(counted(&script), (expected, output.to_owned()));
    }
}
