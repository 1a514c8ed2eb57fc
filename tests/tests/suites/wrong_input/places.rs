//! Ports that are in use, and folders that cannot be had.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use expect_test::{Expect, expect};
use svom_cluster::slots::Slot;
use svom_tests::bus::Bus;
use svom_tests::local::LocalBus;
use svom_tests::program::svom_messaging;
use svom_tests::report::skip;

use super::{SMALL, named, refused, refused_by};

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let three = SMALL.replace("  replicas: 1\n", "");
    let bus = LocalBus::prepare(&three, Slot::shared())?;
    for (above, expected) in [
        (
            0,
            expect![[r#"
        exit code Some(1)
        error: port PORT on 127.0.0.1, where fsc-0 is to listen for clients, is in use by another program: end that one (`ss -ltnp 'sport = :PORT'` names it), or choose another first port with --port
    "#]],
        ),
        (
            2,
            expect![[r#"
        exit code Some(1)
        error: port PORT on 127.0.0.1, where fsc-2 is to listen for clients, is in use by another program: end that one (`ss -ltnp 'sport = :PORT'` names it), or choose another first port with --port
    "#]],
        ),
        (
            2_001,
            expect![[r#"
        exit code Some(1)
        error: port PORT on 127.0.0.1, where fsc-1 is to listen for routes, is in use by another program: end that one (`ss -ltnp 'sport = :PORT'` names it), or choose another first port with --port
    "#]],
        ),
    ] {
        let port = bus.port() + above;
        let taken = TcpListener::bind(("127.0.0.1", port))?;
        let port = port.to_string();
        refused(
            &mut bus.up_command()?,
            &[(Path::new(&port), "PORT")],
            &expected,
        )?;
        drop(taken);
    }
    for (port, expected) in [
        (
            "65535",
            expect![[r#"
        exit code Some(1)
        error: --port 65535 leaves no room for 3 servers: clients' ports are 65535 and up, those of routes are 2000 higher, and both end at 65535. Choose a port from 1 to 63533
    "#]],
        ),
        (
            "0",
            expect![[r#"
        exit code Some(1)
        error: --port 0 leaves no room for 3 servers: clients' ports are 0 and up, those of routes are 2000 higher, and both end at 65535. Choose a port from 1 to 63533
    "#]],
        ),
    ] {
        let mut command = Command::new(svom_messaging()?);
        command
            .args(["local", "up", "--port", port, "--dir"])
            .arg(bus.state())
            .arg("--file")
            .arg(bus.resource());
        bus.with_server(&mut command);
        refused_by(&bus, &mut command, &expected)?;
    }
    bus.begin()
}

fn up_in(bus: &LocalBus, folder: &Path) -> Result<Command> {
    let mut command = Command::new(svom_messaging()?);
    command
        .args(["local", "up", "--port", &bus.port().to_string(), "--file"])
        .arg(bus.resource())
        .arg("--dir")
        .arg(folder);
    bus.with_server(&mut command);
    Ok(command)
}

#[test]
fn a_folder_that_cannot_be_had_is_named() -> Result<()> {
    let bus = LocalBus::prepare(SMALL, Slot::shared())?;
    let place = tempfile::tempdir()?;
    let file = place.path().join("file");
    fs::write(&file, "of somebody")?;
    let link = place.path().join("link");
    std::os::unix::fs::symlink(&file, &link)?;
    let open = place.path().join("open");
    fs::create_dir(&open)?;
    fs::write(open.join("thesis.txt"), "of somebody")?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755))?;
    let cases: Vec<(PathBuf, Expect)> = vec![
        (
            file.clone(),
            expect![[r#"
            exit code Some(1)
            error: PLACE/file is not a folder: name another one with --dir, or move that file away
        "#]],
        ),
        (
            file.join("below"),
            expect![[r#"
            exit code Some(1)
            error: PLACE/file is not a folder: name another one with --dir, or move that file away
        "#]],
        ),
        (
            link,
            expect![[r#"
            exit code Some(1)
            error: PLACE/link is not a folder: name another one with --dir, or move that file away
        "#]],
        ),
        (
            open.clone(),
            expect![[r#"
            exit code Some(1)
            error: PLACE/open: is open to others and holds thesis.txt, which is not of a bus: choose a folder of its own with --dir, or close it (chmod 700)
        "#]],
        ),
        (
            PathBuf::from("/proc/svom"),
            expect![[r#"
            exit code Some(1)
            error: the state folder /proc/svom cannot be used: No such file or directory (os error 2). Name a folder of your own with --dir
        "#]],
        ),
        (
            place.path().join("with $HOME"),
            expect![[r#"
            exit code Some(1)
            error: PLACE/with $HOME: has a $ in its path, which the nats command takes for a variable: choose another folder with --dir
        "#]],
        ),
        (
            place.path().join("with\nnewline"),
            expect![[r#"
            exit code Some(1)
            error: PLACE/with
            newline: has a control character in its path: choose another folder with --dir
        "#]],
        ),
        (
            place.path().join("x".repeat(120)),
            expect![[r#"
            exit code Some(1)
            error: the path PLACE/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/control.sock is LENGTH bytes long and a Unix socket's path has at most 107: name a shorter folder with --dir, as `--dir /tmp/svom`
        "#]],
        ),
    ];
    for (folder, expected) in cases {
        let length = folder.join("control.sock").as_os_str().len().to_string();
        refused(
            &mut up_in(&bus, &folder)?,
            &[(place.path(), "PLACE"), (Path::new(&length), "LENGTH")],
            &expected,
        )?;
    }
    assert_eq!(fs::read_to_string(&file)?, "of somebody");
    assert_eq!(fs::read_dir(&open)?.count(), 1);
    bus.begin()
}

/// As a user that may not write there: root would be let through.
#[test]
fn a_folder_without_rights_is_named() -> Result<()> {
    const NOBODY: &str = "65534";
    let test = "a_folder_without_rights_is_named";
    let as_nobody = |command: &Command| {
        let mut other = Command::new("setpriv");
        other
            .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
            .arg(command.get_program())
            .args(command.get_args());
        other
    };
    let root = rustix::process::geteuid().is_root();
    if root
        && !as_nobody(&Command::new("true"))
            .output()
            .is_ok_and(|output| output.status.success())
    {
        return skip(
            test,
            "setpriv, which runs it as another user, does not work here",
        );
    }
    let bus = LocalBus::prepare(SMALL, Slot::shared())?;
    let place = tempfile::tempdir()?;
    let program = place.path().join("svom-messaging");
    fs::copy(svom_messaging()?, &program)?;
    let resource = place.path().join("resource.yaml");
    fs::write(&resource, SMALL)?;
    let closed = place.path().join("closed");
    fs::create_dir(&closed)?;
    for (path, mode) in [(&closed, 0o555), (&place.path().to_owned(), 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    for (folder, expected) in [
        (
            closed.join("state"),
            expect![[r#"
            exit code Some(1)
            error: the state folder PLACE/closed/state cannot be used: Permission denied (os error 13). Name a folder of your own with --dir
        "#]],
        ),
        (
            closed.clone(),
            expect![[r#"
            exit code Some(1)
            error: PLACE/closed: belongs to user 0, and this runs as user 65534: run it as that user, or choose another folder with --dir
        "#]],
        ),
    ] {
        let mut command = Command::new(&program);
        command
            .args(["local", "up", "--file"])
            .arg(&resource)
            .arg("--dir")
            .arg(&folder);
        let mut command = if root { as_nobody(&command) } else { command };
        refused(&mut command, &[(place.path(), "PLACE")], &expected)?;
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755))?;
    bus.begin()
}

#[test]
fn a_second_run_in_the_same_folder_is_refused() -> Result<()> {
    LocalBus::with(SMALL, |bus| {
        let pid = fs::read_to_string(bus.state().join("lock"))?;
        let pid = format!("process {}", pid.trim());
        let ended = svom_tests::command::ended(&mut bus.up_command()?, super::WITHIN)?;
        let said = named(
            &ended.said,
            &[(&bus.state(), "DIR"), (Path::new(&pid), "process PID")],
        );
        expect![[r#"
            error: a bus runs already in DIR, by process PID: ask it with `svom-messaging local status`, end it with `svom-messaging local down`, or name another folder and ports with --dir and --port
        "#]].assert_eq(&said);
        assert_eq!(ended.code, Some(1));
        // Another bus on the same ports, in another folder.
        let place = tempfile::tempdir()?;
        let (elsewhere, port) = (place.path().join("other"), bus.port().to_string());
        refused(
            &mut up_in(bus, &elsewhere)?,
            &[(place.path(), "PLACE"), (Path::new(&port), "PORT")],
            &expect![[r#"
                exit code Some(1)
                error: port PORT on 127.0.0.1, where fsc-0 is to listen for clients, is in use by another program: end that one (`ss -ltnp 'sport = :PORT'` names it), or choose another first port with --port
            "#]],
        )?;
        bus.wait_until_ready()
    })
}
