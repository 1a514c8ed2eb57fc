//! The commands of the testbed: `cargo xtask cluster ...`.
//!
//! In: words. Out: what was asked for on standard output, what is going on on standard error, and an
//! exit code: 0 done, 1 failed, 3 not possible on this machine, with one line that says why.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cluster::{CLUSTER_VARIABLE, Cluster};
use crate::engine::choice::{KUBECONFIG_VARIABLE, Skipped, given_kubeconfig};
use crate::fault::{self, FaultWords, Faults};
use crate::forward;
use crate::kind::state::clusters;
use crate::kind::{self, Wanted};
use crate::process::Process;
use crate::progress::Progress;

use image::Which;

mod image;
mod status;

/// The exit code of what this machine cannot do.
const SKIPPED: u8 = 3;

/// A real Kubernetes for the tests.
#[derive(Parser)]
#[command(name = "cargo xtask cluster")]
struct Cli {
    #[command(subcommand)]
    command: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// Brings a cluster up: one control plane and three workers, ready and serving names
    Up {
        #[command(flatten)]
        name: Name,
        /// Leaves a cluster that does not come up as it is, to be looked at
        #[arg(long)]
        keep_failed: bool,
        /// A process whose end is the cluster's too
        #[arg(long, hide = true)]
        owner: Option<u32>,
    },
    /// Removes a cluster with its volumes; images stay in the cache
    Down {
        #[command(flatten)]
        name: Name,
        /// Waits until this process has ended
        #[arg(long, hide = true)]
        after: Option<u32>,
    },
    /// Says which clusters there are, and how their nodes are
    Status {
        /// How it is said
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Makes images without a registry, and prints the paths of their archives
    Image {
        /// Which
        #[arg(required = true, value_enum)]
        which: Vec<Which>,
    },
    /// Makes images known to every node
    Load {
        #[command(flatten)]
        name: Name,
        /// Archives, as `docker save` writes them
        #[arg(required = true)]
        images: Vec<PathBuf>,
    },
    /// Prints the path of the cluster's kubeconfig
    Kubeconfig {
        #[command(flatten)]
        name: Name,
    },
    /// Brings a cluster up, runs a command with it, and removes it
    Run {
        #[command(flatten)]
        name: Name,
        /// The command; it finds the cluster through KUBECONFIG, and tests do through
        /// SVOM_TEST_CLUSTER
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Lets something of a cluster fail on purpose; it stays so until it is healed
    Fault {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        words: FaultWords,
    },
    /// Undoes every fault that is in force
    Heal {
        #[command(flatten)]
        name: Name,
    },
    /// Listens on the machine for a private engine
    #[command(hide = true)]
    Forward {
        /// A process in the engine's network
        engine: u32,
    },
}

#[derive(Args)]
struct Name {
    /// The cluster's name
    #[arg(long, default_value = "svom", global = true)]
    name: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Does what the program's words say.
pub fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(Ok(code)) => code,
        Ok(Err(skipped)) => {
            println!("{skipped}");
            ExitCode::from(SKIPPED)
        }
        Err(problem) => {
            eprintln!("error: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

impl Subject {
    fn run(self) -> Result<Result<ExitCode, Skipped>> {
        let progress = Progress::shown();
        match self {
            Self::Up {
                name: Name { name },
                keep_failed,
                owner,
            } => {
                let owner = owner.map(Process::of).transpose()?;
                let wanted = Wanted {
                    name,
                    owner,
                    keep_failed,
                };
                let cluster = match kind::up(&wanted, &progress)? {
                    Ok(cluster) => cluster,
                    Err(skipped) => return Ok(Err(skipped)),
                };
                say(format!(
                    "export KUBECONFIG={}",
                    cluster.kubeconfig().display()
                ))?;
            }
            Self::Down { name, after } => {
                if let Some(process) = after.and_then(|id| Process::of(id).ok()) {
                    process.wait()?;
                }
                if !kind::down(&name.name, &progress)? {
                    progress.say(&format!("there is no cluster {}", name.name));
                }
            }
            Self::Status { output } => say(status::status(output == Output::Json)?)?,
            Self::Image { which } => {
                for archive in image::archives(&which, &progress)? {
                    say(archive.display().to_string())?;
                }
            }
            Self::Load { name, images } => Cluster::open(&name.name)?.load(&images, &progress)?,
            Self::Kubeconfig { name } => {
                say(Cluster::open(&name.name)?
                    .kubeconfig()
                    .display()
                    .to_string())?;
            }
            Self::Run { name, command } => return run(name.name, &command, &progress),
            Self::Fault { name, words } => {
                let faults = Faults::of(&failing(&name)?)?;
                if let Some(why) = fault::provoke(words, &faults)? {
                    return Ok(Err(Skipped { why }));
                }
            }
            Self::Heal { name } => fault::heal(&Faults::of(&failing(&name)?)?)?,
            Self::Forward { engine } => forward::serve(engine)?,
        }
        Ok(Ok(ExitCode::SUCCESS))
    }
}

/// The cluster that is to fail: the one that the environment gives, as for `up`, or that of this name.
fn failing(name: &Name) -> Result<Cluster> {
    match given_kubeconfig(&clusters()?) {
        Some(kubeconfig) => Cluster::given(&kubeconfig),
        None => Cluster::open(&name.name),
    }
}

/// A reader that has gone away wanted no more.
fn say(line: String) -> Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(problem) if problem.kind() != io::ErrorKind::BrokenPipe => {
            Err(problem).context("cannot write the answer")
        }
        _ => Ok(()),
    }
}

/// The command's own exit code.
fn run(name: String, command: &[String], progress: &Progress) -> Result<Result<ExitCode, Skipped>> {
    let wanted = Wanted {
        name,
        owner: Some(Process::of(std::process::id())?),
        keep_failed: false,
    };
    let [program, arguments @ ..] = command else {
        return Ok(Ok(ExitCode::SUCCESS));
    };
    let cluster = match kind::up(&wanted, progress)? {
        Ok(cluster) => cluster,
        Err(skipped) => return Ok(Err(skipped)),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(KUBECONFIG_VARIABLE, cluster.kubeconfig());
    if let Some(name) = cluster.name() {
        command.env(CLUSTER_VARIABLE, name);
    }
    let ended = command.status();
    if cluster.name().is_some() {
        kind::down(&wanted.name, progress)?;
    }
    let ended = ended.with_context(|| format!("cannot run {program}"))?;
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    ensure!(code.is_some(), "{program} ended with {ended}");
    Ok(Ok(ExitCode::from(code.unwrap_or(1))))
}
