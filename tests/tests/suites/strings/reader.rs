//! One long-lived Python process that reads what was rendered.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;
use svom_tests::python;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/strings.py");

/// What it says about one rendered text.
#[derive(Debug, Deserialize)]
pub struct Verdict {
    /// Strings that were read and compared.
    pub read: usize,
    /// Those that are not as they were meant.
    pub wrong: Vec<String>,
}

/// The reader.
pub struct Reader {
    process: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Reader {
    /// Starts it.
    pub fn start(layout: &[String]) -> Result<Self> {
        let mut process = Command::new(python::interpreter()?)
            .arg(SCRIPT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start Python")?;
        let input = BufWriter::new(process.stdin.take().context("no input")?);
        let output = BufReader::new(process.stdout.take().context("no output")?);
        let mut reader = Self {
            process,
            input,
            output,
        };
        reader.judge(b'L', layout.iter().map(String::as_bytes))?;
        Ok(reader)
    }

    /// A server's configuration and every string that must stand in it.
    pub fn configuration(&mut self, json: &[u8], strings: &[String]) -> Result<Verdict> {
        self.judge(
            b'C',
            [json]
                .into_iter()
                .chain(strings.iter().map(String::as_bytes)),
        )
    }

    /// A context of the `nats` command, with its keys and values.
    pub fn context(&mut self, json: &[u8], wanted: &[(&str, String)]) -> Result<Verdict> {
        let wanted = wanted
            .iter()
            .flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]);
        self.judge(b'N', [json].into_iter().chain(wanted))
    }

    fn judge<'a>(&mut self, kind: u8, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Verdict> {
        let pieces: Vec<&[u8]> = pieces.collect();
        self.input.write_all(&[kind])?;
        self.input.write_all(&length(pieces.len())?)?;
        for piece in pieces {
            self.input.write_all(&length(piece.len())?)?;
            self.input.write_all(piece)?;
        }
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("Python ended")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A process that has ended already is no error.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn length(length: usize) -> Result<[u8; 4]> {
    Ok(u32::try_from(length)?.to_be_bytes())
}
