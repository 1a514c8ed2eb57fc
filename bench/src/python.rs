//! The Python client beside plain nats-py: the same user, server and messages, in the same process,
//! which `clients/python/bench/figures.py` is.
//!
//! Every message is a valid one of a kibibyte. The client looks at each before it goes out, as it does
//! unless it is told otherwise; plain nats-py does not.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use svom_tests::bus::{Bus, Credentials};
use svom_tests::local::LocalBus;
use svom_tests::python;
use tempfile::TempDir;

use crate::paired::{Rounds, paired};
use crate::row::{Bench, Row};
use crate::setting::STREAM;

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/python");
const USER: &str = "python";
const RESOURCE: &str = "
apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: python, namespace: svom}
spec:
  users:
    - {name: python, publish: [data.vhf], subscribe: [data.vhf]}
";

/// The Python client.
pub const BENCH: Bench = Bench {
    name: "python",
    rounds: 9,
    run: measure,
};

/// What is asked for: a name, its unit, the words for the subject and for its control.
const FIGURES: [(&str, &str, &str, &str); 7] = [
    (
        "NatsIo, publish one at a time",
        "per s",
        "one-by-one sync",
        "one-by-one plain",
    ),
    (
        "AsyncNatsIo, publish one at a time",
        "per s",
        "one-by-one async",
        "one-by-one plain",
    ),
    (
        "NatsIo, publish_many, 128 in flight",
        "per s",
        "pipelined sync",
        "pipelined plain",
    ),
    (
        "AsyncNatsIo, publish_many, 128 in flight",
        "per s",
        "pipelined async",
        "pipelined plain",
    ),
    (
        "AsyncNatsIo, publish until the callback of a listener",
        "ms",
        "heard async",
        "heard plain",
    ),
    (
        "import svom.messaging.natsio, with the interpreter",
        "ms",
        "import ours",
        "import plain",
    ),
    (
        "NatsIo, memory after 300 messages",
        "MiB",
        "memory ours",
        "memory plain",
    ),
];
const RATE_AT_LEAST: f64 = 0.9;
const DELAY_AT_MOST: f64 = 1.1;

fn measure(rounds: Rounds) -> Result<Vec<Row>> {
    let bus = LocalBus::up(RESOURCE)?;
    let script = Script::start(&bus.credentials_at(USER, &bus.leader_of(STREAM)?)?)?;
    FIGURES
        .iter()
        .map(|(name, unit, subject, control)| {
            // The first messages find everything cold.
            for words in [subject, control] {
                script.sample(words)?;
            }
            let paired = paired(rounds, || script.sample(subject), || script.sample(control))?;
            let row = Row::new(format!("{name}, against nats-py"), unit, paired);
            Ok(match *control {
                "pipelined plain" => row.with_ratio_at_least(RATE_AT_LEAST),
                "heard plain" => row.with_ratio_at_most(DELAY_AT_MOST),
                _ => row,
            })
        })
        .collect()
}

/// The script, which ends when it is dropped.
struct Script {
    process: Child,
    _compiled: TempDir,
    /// Its input, and what it answers.
    ends: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Script {
    fn start(credentials: &Credentials) -> Result<Self> {
        let server = credentials
            .urls
            .first()
            .context("the user was told no server")?;
        let compiled = tempfile::Builder::new().prefix("svom-bench-").tempdir()?;
        let mut process = Command::new(python::interpreter()?)
            .arg(format!("{CLIENT}/bench/figures.py"))
            .arg(&credentials.folder)
            .arg(server)
            .env("PYTHONPATH", format!("{CLIENT}/src"))
            // Compiled once, as nats-py is, and not into the checkout.
            .env("PYTHONPYCACHEPREFIX", compiled.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the Python client's bench cannot be started")?;
        let input = process.stdin.take().context("it has no input")?;
        let output = process.stdout.take().context("it has no output")?;
        Ok(Self {
            process,
            _compiled: compiled,
            ends: Mutex::new((input, BufReader::new(output))),
        })
    }

    fn sample(&self, words: &str) -> Result<f64> {
        let mut ends = self
            .ends
            .lock()
            .map_err(|_| anyhow!("a sample broke off"))?;
        let (input, output) = &mut *ends;
        writeln!(input, "{words}")?;
        let mut answer = String::new();
        output.read_line(&mut answer)?;
        answer
            .trim()
            .parse()
            .with_context(|| format!("{words}: the script answered {answer:?}"))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // One that has ended already is no error.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
