//! The operator on Kubernetes with nothing to do, for one bus and for a thousand that are paused: how
//! soon it reads the first resource, and what it holds in memory. Against a process of the same client
//! that lists, keeps, follows and reads the same resources, and does nothing with them.
//!
//! The API server stands alone, so that no pod ever runs. When a process first reads a resource is seen
//! in the API server's audit log, by the same clock for both.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use svom_cluster::api_server::ApiServer;
use svom_tests::program::svom_messaging;

use crate::idle::Process;
use crate::paired::{Paired, Round, Rounds};
use crate::row::{Bench, Row};

/// The idle operator.
pub const BENCH: Bench = Bench {
    name: "operator",
    rounds: 3,
    run: measure,
};

const ONE: &str = "one";
const THOUSAND: &str = "thousand";
const MANY: usize = 1_000;
/// What everything has to do at its start ends within this.
const WITHIN: Duration = Duration::from_secs(600);
/// How long nothing was read when everything was.
const QUIET: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

const FIGURES: [Figure; 5] = [
    Figure {
        name: "start to the first read of a resource, the Lease already ours",
        unit: "ms",
        goal: Some(50.0),
        of: |sample| sample.first_read,
    },
    Figure {
        name: "memory of its own, one paused resource",
        unit: "MiB",
        goal: Some(4.0),
        of: |sample| sample.one.anonymous,
    },
    Figure {
        name: "memory of the program's file, one paused resource",
        unit: "MiB",
        goal: None,
        of: |sample| sample.one.file,
    },
    Figure {
        name: "memory of its own, 1,000 paused resources",
        unit: "MiB",
        goal: Some(16.0),
        of: |sample| sample.thousand.anonymous,
    },
    Figure {
        name: "memory of the program's file, 1,000 paused resources",
        unit: "MiB",
        goal: None,
        of: |sample| sample.thousand.file,
    },
];

struct Figure {
    name: &'static str,
    unit: &'static str,
    goal: Option<f64>,
    of: fn(&Sample) -> f64,
}

/// What is measured of one of the processes.
struct Sample {
    first_read: f64,
    one: Process,
    thousand: Process,
}

fn measure(Rounds(rounds): Rounds) -> Result<Vec<Row>> {
    let bed = Bed::new()?;
    let (subject, control) = (|| bed.sample(Who::Operator), || bed.sample(Who::Bare));
    // The first time, the operator writes what it finds, and the Lease; that is not measured.
    subject()?;
    let mut taken = Vec::new();
    for round in 0..rounds {
        taken.push(match round % 2 {
            0 => [subject()?, control()?, control()?],
            _ => {
                let (first, second) = (control()?, control()?);
                [subject()?, first, second]
            }
        });
    }
    let row = |figure: &Figure| {
        let samples = taken.iter().map(|[subject, first, second]| Round {
            subject: (figure.of)(subject),
            first: (figure.of)(first),
            second: (figure.of)(second),
        });
        let paired = Paired::of(&samples.collect::<Vec<_>>())?;
        let row = Row::new(
            format!("idle operator, {}", figure.name),
            figure.unit,
            paired,
        );
        Ok(match figure.goal {
            Some(goal) => row.with_goal(goal),
            None => row,
        })
    };
    FIGURES.iter().map(row).collect()
}

#[derive(Clone, Copy)]
enum Who {
    Operator,
    Bare,
}

/// An API server with the resources in it.
struct Bed {
    server: ApiServer,
}

impl Bed {
    fn new() -> Result<Self> {
        let server = ApiServer::start()?;
        let kubectl = server.kubectl();
        kubectl.apply(&svom_crds::crd_yaml()?)?;
        let established = "--for=condition=Established";
        kubectl.run(["wait", established, "crd/svommessagings.messaging.svom.eu"])?;
        for (namespace, resources) in [(ONE, 1), (THOUSAND, MANY)] {
            kubectl.run(["create", "namespace", namespace])?;
            // As many as are applied within a minute.
            let numbers: Vec<usize> = (0..resources).collect();
            for numbers in numbers.chunks(100) {
                let texts: String = numbers
                    .iter()
                    .map(|number| paused(namespace, *number))
                    .collect();
                kubectl.apply(&texts)?;
            }
        }
        Ok(Self { server })
    }

    fn sample(&self, who: Who) -> Result<Sample> {
        let (first_read, one) = self.watched(who, ONE, 1)?;
        let (_, thousand) = self.watched(who, THOUSAND, MANY)?;
        Ok(Sample {
            first_read,
            one,
            thousand,
        })
    }

    /// Starts a process, and gives how many milliseconds later it first read a resource, and what it
    /// holds once it has read all of them and is quiet.
    fn watched(&self, who: Who, namespace: &str, resources: usize) -> Result<(f64, Process)> {
        let mut audit = Audit::from_here(self.server.audit_log(), namespace)?;
        let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let running = Running(
            self.command(who, namespace)?
                .spawn()
                .context("cannot start it")?,
        );
        let (waited, mut news) = (Instant::now(), Instant::now());
        while audit.reads.len() < resources || news.elapsed() < QUIET {
            ensure!(
                waited.elapsed() < WITHIN,
                "only {} resources were read",
                audit.reads.len()
            );
            if audit.follow()? {
                news = Instant::now();
            }
            thread::sleep(LOOK);
        }
        let first = audit.reads.first().context("nothing was read")?;
        Ok(((first - begun) * 1e3, Process::read(running.0.id())?))
    }

    fn command(&self, who: Who, namespace: &str) -> Result<Command> {
        let mut command = match who {
            Who::Operator => {
                let mut command = Command::new(svom_messaging()?);
                let lease = format!("--lease-name={namespace}");
                command.args([
                    "run",
                    "--identity=bench",
                    "--listen=none",
                    "--namespace",
                    namespace,
                    &lease,
                ]);
                command
            }
            Who::Bare => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["bare-controller", namespace]);
                command
            }
        };
        command
            .env("KUBECONFIG", self.server.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(command)
    }
}

fn paused(namespace: &str, number: usize) -> String {
    format!(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\n\
         metadata: {{name: bus-{number}, namespace: {namespace}}}\n\
         spec: {{paused: true, users: [{{name: ann, publish: [data.vhf]}}]}}\n---\n"
    )
}

/// Killed, it cannot give the Lease back: the next one finds it its own.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is no error.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// What the API server answered since some moment.
struct Audit {
    log: PathBuf,
    place: u64,
    /// Path of the resources.
    path: String,
    /// When each read of one resource arrived, in seconds since 1970.
    reads: Vec<f64>,
}

impl Audit {
    fn from_here(log: PathBuf, namespace: &str) -> Result<Self> {
        let place = fs::metadata(&log).context("there is no audit log")?.len();
        Ok(Self {
            log,
            place,
            path: format!("/namespaces/{namespace}/svommessagings/"),
            reads: Vec::new(),
        })
    }

    /// Reads on; whether anything but the Lease was asked for.
    fn follow(&mut self) -> Result<bool> {
        let mut file = fs::File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.place))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.place += u64::try_from(whole)?;
        let mut any = false;
        for line in text.get(..whole).unwrap_or_default().lines() {
            let event: Value = serde_json::from_str(line)?;
            let field = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            let uri = field("requestURI");
            any |= !uri.contains("/leases") && !field("userAgent").starts_with("kube-apiserver");
            if field("verb") == "get" && uri.contains(&self.path) {
                self.reads.push(seconds(field("requestReceivedTimestamp"))?);
            }
        }
        Ok(any)
    }
}

fn seconds(time: &str) -> Result<f64> {
    let time: jiff::Timestamp = time
        .parse()
        .context("a time of the audit log cannot be read")?;
    Ok(time.as_duration().as_secs_f64())
}
