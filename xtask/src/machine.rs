//! The machine and the versions a run was made with.
//!
//! In: the machine. Out: lines of text. What cannot be found out is said to be unknown.

use std::process::{Command, Stdio};

/// Pairs of what and which, in a fixed order. No host names, no paths.
pub fn facts() -> Vec<(&'static str, String)> {
    vec![
        ("cores", cores()),
        ("memory", memory().unwrap_or_else(unknown)),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("rustc", version("rustc", "--version")),
        ("go", version("go", "version")),
        (
            "nats-server on the path",
            version("nats-server", "--version"),
        ),
    ]
}

fn cores() -> String {
    std::thread::available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string())
}

/// Total memory, from the kernel's own table in kibibytes.
fn memory() -> Option<String> {
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(format!("{:.1} GiB", kibibytes / f64::from(1 << 20)))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

fn version(program: &str, argument: &str) -> String {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if text.is_empty() { unknown() } else { text }
        }
        _ => unknown(),
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}
