//! A runner whose bus has nothing to do: what it holds in memory and writes to the disk, against a
//! process that does nothing but wait for a signal.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use svom_tests::local::LocalBus;
use svom_tests::report::at_level;
use tokio::signal::unix::{SignalKind, signal};

use crate::paired::{Paired, Round, Rounds};
use crate::resources;
use crate::row::{Bench, Row};

const GOAL_MEBIBYTES: f64 = 12.0;
const IDLE: Duration = Duration::from_secs(15);
const IDLE_IN_A_PROOF: Duration = Duration::from_secs(60);

/// The idle runner.
pub const BENCH: Bench = Bench {
    name: "idle",
    rounds: 3,
    run: measure,
};

/// What is read of each process.
const FIGURES: [Figure; 5] = [
    Figure {
        name: "resident memory",
        unit: "MiB",
        goal: Some(GOAL_MEBIBYTES),
        of: |process| process.resident,
    },
    Figure {
        name: "of it, its own",
        unit: "MiB",
        goal: None,
        of: |process| process.anonymous,
    },
    Figure {
        name: "of it, the program's file",
        unit: "MiB",
        goal: None,
        of: |process| process.file,
    },
    Figure {
        name: "written to the disk",
        unit: "bytes",
        goal: Some(0.0),
        of: |process| process.written,
    },
    Figure {
        name: "processor time",
        unit: "ms",
        goal: None,
        of: |process| process.processor,
    },
];

struct Figure {
    name: &'static str,
    unit: &'static str,
    goal: Option<f64>,
    of: fn(&Process) -> f64,
}

fn measure(Rounds(rounds): Rounds) -> Result<Vec<Row>> {
    let idle = at_level(IDLE, IDLE_IN_A_PROOF);
    let rounds: Vec<[Process; 3]> = (0..rounds)
        .map(|_| one_round(idle))
        .collect::<Result<_>>()?;
    FIGURES
        .iter()
        .map(|figure| {
            let samples: Vec<Round> = rounds.iter().map(|round| figure.round(round)).collect();
            let seconds = idle.as_secs();
            let name = format!("idle runner over {seconds} s, {}", figure.name);
            let row = Row::new(name, figure.unit, Paired::of(&samples)?);
            Ok(match figure.goal {
                Some(goal) => row.with_goal(goal),
                None => row,
            })
        })
        .collect()
}

impl Figure {
    fn round(&self, [subject, first, second]: &[Process; 3]) -> Round {
        Round {
            subject: (self.of)(subject),
            first: (self.of)(first),
            second: (self.of)(second),
        }
    }
}

/// All three are idle at the same time.
fn one_round(idle: Duration) -> Result<[Process; 3]> {
    let bus = LocalBus::up(resources::MISSION)?;
    let waiting = [Waiting::begin()?, Waiting::begin()?];
    let runner = bus.runner_id()?;
    let [first, second] = [waiting[0].0.id(), waiting[1].0.id()];
    let look = || -> Result<[Process; 3]> {
        Ok([
            Process::read(runner)?,
            Process::read(first)?,
            Process::read(second)?,
        ])
    };
    // What they do at their start is not what is measured, and nothing tells when it is over.
    thread::sleep(Duration::from_secs(2));
    let [a, b, c] = look()?;
    thread::sleep(idle);
    let [x, y, z] = look()?;
    Ok([x.since(&a), y.since(&b), z.since(&c)])
}

/// What the system tells of a process.
pub struct Process {
    resident: f64,
    /// Memory of its own, MiB.
    pub anonymous: f64,
    /// Memory that is the program's file, MiB.
    pub file: f64,
    written: f64,
    processor: f64,
}

impl Process {
    /// Reads it.
    pub fn read(id: u32) -> Result<Self> {
        let text = |name: &str| {
            let path = format!("/proc/{id}/{name}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let (status, io) = (text("status")?, text("io")?);
        let mebibytes = |key| Ok::<_, anyhow::Error>(number(&status, key)? / 1024.0);
        // The first number of schedstat: nanoseconds on a processor.
        let scheduled = text("schedstat")?;
        let nanoseconds: f64 = scheduled
            .split_whitespace()
            .next()
            .context("schedstat is empty")?
            .parse()?;
        Ok(Self {
            resident: mebibytes("VmRSS:")?,
            anonymous: mebibytes("RssAnon:")?,
            file: mebibytes("RssFile:")?,
            written: number(&io, "write_bytes:")?,
            processor: nanoseconds / 1e6,
        })
    }

    /// What was done since, and what is held now.
    fn since(self, before: &Self) -> Self {
        Self {
            written: self.written - before.written,
            processor: self.processor - before.processor,
            ..self
        }
    }
}

fn number(text: &str, key: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number = number.with_context(|| format!("the system does not tell {key}"))?;
    Ok(number.parse()?)
}

/// A process that waits.
struct Waiting(Child);

impl Waiting {
    fn begin() -> Result<Self> {
        let this = std::env::current_exe().context("where this program lies is unknown")?;
        let process = Command::new(this).arg("wait").stdin(Stdio::null()).spawn();
        Ok(Self(process.context("cannot start a process that waits")?))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // One that has ended already is no error.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Waits for a signal on the same kind of runtime as the runner's.
pub fn wait() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        signal(SignalKind::terminate())?.recv().await;
        Ok(())
    })
}
