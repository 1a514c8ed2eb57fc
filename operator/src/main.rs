//! The command `svom-messaging`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    svom_operator::cli::run(svom_operator::cli::Cli::parse())
}
