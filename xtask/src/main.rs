//! The project's own commands: `cargo xtask generate | test | proof | bench | cluster`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod cluster;
mod gate;
mod generate;
mod machine;
mod proof;
mod root;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the files that are made from the source: the CRD, the chart's copy of it, the Roles, pages
    Generate {
        /// Writes nothing; fails with the names of the files that differ
        #[arg(long)]
        check: bool,
    },
    /// Runs every check and every test, and ends with "N passed, N failed, N skipped"
    Test {
        /// Only the step of this name; may be given again
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
    },
    /// Runs the tests at their full depth and the benches, and writes docs/proof/DATE.md
    Proof {
        /// Only the step of this name, `benches` or `bench NAME`; may be given again, and is in the page's name
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
    },
    /// Measures, each figure beside its control in the same run
    #[command(disable_help_flag = true)]
    Bench {
        /// What to measure and how: see `cargo xtask bench --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// A real Kubernetes for the tests: brings it up, makes its nodes fail, removes it
    #[command(disable_help_flag = true)]
    Cluster {
        /// What to do: see `cargo xtask cluster --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Cluster { words } => return cluster::run(&words),
        Command::Generate { check } => generate::run(check),
        Command::Test { only } => {
            gate::run(gate::Level::Gate, &only).map(|report| report.tally.good())
        }
        Command::Proof { only } => proof::run(&only),
        Command::Bench { words } => bench::run(&words),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
