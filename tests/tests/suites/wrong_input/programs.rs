//! A nats-server that is none, or not the right one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use expect_test::expect;
use svom_cluster::slots::Slot;
use svom_tests::local::LocalBus;

use super::{SMALL, refused};

#[test]
fn a_nats_server_that_cannot_be_used_is_named() -> Result<()> {
    let bus = LocalBus::prepare(SMALL, Slot::shared())?;
    let place = tempfile::tempdir()?;
    let says = |words: &str| format!("#!/bin/sh\n{words}\n");
    let cases = [
        (
            "old",
            says("echo nats-server: v2.9.0"),
            0o755,
            expect![[r#"
            exit code Some(1)
            error: PLACE/old is nats-server 2.9.0, which is too old: 2.15.x from 2.15.1 on is supported. Name another with --nats-server, or leave the option out
        "#]],
        ),
        (
            "new",
            says("echo nats-server: v3.0.0"),
            0o755,
            expect![[r#"
            exit code Some(1)
            error: PLACE/new is nats-server 3.0.0, which is too new: 2.15.x from 2.15.1 on is supported. Name another with --nats-server, or leave the option out
        "#]],
        ),
        (
            "candidate",
            says("echo nats-server: v2.15.2-RC.1"),
            0o755,
            expect![[r#"
                exit code Some(1)
                error: PLACE/candidate is not a released nats-server: `--version` printed "nats-server: v2.15.2-RC.1". Name another with --nats-server, or leave the option out
            "#]],
        ),
        (
            "another",
            says("echo 'tar (GNU tar) 1.34'"),
            0o755,
            expect![[r#"
                exit code Some(1)
                error: PLACE/another is not a released nats-server: `--version` printed "tar (GNU tar) 1.34". Name another with --nats-server, or leave the option out
            "#]],
        ),
        (
            "failing",
            says("echo no >&2; exit 3"),
            0o755,
            expect![[r#"
            exit code Some(1)
            error: PLACE/failing is not a nats-server: `--version` ended with exit status: 3. Name another with --nats-server, or leave the option out
        "#]],
        ),
        (
            "hanging",
            says("sleep 1000"),
            0o755,
            expect![[r#"
            exit code Some(1)
            error: PLACE/hanging is not a nats-server: `--version` did not come to an end within 5 s. Name another with --nats-server, or leave the option out
        "#]],
        ),
        (
            "endless",
            says("while true; do echo nats-server; done"),
            0o755,
            expect![[r#"
                exit code Some(1)
                error: PLACE/endless is not a nats-server: `--version` ended with signal: 13 (SIGPIPE). Name another with --nats-server, or leave the option out
            "#]],
        ),
        (
            "not-executable",
            says("echo nats-server: v2.15.1"),
            0o644,
            expect![[r#"
                exit code Some(1)
                error: PLACE/not-executable cannot be run (it may not be executed). Name another with --nats-server, or leave the option out
            "#]],
        ),
        (
            "without-interpreter",
            "#!/no/such/sh\n".to_owned(),
            0o755,
            expect![[r#"
                exit code Some(1)
                error: PLACE/without-interpreter cannot be run (the interpreter that it names is missing). Name another with --nats-server, or leave the option out
            "#]],
        ),
        (
            "text",
            "just words".to_owned(),
            0o755,
            expect![[r#"
            exit code Some(1)
            error: PLACE/text cannot be run (Exec format error (os error 8)). Name another with --nats-server, or leave the option out
        "#]],
        ),
    ];
    for (name, text, mode, expected) in cases {
        let program = place.path().join(name);
        fs::write(&program, text)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(mode))?;
        refused(
            bus.up_command_without_server()?
                .arg("--nats-server")
                .arg(&program),
            &[(place.path(), "PLACE")],
            &expected,
        )?;
    }
    for (program, expected) in [
        (
            place.path().join("absent"),
            expect![[r#"
            exit code Some(1)
            error: PLACE/absent does not exist. Name another with --nats-server, or leave the option out
        "#]],
        ),
        (
            place.path().to_owned(),
            expect![[r#"
            exit code Some(1)
            error: PLACE cannot be run (it may not be executed). Name another with --nats-server, or leave the option out
        "#]],
        ),
    ] {
        refused(
            bus.up_command_without_server()?
                .arg("--nats-server")
                .arg(&program),
            &[(place.path(), "PLACE")],
            &expected,
        )?;
    }
    // Neither on PATH nor built before, and no Go to build it.
    let mut bare = bus.up_command_without_server()?;
    bare.env("PATH", place.path())
        .env("XDG_CACHE_HOME", place.path());
    refused(
        &mut bare,
        &[(place.path(), "PLACE")],
        &expect![[r#"
        exit code Some(1)
        error: no nats-server is on PATH, and none could be built. Install nats-server 2.15.1, or Go 1.26 which builds it, or mend this: Go is not on PATH either
    "#]],
    )?;
    bus.begin()
}

/// It says that it is the right one, and is not.
#[test]
fn a_nats_server_that_does_not_serve_is_told() -> Result<()> {
    let bus = LocalBus::prepare(SMALL, Slot::shared())?;
    let place = tempfile::tempdir()?;
    let program = place.path().join("liar");
    fs::write(
        &program,
        "#!/bin/sh\ncase \"$*\" in *--version*) echo nats-server: v2.15.1;; *) echo 'cannot serve' >&2; exit 1;; esac\n",
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let state = bus.state();
    refused(
        bus.up_command_without_server()?
            .arg("--nats-server")
            .arg(&program),
        &[(&state, "DIR"), (place.path(), "PLACE")],
        &expect![[r#"
            exit code Some(1)
            making what is missing of keys, certificates and passwords
            starting 1 server(s)
            error: no server could be reached as the operator (system account): IO error: Connection refused (os error 111); server fsc-0 ended: ended by itself with code 1: cannot serve
        "#]],
    )?;
    bus.begin()
}
