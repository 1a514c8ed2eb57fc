//! What the command line prints, to the byte, and how it ends: `check` and `plan` on the examples and
//! on changes of them, `crd`, and every help. Each runs twice. `UPDATE_EXPECT=1` writes what is
//! printed now into `snapshots/`.

// A test from end to end: what fails here shall panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::{ExpectFile, expect_file};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What a command printed and how it ended.
fn printed(folder: &Path, words: &[&str]) -> String {
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svom-messaging"));
        let output = command.args(words).current_dir(folder).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        let err = if err.is_empty() {
            err
        } else {
            format!("--- on standard error\n{err}")
        };
        format!(
            "$ svom-messaging {}\n{out}{err}--- exit code {}\n",
            words.join(" "),
            output.status.code().unwrap()
        )
    };
    let first = run();
    assert_eq!(run(), first, "two runs print different bytes");
    first
}

fn snapshot(name: &str) -> ExpectFile {
    expect_file![format!("snapshots/{name}.txt")]
}

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join("manifests/examples").join(name)).unwrap()
}

#[test]
fn every_example_is_checked_and_planned() {
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(Path::new(ROOT).join("manifests/examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let file = format!("manifests/examples/{name}");
        let mut text = String::new();
        for command in ["check", "plan"] {
            for output in ["text", "json"] {
                text += &printed(
                    Path::new(ROOT),
                    &[command, "--file", &file, "--output", output],
                );
            }
        }
        text += &printed(Path::new(ROOT), &["plan", "--file", &file, "--from", &file]);
        snapshot(&format!("example-{}", name.trim_end_matches(".yaml"))).assert_eq(&text);
        seen.insert(name);
    }
    assert!(
        seen.contains("minimal.yaml") && seen.len() >= 4,
        "examples are missing: {seen:?}"
    );
}

/// Two files beside each other.
struct Pair {
    folder: tempfile::TempDir,
}

impl Pair {
    fn of(old: &str, new: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old.yaml"), old).unwrap();
        fs::write(folder.path().join("new.yaml"), new).unwrap();
        Self { folder }
    }

    fn planned(&self) -> String {
        let plan = [
            "plan", "--file", "new.yaml", "--from", "old.yaml", "--output",
        ];
        ["text", "json"]
            .map(|output| printed(self.folder.path(), &[&plan[..], &[output]].concat()))
            .concat()
    }
}

/// The example with each of these texts, which must be in it, replaced.
fn changed(name: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(example(name), |text, (old, new)| {
        assert!(text.contains(old), "{name} holds no {old:?}");
        text.replace(old, new)
    })
}

#[test]
fn changes_are_planned() {
    const LISTENER: &str = "    - name: vhf-listener\n      publish: [data.vhf]\n";
    let cases: &[(&str, &str, &[(&str, &str)])] = &[
        (
            "user-added",
            "minimal.yaml",
            &[(
                LISTENER,
                "    - {name: vhf-listener, publish: [data.vhf]}\n    - {name: archive, subscribe: ['data.*'], durables: [{name: all, queues: ['data.*']}]}\n",
            )],
        ),
        ("user-removed", "minimal.yaml", &[(LISTENER, "")]),
        (
            "right-removed",
            "mission.yaml",
            &[(
                "publish: [data.vhf, activity.infrastructure]",
                "publish: [data.vhf]",
            )],
        ),
        (
            "durable-removed",
            "mission.yaml",
            &[(
                "        - name: ingest\n          queues: [data.vhf]\n",
                "        - name: other\n          queues: [data.vhf]\n",
            )],
        ),
        (
            "limits-lowered",
            "custom-domains.yaml",
            &[
                ("maxAge: 720h", "maxAge: 24h"),
                ("maxBytes: 4Gi", "maxBytes: 1Gi"),
                ("maxMessagesPerQueue: 10000\n", "maxMessagesPerQueue: 100\n"),
            ],
        ),
        (
            "limits-raised",
            "custom-domains.yaml",
            &[
                ("maxAge: 24h", "maxAge: 48h"),
                ("maxBytes: 512Mi", "maxBytes: 1Gi"),
            ],
        ),
        (
            "sync-changed",
            "mission.yaml",
            &[("sync: Always", "sync: 10s")],
        ),
        (
            "replicas-raised",
            "minimal.yaml",
            &[("spec:\n", "spec:\n  replicas: 5\n")],
        ),
        (
            "replicas-lowered",
            "minimal.yaml",
            &[("spec:\n", "spec:\n  replicas: 1\n")],
        ),
        (
            "paused",
            "minimal.yaml",
            &[("spec:\n", "spec:\n  paused: true\n"), (LISTENER, "")],
        ),
        (
            "domain-removed",
            "custom-domains.yaml",
            &[
                (
                    "    - name: states\n      programs: [antenna, instrument]\n      replicas: 1\n      maxAge: 1h\n      maxBytes: 128Mi\n      maxMessagesPerQueue: 1000\n      onDelete: Delete\n",
                    "",
                ),
                (", states.antenna", ""),
                (", \"states.*\"", ""),
            ],
        ),
        (
            "certificates-required",
            "minimal.yaml",
            &[("spec:\n", "spec:\n  tls: {clientCertificates: Required}\n")],
        ),
        (
            "volume-smaller",
            "mission.yaml",
            &[("size: 20Gi", "size: 15Gi")],
        ),
        ("everything-else-of-the-other", "mission.yaml", &[]),
    ];
    for (name, from, changes) in cases {
        let new = if changes.is_empty() {
            example("mutual-tls.yaml")
        } else {
            changed(from, changes)
        };
        snapshot(&format!("plan-{name}")).assert_eq(&Pair::of(&example(from), &new).planned());
    }
}

#[test]
fn wrong_resources_are_told_whole() {
    const WRONG: &str = "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {name: fsc}\nspec:\n  users:\n    - {name: desk, publish: [data.radio], subscribe: [data.vhf], durables: [{name: all, queues: [data.mdb, data.vhf, science.too]}]}\n  domains:\n    - {name: data, programs: [vhf, mdb], replicas: 5, maxBytes: 900Gi}\n    - {name: science, programs: [too], duplicateWindow: 200h}\n";
    let pair = Pair::of(&example("minimal.yaml"), WRONG);
    let place = pair.folder.path();
    let mut text = String::new();
    for words in [
        &["check", "--file", "new.yaml"][..],
        &["check", "--file", "new.yaml", "--output", "json"],
        &["plan", "--file", "new.yaml"],
        &["plan", "--file", "old.yaml", "--from", "new.yaml"],
        &[
            "plan", "--file", "new.yaml", "--from", "old.yaml", "--output", "json",
        ],
        &["check", "--file", "absent.yaml"],
        &["check", "--file", "absent.yaml", "--output", "json"],
        &["check", "--file", "."],
        &["plan", "--file", "absent.yaml"],
        &["check"],
        &["chek"],
        &["check", "--file", "old.yaml", "--output", "yaml"],
        &["local", "up", "--file", "old.yaml", "--port", "70000"],
    ] {
        text += &printed(place, words);
    }
    snapshot("wrong").assert_eq(&text);
}

#[test]
fn the_definition_is_the_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_svom-messaging"))
        .arg("crd")
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let file = fs::read_to_string(Path::new(ROOT).join("crds/svommessaging.yaml")).unwrap();
    // The file's first lines may say that it is generated.
    let file: String = file
        .lines()
        .skip_while(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), file);
}

#[test]
fn every_help_teaches() {
    let local = [
        "up", "apply", "status", "kill", "stop", "start", "env", "down",
    ];
    let mut commands: Vec<Vec<&str>> = vec![
        vec![],
        vec!["crd"],
        vec!["check"],
        vec!["plan"],
        vec!["local"],
        vec!["run"],
    ];
    commands.extend(local.map(|command| vec!["local", command]));
    let place = PathBuf::from(ROOT);
    let mut text = String::new();
    for command in &commands {
        text += &printed(&place, &[&command[..], &["--help"]].concat());
    }
    // Every command is in here: the list of each help names no other.
    let listed = |of: &[&str]| -> BTreeSet<String> {
        let help = printed(&place, &[of, &["--help"]].concat());
        let commands = help
            .split("Commands:\n")
            .nth(1)
            .unwrap()
            .split("\n\n")
            .next()
            .unwrap()
            .to_owned();
        let names = commands
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        names
            .filter(|name| !["", "help"].contains(name))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        listed(&[]),
        ["check", "crd", "local", "plan", "run"]
            .map(str::to_owned)
            .into()
    );
    assert_eq!(listed(&["local"]), local.map(str::to_owned).into());
    snapshot("help").assert_eq(&text);
}
