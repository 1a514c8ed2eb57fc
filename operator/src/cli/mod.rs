//! Words in, tables or JSON out. Nothing is decided here.

mod check;
mod local;
mod plan;
mod run;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::kubernetes::recipe::Recipe;
use crate::table;

/// The command line.
#[derive(Parser, Debug)]
#[command(
    name = "svom-messaging",
    version,
    about = "The messaging bus of the SVOM ground segment, from one SvomMessaging resource.",
    long_about = "The messaging bus of the SVOM ground segment, from one SvomMessaging resource: a TLS-enabled NATS \
                  JetStream cluster with the mission's queues as replicated streams and access-controlled users.\n\n\
                  Try it on this machine:\n\n  \
                  svom-messaging local up -f manifests/examples/minimal.yaml\n\n\
                  Exit codes: 0 done and good; 1 something is wrong or was refused, and it is said what; 2 the command \
                  line itself is wrong."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print the CustomResourceDefinition, for `kubectl apply -f -`.
    Crd,
    /// Check a resource: schema, defaults, rules, and the rules across lists; every error at once.
    Check(CheckArgs),
    /// Say what a resource makes, or what a change to it will do, before it is applied.
    Plan(PlanArgs),
    /// Run the bus on this machine.
    #[command(subcommand)]
    Local(local::LocalCommand),
    /// Look after the buses of a Kubernetes cluster: the operator's own process.
    #[command(
        after_help = "Example:\n  svom-messaging run --namespace svom --namespace svom-tests --log json\n\n\
        Of several processes that name the same Lease one acts; the others wait until it has ended, or has not \
        renewed the Lease for 15 seconds."
    )]
    Run(run::RunArgs),
}

/// How to print.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

#[derive(Args, Debug)]
struct CheckArgs {
    /// The resource; `-` reads it from standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
struct PlanArgs {
    /// The resource as it shall be; `-` reads it from standard input.
    #[arg(short, long, value_name = "NEW")]
    file: PathBuf,
    /// The resource as it is. Left out: nothing is there yet.
    #[arg(long, value_name = "OLD")]
    from: Option<PathBuf>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Runs the command line and gives the exit code.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Crd => print_crd(),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Local(command) => local::run(command),
        Command::Run(args) => run::run(args, Recipe::new),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            table::tell_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn print_crd() -> anyhow::Result<ExitCode> {
    table::print(&svom_crds::crd_yaml()?)?;
    Ok(ExitCode::SUCCESS)
}
