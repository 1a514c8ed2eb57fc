//! A server's log file. In: the server's folder. Out: the open file, and the last words of a server
//! that ended. The server itself moves it aside when it is large, as its configuration says, and begins
//! another; what it says as it crashes goes to the one that it was started with. Nothing is written, or
//! looked at, while the server runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much of the end is looked at for last words.
const TAIL: u64 = 8 << 10;
/// How many lines last words are, where none of them says what was fatal.
const LINES: usize = 3;

/// The log of one run of a server.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// The file that it was started with, wherever that is now.
    first: File,
    /// Where in it the run begins.
    from: u64,
}

impl Log {
    /// Opens the log for a new run.
    pub fn open(folder: &Path) -> io::Result<(Self, File)> {
        let path = folder.join("log");
        let first = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        let file = first.try_clone()?;
        let from = first.metadata()?.len();
        Ok((Self { path, first, from }, file))
    }

    /// The last that the run said: what it called fatal, else its last lines; nothing if it said
    /// nothing or cannot be read.
    pub fn last_words(&self) -> String {
        self.words().unwrap_or_default()
    }

    fn words(&self) -> io::Result<String> {
        let first = tail(&self.first, self.from)?;
        let now = File::open(&self.path)?;
        let id = |file: &File| file.metadata().map(|it| (it.dev(), it.ino()));
        if id(&now)? == id(&self.first)? {
            return Ok(last_words(&first));
        }
        match fatal(&first) {
            Some(words) => Ok(words),
            None => Ok(last_words(&tail(&now, 0)?)),
        }
    }
}

/// The end of what a file holds from there on; of all of it where it was begun anew meanwhile.
fn tail(mut file: &File, from: u64) -> io::Result<String> {
    let length = file.metadata()?.len();
    let from = if length < from { 0 } else { from };
    let start = length.saturating_sub(TAIL).max(from);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_words(text: &str) -> String {
    if let Some(words) = fatal(text) {
        return words;
    }
    let lines = lines(text);
    let last = lines.get(lines.len().saturating_sub(LINES)..);
    printable(&last.unwrap_or_default().join("; "))
}

/// The last that is called fatal.
fn fatal(text: &str) -> Option<String> {
    // What is wrong with a configuration comes before there is a log, after the program's name.
    let marks = ["[FTL] ", "nats-server: ", "panic: ", "fatal error: "];
    let after = |line: &&str| {
        let after = |mark| line.split_once(mark).map(|(_, what)| printable(what));
        marks.into_iter().find_map(after)
    };
    lines(text).iter().rev().find_map(after)
}

fn lines(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect()
}

/// It goes to a terminal.
fn printable(words: &str) -> String {
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
    #[test]
    fn a_run_whose_log_was_moved_aside_speaks_in_both() {
        let folder = tempfile::tempdir().unwrap();
        let (run, mut file) = Log::open(folder.path()).unwrap();
        file.write_all(b"begins\n").unwrap();
        std::fs::rename(folder.path().join("log"), folder.path().join("log.1")).unwrap();
        std::fs::write(folder.path().join("log"), "goes on\n").unwrap();
        assert_eq!(run.last_words(), "goes on");
        file.write_all(b"panic: out of memory\n\ngoroutine 1\n")
            .unwrap();
        // Whoever keeps only the last few removed it.
        std::fs::remove_file(folder.path().join("log.1")).unwrap();
        assert_eq!(run.last_words(), "out of memory");
    }
}
