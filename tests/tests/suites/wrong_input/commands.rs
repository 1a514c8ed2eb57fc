//! The commands of the group `local` where there is no bus, no such server and no such user; and what
//! `local env` keeps to itself.

use std::fs;

use anyhow::{Result, ensure};
use expect_test::expect;
use svom_cluster::slots::Slot;
use svom_tests::bus::Bus;
use svom_tests::command::ended;
use svom_tests::local::LocalBus;

use super::{SMALL, WITHIN, refused_by};

#[test]
fn without_a_bus_each_command_says_so() -> Result<()> {
    let bus = LocalBus::prepare(SMALL, Slot::shared())?;
    let file = bus.resource().to_string_lossy().into_owned();
    let commands: [&[&str]; 7] = [
        &["status"],
        &["apply", "--file", &file],
        &["kill", "fsc-0"],
        &["stop", "fsc-0"],
        &["start", "fsc-0"],
        &["down"],
        &["env", "alert-desk"],
    ];
    let missing = expect![[r#"
        exit code Some(1)
        error: no bus runs in DIR: the folder does not exist. Start one with `svom-messaging local up`, or name its folder with --dir
    "#]];
    for words in commands {
        refused_by(&bus, &mut bus.local(words)?, &missing)?;
    }
    fs::create_dir(bus.state())?;
    let nobody = expect![[r#"
        exit code Some(1)
        error: no bus runs in DIR: start one with `svom-messaging local up`, or name its folder with --dir
    "#]];
    for words in commands.iter().take(6) {
        refused_by(&bus, &mut bus.local(words)?, &nobody)?;
    }
    refused_by(
        &bus,
        &mut bus.local(&["env", "alert-desk"])?,
        &expect![[r#"
        exit code Some(1)
        error: DIR has no users yet: start the bus with `svom-messaging local up`, or name its folder with --dir
    "#]],
    )?;
    // What ran once and was killed left its socket behind.
    bus.begin()?;
    bus.kill_runner()?;
    refused_by(&bus, &mut bus.local(&["status"])?, &nobody)?;
    bus.begin()
}

#[test]
fn servers_and_users_that_are_unknown_are_named() -> Result<()> {
    LocalBus::with(SMALL, |bus| {
        for (command, expected) in [
            (
                "kill",
                expect![[r#"
                exit code Some(1)
                error: there is no server fsc-7: this bus has fsc-0
            "#]],
            ),
            (
                "stop",
                expect![[r#"
                exit code Some(1)
                server fsc-7 hands over and sends its clients away, which takes up to 60 s
                error: there is no server fsc-7: this bus has fsc-0
            "#]],
            ),
            (
                "start",
                expect![[r#"
                exit code Some(1)
                error: there is no server fsc-7: this bus has fsc-0
            "#]],
            ),
        ] {
            refused_by(bus, &mut bus.local(&[command, "fsc-7"])?, &expected)?;
        }
        let again = ended(&mut bus.local(&["start", "fsc-0"])?, WITHIN)?;
        let pid = bus.process("fsc-0")?.pid;
        let runs = format!("server fsc-0 runs already (process {pid})\n");
        assert_eq!((again.code, again.said), (Some(0), runs));
        refused_by(
            bus,
            &mut bus.local(&["env", "nobody"])?,
            &expect![[r#"
            exit code Some(1)
            error: there is no user nobody in DIR/users: known are alert-desk, vhf-listener
        "#]],
        )?;
        refused_by(
            bus,
            &mut bus.local(&["env", "../alert-desk"])?,
            &expect![[r#"
            exit code Some(1)
            error: there is no user ../alert-desk in DIR/users: known are alert-desk, vhf-listener
        "#]],
        )?;
        bus.kill("fsc-0")?;
        let again = ended(&mut bus.local(&["kill", "fsc-0"])?, WITHIN)?;
        let down = "server fsc-0 was down and stays down\n";
        assert_eq!((again.code, again.said.as_str()), (Some(0), down));
        let status = ended(&mut bus.local(&["status"])?, WITHIN)?;
        ensure!(
            status.code == Some(1),
            "a bus without its server is told ready: {}",
            status.said
        );
        bus.start("fsc-0")
    })
}

#[test]
fn exports_hold_no_secret_unless_asked() -> Result<()> {
    LocalBus::with(SMALL, |bus| {
        let credentials = bus.credentials("alert-desk")?;
        let said = |words: &[&str]| -> Result<String> {
            let ended = ended(&mut bus.local(words)?, WITHIN)?;
            ensure!(ended.code == Some(0), "{}", ended.said);
            Ok(ended.said)
        };
        ensure!(
            !said(&["env", "alert-desk"])?.contains(credentials.password()?),
            "a secret is printed"
        );
        ensure!(
            said(&["env", "alert-desk", "--reveal"])?.contains(credentials.password()?),
            "no secret is revealed"
        );
        ensure!(
            !said(&["status"])?.contains(credentials.password()?),
            "a secret is in the status"
        );
        said(&["down", "--delete"])?;
        ensure!(
            !bus.state().exists(),
            "`down --delete` leaves {:?}",
            fs::read_dir(bus.state()).map(Vec::from_iter)
        );
        bus.finish()
    })
}
