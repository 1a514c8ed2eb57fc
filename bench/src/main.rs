//! Measurements, each beside its control in the same run.
//!
//! In: which benches to run, and how many rounds. Out: rows, as a table or as JSON. A goal is printed
//! beside its figure and fails nothing.

mod bare;
mod bare_controller;
mod change;
mod idle;
mod machine;
mod on_cluster;
mod operator;
mod paired;
mod plan;
mod publish;
mod python;
mod reconcile;
mod resources;
mod row;
mod setting;
mod table;
mod up;

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, Subcommand, ValueEnum};

use paired::Rounds;
use row::{Bench, Row};

/// Every bench. Rows come out in this order.
const BENCHES: [Bench; 10] = [
    machine::BENCH,
    plan::BENCH,
    idle::BENCH,
    operator::BENCH,
    on_cluster::BENCH,
    reconcile::BENCH,
    up::BENCH,
    change::BENCH,
    publish::BENCH,
    python::BENCH,
];

/// Measures, each figure beside its control in the same run.
#[derive(Parser)]
#[command(name = "svom-bench", bin_name = "cargo xtask bench")]
struct Cli {
    /// Runs only the benches whose name holds this
    #[arg(long, default_value = "", value_name = "NAME")]
    only: String,
    /// Rounds of each bench; left out: as many as the bench itself finds right
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How the rows are printed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(subcommand)]
    hidden: Option<Hidden>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Subcommand)]
enum Hidden {
    /// Waits for a signal: the control of a runner that has nothing to do
    #[command(hide = true)]
    Wait,
    /// Looks after nothing: the control of an operator that has nothing to do
    #[command(hide = true)]
    BareController {
        /// Where the resources are
        namespace: String,
    },
    /// Looks at a bus, in the network of its cluster
    #[command(hide = true)]
    Reconcile {
        /// Where the bus is
        namespace: String,
        /// How many rounds
        rounds: usize,
    },
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match &cli.hidden {
        Some(Hidden::Wait) => return idle::wait(),
        Some(Hidden::BareController { namespace }) => return bare_controller::run(namespace),
        Some(Hidden::Reconcile { namespace, rounds }) => return reconcile::run(namespace, *rounds),
        None => {}
    }
    let rows = measure(cli)?;
    match cli.output {
        Output::Table => print!("{}", table::text(&rows)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&rows)?),
    }
    Ok(())
}

fn measure(cli: &Cli) -> anyhow::Result<Vec<Row>> {
    let asked = |bench: &&Bench| bench.name.contains(&cli.only);
    let names = BENCHES.map(|bench| bench.name).join(", ");
    ensure!(
        BENCHES.iter().any(|bench| asked(&bench)),
        "no bench is named like {:?}: there are {names}",
        cli.only
    );
    let mut rows = Vec::new();
    for bench in BENCHES.iter().filter(asked) {
        let rounds = cli.rounds.unwrap_or(bench.rounds);
        eprintln!("measuring {} in {rounds} rounds", bench.name);
        rows.extend((bench.run)(Rounds(rounds))?);
    }
    Ok(rows)
}
