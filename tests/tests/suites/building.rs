//! The nats-server that the product builds by itself where there is none: from an empty cache, killed
//! in the middle, by two at once; and what is said where Go is missing too.
//!
//! Go's own cache of what it compiled lies in the same folder and is as empty; the modules that it has
//! downloaded stay.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use expect_test::expect;
use svom_cluster::slots::Slot;
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::command::ended;
use svom_tests::local::LocalBus;
use svom_tests::poll;
use svom_tests::processes;
use svom_tests::report::print;
use tempfile::TempDir;

/// It took two to four minutes on two busy cores.
const BUILT_WITHIN: Duration = Duration::from_secs(1_200);
/// What becomes of a build whose runner was killed is over with the next one, or soon after.
const ENDS_WITHIN: Duration = Duration::from_secs(300);
const REFUSED_WITHIN: Duration = Duration::from_secs(60);

const RESOURCE: &str = "
apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: fsc}
spec:
  replicas: 1
  users:
    - {name: vhf-listener, publish: [data.vhf]}
";

/// A machine whose PATH has these programs alone and whose cache is empty.
struct Machine(TempDir);

impl Machine {
    fn with(programs: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("svom-build-").tempdir()?;
        for inner in ["bin", "cache"] {
            fs::create_dir(folder.path().join(inner))?;
        }
        for name in programs {
            symlink(on_path(name)?, folder.path().join("bin").join(name))?;
        }
        Ok(Self(folder))
    }

    fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("PATH", self.0.path().join("bin").into()),
            ("XDG_CACHE_HOME", self.0.path().join("cache").into()),
            // It lies elsewhere where a variable of this machine says so.
            ("GOCACHE", self.0.path().join("cache/go-build").into()),
        ]
    }

    fn bus(&self) -> Result<LocalBus> {
        let bus = LocalBus::prepare(RESOURCE, Slot::shared())?;
        Ok(bus.finding_its_server(self.variables()))
    }

    /// The product's part of the cache.
    fn cache(&self) -> PathBuf {
        self.0.path().join("cache/svom-messaging")
    }

    /// What lies there, sorted.
    fn cached(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.cache())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// The program, once it is there.
    fn program(&self) -> Result<Option<PathBuf>> {
        let names = self.cached()?;
        let program = names.iter().find(|name| name.starts_with("nats-server-"));
        Ok(program.map(|name| self.cache().join(name)))
    }
}

fn on_path(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").context("there is no PATH")?;
    let found = env::split_paths(&path).map(|folder| folder.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    found.with_context(|| format!("the suites need {name} on PATH"))
}

fn log(bus: &LocalBus) -> Result<String> {
    Ok(fs::read_to_string(bus.log())?)
}

#[test]
fn one_program_is_built_whoever_is_killed_and_however_many_want_it() -> Result<()> {
    let machine = Machine::with(&["go"])?;
    killed_in_the_middle(&machine)?;
    two_at_once(&machine)?;
    poll::until("the killed build to end", ENDS_WITHIN, || {
        Ok(processes::working_in(&machine.cache())
            .is_empty()
            .then_some(()))
    })?;
    // The next one builds nothing, and needs no Go.
    fs::remove_file(machine.0.path().join("bin/go"))?;
    machine.bus()?.run(|bus| {
        let said = log(bus)?;
        ensure!(!said.contains("building"), "it is built again: {said}");
        works(bus, &machine)
    })
}

/// Nothing is left of it that anybody would run.
fn killed_in_the_middle(machine: &Machine) -> Result<()> {
    let bus = machine.bus()?;
    bus.launch()?;
    poll::until("some packages to be compiled", BUILT_WITHIN, || {
        let compiled = packages_compiled(&log(&bus)?);
        Ok((compiled >= 5).then_some(()))
    })?;
    bus.kill_runner()?;
    let left = machine.cached()?;
    print(format!("killed in the middle of a build: {left:?} is left"));
    let program = machine.program()?;
    ensure!(program.is_none(), "half a program is there: {program:?}");
    ensure!(
        left.iter().any(|name| name.starts_with("build-")),
        "it was not in the middle of a build"
    );
    Ok(())
}

/// The last number before these words of the runner.
fn packages_compiled(said: &str) -> usize {
    let before = said
        .rsplit_once(" packages compiled")
        .map(|(before, _)| before);
    let number = before.and_then(|before| before.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// One builds, the other waits for it, and both run.
fn two_at_once(machine: &Machine) -> Result<()> {
    let buses = [machine.bus()?, machine.bus()?];
    for bus in &buses {
        bus.launch()?;
    }
    poll::until("the program", BUILT_WITHIN, || {
        for bus in &buses {
            bus.is_running()?;
        }
        Ok(machine.program()?.map(|_| ()))
    })?;
    let (mut building, mut waiting) = (0, 0);
    for bus in &buses {
        bus.wait_until_ready()?;
        works(bus, machine)?;
        let said = log(bus)?;
        building += usize::from(said.contains("building nats-server"));
        waiting += usize::from(said.contains("another process is building nats-server"));
    }
    // Who waits says that another is building.
    ensure!(
        (building, waiting) == (2, 1),
        "{building} say that it is being built, {waiting} that they wait"
    );
    let left = machine.cached()?;
    ensure!(
        left.len() == 2 && left.first().is_some_and(|name| name == "build.lock"),
        "left is {left:?}"
    );
    Ok(())
}

/// The bus runs on the program that was built.
fn works(bus: &LocalBus, machine: &Machine) -> Result<()> {
    let (runs, built) = (bus.process("fsc-0")?.program()?, machine.program()?);
    ensure!(
        Some(&runs) == built.as_ref(),
        "{} runs instead of {built:?}",
        runs.display()
    );
    let client = Client::connect(Library::AsyncNats, &bus.credentials("vhf-listener")?)?;
    client.publish("data.vhf", "by what was built").map(|_| ())
}

#[test]
fn without_go_it_is_said_what_to_install() -> Result<()> {
    let machine = Machine::with(&[])?;
    let bus = machine.bus()?;
    let mut up = bus.up_command_without_server()?;
    up.envs(machine.variables());
    let refused = ended(&mut up, REFUSED_WITHIN)?;
    expect![[r#"
        error: no nats-server is on PATH, and none could be built. Install nats-server 2.15.1, or Go 1.26 which builds it, or mend this: Go is not on PATH either
    "#]].assert_eq(&refused.said);
    ensure!(refused.code == Some(1), "exit code {:?}", refused.code);
    nothing_is_left(&bus, &machine.cache())
}

/// Nothing was begun that would have to be undone.
fn nothing_is_left(bus: &LocalBus, cache: &Path) -> Result<()> {
    ensure!(!cache.exists(), "{} is there", cache.display());
    let secrets = bus.state().join("secrets");
    let made = fs::read_dir(secrets).map(Iterator::count).unwrap_or(0);
    ensure!(made == 0, "{made} secrets were made");
    Ok(())
}
