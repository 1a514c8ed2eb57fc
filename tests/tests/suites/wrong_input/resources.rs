//! Files that are no resource: to `check`, to `local up`, and to `local apply` of a bus that runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use expect_test::{Expect, expect};
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::command::ended;
use svom_tests::local::LocalBus;
use svom_tests::program::svom_messaging;

use super::{SMALL, WITHIN, named};

/// Nothing that is refused is worth more, in a debug build on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(10);

fn head(spec: &str) -> Vec<u8> {
    format!("apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {{name: fsc}}\nspec:\n{spec}").into_bytes()
}

fn bomb() -> Vec<u8> {
    let mut text = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (this, last) in ('b'..='k').zip('a'..='j') {
        text += &format!(
            "{this}: &{this} [{}]\n",
            vec![format!("*{last}"); 9].join(",")
        );
    }
    text.into_bytes()
}

/// Each with what is said of it.
fn wrong() -> Vec<(&'static str, Vec<u8>, Expect)> {
    let twice = [SMALL, "---", SMALL].concat().into_bytes();
    vec![
        (
            "unknown-field",
            head("  user: []\n"),
            expect![[r#"
            FILE:5: spec.user: unknown field; known here: domains, external, image, paused, pod, replicas, rollout, storage, tls, users, version, websocket
        "#]],
        ),
        (
            "wrong-type",
            head("  replicas: three\n  users: {name: a}\n"),
            expect![[r#"
                FILE:5: spec.replicas: text stands here; write a whole number
                FILE:6: spec.users: a mapping stands here; write a list
            "#]],
        ),
        (
            "tab",
            head("\tusers: []\n"),
            expect![[r#"
            FILE:5: the line is indented with a tab; YAML is indented with spaces
        "#]],
        ),
        (
            "empty",
            Vec::new(),
            expect![[r#"
            FILE: the file is empty
        "#]],
        ),
        (
            "only-comments",
            b"# nothing\n---\n".to_vec(),
            expect![[r#"
            FILE: the file is empty
        "#]],
        ),
        (
            "two-documents",
            twice,
            expect![[r#"
            FILE: the file holds more than one document; write one resource in each file
        "#]],
        ),
        (
            "ten-megabytes",
            [SMALL.as_bytes(), &vec![b'#'; 10 << 20]].concat(),
            expect![[r#"
                FILE: the file has more than 1048576 bytes, which no resource has
            "#]],
        ),
        (
            "deep",
            head(&format!(
                "  users: {}{}\n",
                "[".repeat(400_000),
                "]".repeat(400_000)
            )),
            expect![[r#"
                FILE:5: this is nested more than 256 deep, which no resource is
            "#]],
        ),
        (
            "deep-json",
            format!("{}{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)).into_bytes(),
            expect![[r#"
                FILE:1: this is nested more than 256 deep, which no resource is
            "#]],
        ),
        (
            "deep-list",
            head(&format!("  users:\n    {}x\n", "- ".repeat(400_000))),
            expect![[r#"
                FILE:6: this is not valid YAML: recursion limit exceeded
            "#]],
        ),
        (
            "deep-blocks",
            (0..1_200)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect::<String>()
                .into_bytes(),
            expect![[r#"
                FILE:129: this is not valid YAML: recursion limit exceeded
            "#]],
        ),
        (
            "alias-bomb",
            bomb(),
            expect![[r#"
            FILE: this is not valid YAML: repetition limit exceeded
        "#]],
        ),
        (
            "not-text",
            b"\x7fELF\x02\x01\x01\0\xff\xfe".to_vec(),
            expect![[r#"
                FILE:1: the file is not UTF-8 text
            "#]],
        ),
        (
            "utf-16",
            SMALL.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            expect![[r#"
                FILE:1: this is not valid YAML: control characters are not allowed at position 1
            "#]],
        ),
        (
            "another-kind",
            b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n".to_vec(),
            expect![[r#"
                FILE:1: apiVersion: write messaging.svom.eu/v1alpha1 instead of "v1"
                FILE:2: kind: write SvomMessaging instead of "ConfigMap"
            "#]],
        ),
        (
            "duplicate-key",
            head("  replicas: 1\n  replicas: 3\n"),
            expect![[r#"
                FILE:5: this is not valid YAML: spec: duplicate entry with key "replicas"
            "#]],
        ),
        (
            "rule-across-lists",
            SMALL
                .replace(
                    "  users:\n",
                    "  users:\n    - {name: a, publish: [data.radio]}\n",
                )
                .into_bytes(),
            expect![[r#"
                FILE:8: spec.users[0].publish[0]: data.radio names no declared queue; declared are activity.calibration, activity.core_program, activity.general_program, activity.infrastructure, activity.too, data.mdb, data.vhf, data.xband, science.calibration, science.core_program, science.general_program, science.infrastructure, science.too
                --- but:
                FILE:8: spec.users[0].publish[0]: data.radio names no declared queue; declared are activity.calibration, activity.core_program, activity.general_program, activity.infrastructure, activity.too, data.mdb, data.vhf, data.xband, science.calibration, science.core_program, science.general_program, science.infrastructure, science.too
                --- but:
                wrong    spec.users[0].publish[0]: data.radio names no declared queue; declared are activity.calibration, activity.core_program, activity.general_program, activity.infrastructure, activity.too, data.mdb, data.vhf, data.xband, science.calibration, science.core_program, science.general_program, science.infrastructure, science.too
                Since the resource is wrong, only what it takes away was applied.
                Nothing changes.
                Not ready (InvalidSpec): spec.users[0].publish[0]: data.radio names no declared queue; declared are activity.calibration, activity.core_program, activity.general_program, activity.infrastructure, activity.too, data.mdb, data.vhf, data.xband, science.calibration, science.core_program, science.general_program, science.infrastructure, science.too; the last good state stays in force, less what this one takes away
                proving 119 cells of the rights matrix and the way of a message
            "#]],
        ),
    ]
}

#[test]
fn files_that_are_no_resource_change_nothing() -> Result<()> {
    LocalBus::with(SMALL, |bus| {
        let client = Client::connect(Library::NatsPy, &bus.credentials("vhf-listener")?)?;
        client.publish("data.vhf", "before")?;
        let place = tempfile::tempdir()?;
        for (name, bytes, expected) in wrong() {
            let file = place.path().join(name);
            fs::write(&file, bytes)?;
            one_is_refused(bus, &file, &expected)?;
        }
        for (file, expected) in [
            (
                place.path().join("absent"),
                expect![[r#"
                FILE cannot be read: No such file or directory (os error 2)
            "#]],
            ),
            (
                place.path().to_owned(),
                expect![[r#"
                FILE cannot be read: Is a directory (os error 21)
            "#]],
            ),
        ] {
            one_is_refused(bus, &file, &expected)?;
        }
        ensure!(
            client.disconnects() == 0,
            "a client was disconnected by what was refused"
        );
        let more = SMALL.replace(
            "  users:\n",
            "  users:\n    - {name: one-more, publish: ['data.*']}\n",
        );
        bus.apply(&more)?;
        client.publish("data.vhf", "after")?;
        let desk = Client::connect(Library::NatsPy, &bus.credentials("alert-desk")?)?;
        let kept = desk.consumer_info("DATA", "alert-desk_all")?.pending;
        ensure!(kept == 2, "{kept} messages are kept, not 2");
        Ok(())
    })
}

/// `check`, `local up` and `local apply` say the same about it, and none takes long.
fn one_is_refused(bus: &LocalBus, file: &Path, expected: &Expect) -> Result<()> {
    let elsewhere: PathBuf = bus.state().with_file_name("elsewhere");
    let program = svom_messaging()?;
    let mut said = Vec::new();
    for words in [
        &["check"][..],
        &["local", "up", "--dir"],
        &["local", "apply", "--dir"],
    ] {
        let mut command = std::process::Command::new(program);
        command.args(words);
        match words.get(1) {
            Some(&"up") => drop(command.arg(&elsewhere)),
            Some(_) => drop(command.arg(bus.state())),
            None => {}
        }
        let ended = ended(command.arg("--file").arg(file), WITHIN)?;
        ensure!(
            ended.code == Some(1),
            "{words:?} ended with {:?}: {}",
            ended.code,
            ended.said
        );
        let took = ended.took;
        ensure!(
            took < AT_ONCE,
            "{words:?} took {took:?} for {}",
            file.display()
        );
        let words = named(&ended.said, &[(file, "FILE")]);
        said.push(words.trim_start_matches("error: ").to_owned());
    }
    let same = said.iter().all(|words| *words == said[0]);
    let said = if same {
        said.remove(0)
    } else {
        said.join("--- but:\n")
    };
    expected.assert_eq(&said);
    ensure!(
        !elsewhere.exists(),
        "what is refused leaves a folder behind"
    );
    Ok(())
}
