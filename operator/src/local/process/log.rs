//! A server's log file. In: the server's folder. Out: the open file, and the last words of a server
//! that ended. The server itself moves it aside when it is large, as its configuration says; nothing is
//! written, or looked at, while the server runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How much of the end is looked at for last words.
const TAIL: u64 = 8 << 10;
/// How many lines last words are, where none of them says what was fatal.
const LINES: usize = 3;

/// The log of one run of a server.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    from: u64,
}

impl Log {
    /// Opens the log for a new run.
    pub fn open(folder: &Path) -> io::Result<(Self, File)> {
        let path = folder.join("log");
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        let from = file.metadata()?.len();
        Ok((Self { path, from }, file))
    }

    /// The last that the run said: what it called fatal, else its last lines; nothing if it said
    /// nothing or cannot be read.
    pub fn last_words(&self) -> String {
        self.tail()
            .map(|text| last_words(&text))
            .unwrap_or_default()
    }

    fn tail(&self) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        // A log that is shorter than it was at the start was begun anew during the run.
        let from = if length < self.from { 0 } else { self.from };
        let start = length.saturating_sub(TAIL).max(from);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    // What is wrong with a configuration comes before there is a log, after the program's name.
    let fatal = |line: &&str| {
        let marks = ["[FTL] ", "nats-server: ", "panic: ", "fatal error: "];
        let after = |mark| line.split_once(mark).map(|(_, what)| what.to_owned());
        marks.into_iter().find_map(after)
    };
    let words = match lines.iter().rev().find_map(fatal) {
        Some(words) => words,
        None => lines
            .get(lines.len().saturating_sub(LINES)..)
            .unwrap_or_default()
            .join("; "),
    };
    // It goes to a terminal.
    words.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn last_words_are_what_was_fatal_or_the_last_lines() {
        let cases = [
            ("", ""),
            (
                "nats-server: server.json:1:37: unknown field \"foo\"\n\n",
                "server.json:1:37: unknown field \"foo\"",
            ),
            (
                "[7] 2026/11/23 03:38:34.789 [INF] Starting nats-server\n[7] 2026/11/23 03:38:34.789 [FTL] Error listening on port: 127.0.0.1:4790, \"bind: address already in use\"\n",
                "Error listening on port: 127.0.0.1:4790, \"bind: address already in use\"",
            ),
            (
                "panic: index out of range\n\ngoroutine 1 [running]:\nmain.main()\n",
                "index out of range",
            ),
            ("one\ntwo\nthree\n\nfour\n", "two; three; four"),
            ("\u{1b}[31mred", " [31mred"),
        ];
        for (text, words) in cases {
            assert_eq!(last_words(text), words);
        }
    }

    #[test]
    fn a_run_speaks_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let (first, mut file) = Log::open(folder.path()).unwrap();
        file.write_all(b"first").unwrap();
        let (second, mut file) = Log::open(folder.path()).unwrap();
        assert_eq!(
            (first.last_words(), second.last_words()),
            ("first".into(), String::new())
        );
        file.write_all(b"\nsecond").unwrap();
        assert_eq!(second.last_words(), "second");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        file.set_len(0).unwrap();
        file.write_all(b"anew").unwrap();
        assert_eq!(second.last_words(), "anew");
    }
}
