//! Clients that nobody here wrote: the examples of `docs/clients/examples` do what they say, through a
//! kill -9 of the stream's leader.
//!
//! Each example is one program: it publishes messages one by one until each is acknowledged, listens
//! live, reads a durable and acknowledges, and in the end tries what it may not. It says what it sees:
//! `stored`, `live`, `durable`, `refused`.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use svom_tests::bus::Bus;
use svom_tests::generated::head;
use svom_tests::local::LocalBus;
use svom_tests::report::{figure, skip};
use svom_tests::{java, javascript, poll, program, python};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/clients/examples");
const COMMAND_VARIABLE: &str = "SVOM_NATS_COMMAND";
const USER: &str = "guest";
const MESSAGES: usize = 100;
/// A failover takes up to ten seconds, and the durable's patience as long.
const WITHIN: Duration = Duration::from_secs(120);

#[test]
fn nats_py() -> Result<()> {
    Trial::of("nats-py", nats_py_example()?).holds()
}

#[test]
fn nats_py_with_an_nkey() -> Result<()> {
    Trial::of("nats-py", nats_py_example()?)
        .with_an_nkey()
        .holds()
}

fn nats_py_example() -> Result<Command> {
    let mut command = Command::new(python::interpreter()?);
    command.arg(format!("{EXAMPLES}/nats_py.py"));
    Ok(command)
}

#[test]
fn async_nats() -> Result<()> {
    Trial::of("async-nats", async_nats_example()?).holds()
}

#[test]
fn async_nats_with_an_nkey() -> Result<()> {
    let trial = Trial::of("async-nats", async_nats_example()?);
    trial.with_an_nkey().holds()
}

fn async_nats_example() -> Result<Command> {
    let program = program::build_folder()?.join("example-async-nats");
    Ok(Command::new(program))
}

#[test]
fn the_nats_command() -> Result<()> {
    let Some(nats) = env::var_os(COMMAND_VARIABLE) else {
        let why = format!("interop: the_nats_command: {COMMAND_VARIABLE} names no program");
        return skip("interop", &why);
    };
    let mut command = Command::new("sh");
    command
        .arg(format!("{EXAMPLES}/nats-command.sh"))
        .env("NATS", nats);
    Trial::of("the nats command", command).holds()
}

#[test]
fn the_java_client_synchronously() -> Result<()> {
    jnats("sync", |trial| trial)
}

#[test]
fn the_java_client_by_a_dispatcher() -> Result<()> {
    jnats("async", |trial| trial)
}

#[test]
fn the_java_client_with_an_nkey() -> Result<()> {
    jnats("sync", Trial::with_an_nkey)
}

fn jnats(how: &str, otherwise: impl FnOnce(Trial) -> Trial) -> Result<()> {
    if let Some(why) = java::missing() {
        return skip("interop", format!("interop: jnats, {how}: {why}"));
    }
    let mut command = Command::new("java");
    command
        .arg("-cp")
        .arg(java::jars()?.join("*"))
        .arg(format!("{EXAMPLES}/Jnats.java"));
    let trial = Trial {
        more: vec![how.to_owned()],
        ..Trial::of(&format!("jnats {how}"), command)
    };
    otherwise(trial).holds()
}

#[test]
fn nats_js_over_the_websocket() -> Result<()> {
    nats_js("nats.js", |trial| trial)
}

#[test]
fn nats_js_with_an_nkey_and_a_certificate() -> Result<()> {
    nats_js("nats.js with a certificate", |trial| {
        let mut trial = trial.with_an_nkey();
        trial.bus += "  tls: {clientCertificates: Required}\n";
        trial
    })
}

fn nats_js(client: &str, otherwise: impl FnOnce(Trial) -> Trial) -> Result<()> {
    if let Some(why) = javascript::missing() {
        return skip("interop", format!("interop: {client}: {why}"));
    }
    let mut command = Command::new("node");
    command
        .arg(format!("{EXAMPLES}/nats_js.cjs"))
        .env("NODE_PATH", javascript::packages()?);
    let trial = Trial {
        bus: "  websocket: {enabled: true}\n".to_owned(),
        ..Trial::of(client, command)
    };
    otherwise(trial).holds()
}

/// An example that is to do what it says.
struct Trial {
    client: String,
    command: Command,
    /// Words of the command line after those that all examples take.
    more: Vec<String>,
    /// What the resource says of the bus, in lines.
    bus: String,
    authentication: &'static str,
}

impl Trial {
    fn of(client: &str, command: Command) -> Self {
        Self {
            client: client.to_owned(),
            command,
            more: Vec::new(),
            bus: String::new(),
            authentication: "Password",
        }
    }

    fn with_an_nkey(self) -> Self {
        Self {
            client: format!("{} with an NKey", self.client),
            authentication: "NKey",
            ..self
        }
    }

    fn resource(&self) -> String {
        let Self {
            bus,
            authentication,
            ..
        } = self;
        format!(
            "{}spec:
{bus}  users:
    - name: {USER}
      authentication: {authentication}
      publish: [data.vhf]
      subscribe: ['data.*']
      durables: [{{name: ingest, queues: [data.vhf], ackWait: 5s, maxDeliver: 100}}]
",
            head("interop")
        )
    }

    fn holds(self) -> Result<()> {
        let resource = self.resource();
        let Self {
            client,
            mut command,
            more,
            ..
        } = self;
        LocalBus::with(&resource, |bus| {
            command
                .arg(bus.credentials(USER)?.folder)
                .arg(MESSAGES.to_string())
                .args(more);
            let mut example = Example::start(&client, command)?;
            example.wait_for("stored", MESSAGES / 3)?;
            let leader = bus.leader_of("DATA")?;
            bus.kill(&leader)?;
            example.wait_for("stored", MESSAGES)?;
            bus.start(&leader)?;
            example.wait_for("durable", MESSAGES)?;
            example.wait_for("live", 1)?;
            example.wait_for("refused", 1)?;
            judge(&client, &example.told())
        })
    }
}

/// Every message is stored once, and was handed out by the durable.
fn judge(client: &str, told: &[String]) -> Result<()> {
    let sequences: Vec<usize> = of(told, "stored")
        .filter_map(|line| line.rsplit(' ').next()?.replace(',', "").parse().ok())
        .collect();
    let expected: Vec<usize> = (1..=MESSAGES).collect();
    ensure!(
        sequences == expected,
        "{client}: stored more than once, or not in order: {sequences:?}"
    );
    let texts: BTreeSet<String> = (0..MESSAGES)
        .map(|number| format!("message {number}"))
        .collect();
    let durable = texts_of(told, "durable");
    ensure!(
        durable == texts,
        "{client}: the durable gave something else: {:?}",
        texts.symmetric_difference(&durable).collect::<Vec<_>>()
    );
    let live = texts_of(told, "live");
    ensure!(live.is_subset(&texts), "{client}: live gave something else");
    figure(
        &format!("interop {client}"),
        format!("{MESSAGES} stored once each, {} live", live.len()),
    )
}

fn of<'a>(told: &'a [String], what: &'a str) -> impl Iterator<Item = &'a str> {
    told.iter()
        .filter_map(move |line| line.strip_prefix(what)?.strip_prefix(' '))
}

fn texts_of(told: &[String], what: &str) -> BTreeSet<String> {
    of(told, what)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

/// An example that runs. It ends, with what it started, when it is dropped.
struct Example {
    client: String,
    process: Child,
    told: Arc<Mutex<Vec<String>>>,
}

impl Example {
    fn start(client: &str, mut command: Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("{client} cannot be started"))?;
        let output = process.stdout.take().context("it has no output")?;
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                heard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Ok(Self {
            client: client.to_owned(),
            process,
            told,
        })
    }

    fn told(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }

    /// Waits until it has told so many different lines of a kind.
    fn wait_for(&mut self, what: &str, count: usize) -> Result<()> {
        let mut ended = None;
        let waited = poll::until(&format!("{count} lines {what:?}"), WITHIN, || {
            if texts_of(&self.told(), what).len() >= count {
                return Ok(Some(()));
            }
            // Looked at once more after its end: its last lines may have been on their way.
            ensure!(ended.is_none(), "it ended with {ended:?}");
            ended = self.process.try_wait()?;
            Ok(None)
        });
        waited.with_context(|| {
            let told = self.told();
            let last: Vec<&String> = told.iter().rev().take(10).collect();
            format!("{} told in the end {last:?}", self.client)
        })
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
        {
            // A group that has ended already is no error.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}
