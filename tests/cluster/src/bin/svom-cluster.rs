//! The testbed's commands: `cargo xtask cluster ...`.

use std::process::ExitCode;

fn main() -> ExitCode {
    svom_cluster::cli::main()
}
