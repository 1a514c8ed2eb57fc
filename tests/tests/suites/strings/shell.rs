//! A real shell that evaluates what `local env` prints, many users in one script.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

/// Variables that may be exported.
pub const VARIABLES: [&str; 9] = [
    "NATS_URL",
    "NATS_USER",
    "NATS_PASSWORD",
    "NATS_NKEY",
    "NATS_CA",
    "NATS_CERT",
    "NATS_KEY",
    "NATS_CONTEXT",
    "NATS_WEBSOCKET_URL",
];

/// Stands for a variable that is not there; no value has a newline.
const ABSENT: &str = "\n";

/// What the shell's children see of each variable after each of these scripts.
pub fn exported(scripts: &[String]) -> Result<Vec<Vec<Option<String>>>> {
    let mut script = String::new();
    for exports in scripts {
        script.push_str(&format!("unset {}\n{exports}", VARIABLES.join(" ")));
        let values: Vec<String> = VARIABLES
            .iter()
            .map(|name| format!("\"${{{name}-{ABSENT}}}\""))
            .collect();
        script.push_str(&format!("printf '%s\\0' {}\n", values.join(" ")));
    }
    let output = run(&script)?;
    let mut values = output
        .split('\0')
        .map(|value| (value != ABSENT).then(|| value.to_owned()));
    let mut all = Vec::new();
    for _ in scripts {
        let of_one: Vec<Option<String>> = values.by_ref().take(VARIABLES.len()).collect();
        ensure!(
            of_one.len() == VARIABLES.len(),
            "the shell printed too little"
        );
        all.push(of_one);
    }
    ensure!(
        values.eq([Some(String::new())]),
        "the shell printed too much"
    );
    Ok(all)
}

/// Runs a script from standard input, as `sh` reads it from a pipe.
pub fn run(script: &str) -> Result<String> {
    let mut shell = Command::new("sh")
        .arg("-eu")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = shell.stdin.take().context("the shell has no input")?;
    let script = script.to_owned();
    let writer = thread::spawn(move || input.write_all(script.as_bytes()));
    let output = shell.wait_with_output()?;
    writer
        .join()
        .map_err(|_| anyhow::anyhow!("the writer failed"))??;
    ensure!(output.status.success(), "sh ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
