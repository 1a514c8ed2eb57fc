//! runc, for machines without the capability CAP_SYS_RESOURCE: what it cannot do is taken out of what
//! it is asked, then the runc that lies beside this program does it.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use svom_cluster::engine::runc;

fn main() -> ExitCode {
    let Err(problem) = run();
    eprintln!("svom-runc: {problem:#}");
    ExitCode::FAILURE
}

/// Comes back only when it could not become runc.
fn run() -> Result<std::convert::Infallible> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    runc::adapt(&arguments)?;
    let this = std::env::current_exe().context("cannot find out where this program lies")?;
    let runc = this.with_file_name("runc");
    let problem = Command::new(&runc).args(&arguments).exec();
    Err(problem).with_context(|| format!("cannot run {}", runc.display()))
}
