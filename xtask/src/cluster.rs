//! The testbed's commands, which are a program of their own: it goes on when this one has ended.
//!
//! In: its words. Out: what it prints, and its exit code.

use std::process::ExitCode;

use crate::gate::step::Tool;

/// Does what the words say; the program's own exit code.
pub fn run(words: &[String]) -> ExitCode {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match program(&words).code() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The program with these words.
pub fn program(words: &[&str]) -> Tool {
    let mut tool = Tool::cargo([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "svom-cluster",
        "--bin",
        "svom-cluster",
        "--",
    ]);
    for word in words {
        tool.argument(word);
    }
    tool
}
