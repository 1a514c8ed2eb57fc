//! `check`: everything that is wrong with a resource, at once.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::{CheckArgs, Output};
use crate::resource::{self, Trouble};
use crate::table;

#[derive(Serialize)]
struct Answer<'a> {
    file: String,
    valid: bool,
    errors: &'a [Trouble],
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let checked = resource::checked(&resource::bytes(&args.file)?);
    match (args.output, &checked) {
        (output, Err(troubles)) => print_troubles(output, &args.file, troubles)?,
        (Output::Json, Ok(_)) => print_json(&args.file, &[])?,
        (Output::Text, Ok(valid)) => table::print(&format!(
            "{}: valid: {} server(s), {} queues, {} user(s)\n",
            args.file.display(),
            valid.replicas,
            valid.queues().count(),
            valid.users.len()
        ))?,
    }
    Ok(if checked.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints what is wrong with a file.
pub(super) fn print_troubles(
    output: Output,
    file: &Path,
    troubles: &[Trouble],
) -> anyhow::Result<()> {
    match output {
        Output::Json => print_json(file, troubles),
        Output::Text => Ok(table::print(&resource::told(
            &file.display().to_string(),
            troubles,
        ))?),
    }
}

fn print_json(file: &Path, errors: &[Trouble]) -> anyhow::Result<()> {
    table::print_json(&Answer {
        file: file.display().to_string(),
        valid: errors.is_empty(),
        errors,
    })
}
