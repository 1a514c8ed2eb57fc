//! What is asked of runc where the machine cannot do all of it.
//!
//! In: the arguments that containerd gives to runc. Out: the files that they name, changed so that
//! runc can do what they ask: a machine without the capability CAP_SYS_RESOURCE cannot give it to a
//! container, cannot make a process less likely to be killed, and cannot raise a hard limit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::process::{Resource, getrlimit};
use serde_json::Value;

const CAPABILITY: &str = "CAP_SYS_RESOURCE";
/// Its number in the kernel's masks.
const CAPABILITY_BIT: u32 = 24;

/// Whether this machine has the capability to give.
///
/// # Errors
/// When the kernel does not say.
pub fn machine_has_capability() -> Result<bool> {
    let path = "/proc/self/status";
    let status = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .with_context(|| format!("{path} has no CapBnd"))?;
    Ok(mask >> CAPABILITY_BIT & 1 == 1)
}

/// Changes the file that these arguments of runc name, if they name one.
///
/// # Errors
/// When the file cannot be read as what it should be, or cannot be written.
pub fn adapt(arguments: &[String]) -> Result<()> {
    let Some(file) = file(arguments) else {
        return Ok(());
    };
    let path = file.path();
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut content: Value =
        serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))?;
    let process = match &file {
        File::Bundle(_) => content.get_mut("process"),
        File::Process(_) => Some(&mut content),
    };
    if let Some(process) = process {
        lower(process, hard_limit);
        let text = serde_json::to_vec(&content)?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum File {
    /// A container's configuration, with its process in it.
    Bundle(PathBuf),
    /// A process alone, for a container that runs.
    Process(PathBuf),
}

impl File {
    fn path(&self) -> &Path {
        match self {
            Self::Bundle(path) | Self::Process(path) => path,
        }
    }
}

fn file(arguments: &[String]) -> Option<File> {
    let mut words = arguments.iter();
    let command = words.find(|word| matches!(word.as_str(), "create" | "run" | "exec"))?;
    let options: &[&str] = if command == "exec" {
        &["--process", "-p"]
    } else {
        &["--bundle", "-b"]
    };
    let value = value_of(options, words.as_slice());
    if command == "exec" {
        return value.map(|path| File::Process(path.into()));
    }
    let bundle = PathBuf::from(value.unwrap_or("."));
    Some(File::Bundle(bundle.join("config.json")))
}

/// Of `--option VALUE` and `--option=VALUE`.
fn value_of<'a>(options: &[&str], words: &'a [String]) -> Option<&'a str> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        for option in options {
            if word == option {
                return words.next().map(String::as_str);
            }
            let value = word.strip_prefix(option);
            if let Some(value) = value.and_then(|rest| rest.strip_prefix('=')) {
                return Some(value);
            }
        }
    }
    None
}

fn lower(process: &mut Value, hard_limit: impl Fn(&str) -> Option<u64>) {
    let sets = process
        .get_mut("capabilities")
        .and_then(Value::as_object_mut);
    for set in sets
        .into_iter()
        .flatten()
        .filter_map(|(_, set)| set.as_array_mut())
    {
        set.retain(|capability| capability != CAPABILITY);
    }
    if let Some(adjustment) = process.get_mut("oomScoreAdj")
        && adjustment.as_i64().is_some_and(|score| score < 0)
    {
        *adjustment = 0.into();
    }
    let limits = process.get_mut("rlimits").and_then(Value::as_array_mut);
    for limit in limits.into_iter().flatten() {
        let in_force = limit
            .get("type")
            .and_then(Value::as_str)
            .and_then(&hard_limit);
        let Some(in_force) = in_force else { continue };
        for name in ["hard", "soft"] {
            if let Some(asked) = limit.get_mut(name)
                && asked.as_u64().is_some_and(|asked| asked > in_force)
            {
                *asked = in_force.into();
            }
        }
    }
}

/// The hard limit in force, where there is one.
fn hard_limit(name: &str) -> Option<u64> {
    let resource = match name {
        "RLIMIT_AS" => Resource::As,
        "RLIMIT_CORE" => Resource::Core,
        "RLIMIT_CPU" => Resource::Cpu,
        "RLIMIT_DATA" => Resource::Data,
        "RLIMIT_FSIZE" => Resource::Fsize,
        "RLIMIT_LOCKS" => Resource::Locks,
        "RLIMIT_MEMLOCK" => Resource::Memlock,
        "RLIMIT_MSGQUEUE" => Resource::Msgqueue,
        "RLIMIT_NICE" => Resource::Nice,
        "RLIMIT_NOFILE" => Resource::Nofile,
        "RLIMIT_NPROC" => Resource::Nproc,
        "RLIMIT_RSS" => Resource::Rss,
        "RLIMIT_RTPRIO" => Resource::Rtprio,
        "RLIMIT_RTTIME" => Resource::Rttime,
        "RLIMIT_SIGPENDING" => Resource::Sigpending,
        "RLIMIT_STACK" => Resource::Stack,
        _ => return None,
    };
    getrlimit(resource).maximum
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_file_is_found_in_the_arguments() {
        let bundle = |path: &str| Some(File::Bundle(PathBuf::from(path)));
        let cases = [
            (
                "--root /r --log /l create --bundle /b --pid-file /p id",
                bundle("/b/config.json"),
            ),
            ("run -b=/b id", bundle("/b/config.json")),
            ("create id", bundle("./config.json")),
            (
                "exec --process /p --detach id",
                Some(File::Process("/p".into())),
            ),
            ("exec id ls", None),
            ("--root /r delete --force id", None),
        ];
        for (line, expected) in cases {
            let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(file(&arguments), expected, "{line}");
        }
    }

    #[test]
    fn what_the_machine_cannot_do_is_not_asked() {
        let mut process = json!({
            "args": ["sh"],
            "capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"],
                "ambient": ["CAP_SYS_RESOURCE"],
            },
            "oomScoreAdj": -999,
            "rlimits": [
                {"type": "RLIMIT_NOFILE", "hard": 1_000_000, "soft": 1_024},
                {"type": "RLIMIT_CORE", "hard": 9, "soft": 9},
            ],
        });
        lower(&mut process, |name| {
            (name == "RLIMIT_NOFILE").then_some(4_096)
        });
        let lowered = json!({
            "args": ["sh"],
            "capabilities": {"bounding": ["CAP_CHOWN"], "ambient": []},
            "oomScoreAdj": 0,
            "rlimits": [
                {"type": "RLIMIT_NOFILE", "hard": 4_096, "soft": 1_024},
                {"type": "RLIMIT_CORE", "hard": 9, "soft": 9},
            ],
        });
        assert_eq!(process, lowered);
    }

    #[test]
    fn what_the_machine_can_do_is_asked_as_it_was() {
        let asked = json!({"args": ["sh"], "oomScoreAdj": 500, "capabilities": {"bounding": []}});
        let mut process = asked.clone();
        lower(&mut process, |_| None);
        assert_eq!(process, asked);
    }
}
