//! What is asked of a runner in front: apply, kill, stop, start, down.

use std::process::ExitCode;

use serde_json::Value;
use svom_crds::SvomMessagingStatus;

use super::{ApplyArgs, DirArgs, DownArgs, ServerArgs};
use crate::cli::Output;
use crate::local::control::Request;
use crate::local::control::client::ask;
use crate::local::folder::Folder;
use crate::local::recipe::ApplyAnswer;
use crate::resource;
use crate::table;

/// Asks the runner of the folder, telling its progress on standard error.
pub(super) fn answer(dir: &DirArgs, request: &Request) -> anyhow::Result<Value> {
    let folder = Folder::open(&dir.dir)?;
    Ok(ask(&folder, request, &mut |line| table::tell(line))?)
}

pub(super) fn apply(args: &ApplyArgs) -> anyhow::Result<ExitCode> {
    let bytes = resource::bytes(&args.file)?;
    let file = args.file.display().to_string();
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let troubles = resource::checked(error.as_bytes())
                .err()
                .unwrap_or_default();
            table::print(&resource::told(&file, &troubles))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let answer = answer(&args.dir, &Request::Apply { file, text })?;
    let answer: ApplyAnswer = serde_json::from_value(answer)?;
    match args.output {
        Output::Json => table::print_json(&answer)?,
        Output::Text => table::print(&told(&answer))?,
    }
    let good = answer.ready && answer.problems.is_empty();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn told(answer: &ApplyAnswer) -> String {
    let mut text = String::new();
    for problem in &answer.problems {
        text.push_str(&format!("wrong    {problem}\n"));
    }
    if !answer.problems.is_empty() {
        text.push_str(if is_paused(&answer.status) {
            "Since it is paused, nothing was applied.\n"
        } else {
            "Since the resource is wrong, only what it takes away was applied.\n"
        });
    }
    text.push_str(&crate::cli::plan::changes_text(&answer.changes));
    text.push_str(&super::status::line(&answer.status));
    text
}

fn is_paused(status: &SvomMessagingStatus) -> bool {
    let conditions = &status.conditions;
    conditions
        .iter()
        .any(|condition| condition.type_ == "Paused")
}

pub(super) fn kill(args: ServerArgs) -> anyhow::Result<ExitCode> {
    done(
        &args.dir,
        &Request::Kill {
            server: args.server,
        },
    )
}

pub(super) fn stop(args: ServerArgs) -> anyhow::Result<ExitCode> {
    done(
        &args.dir,
        &Request::Stop {
            server: args.server,
        },
    )
}

pub(super) fn start(args: ServerArgs) -> anyhow::Result<ExitCode> {
    done(
        &args.dir,
        &Request::Start {
            server: args.server,
        },
    )
}

pub(super) fn down(args: &DownArgs) -> anyhow::Result<ExitCode> {
    done(
        &args.dir,
        &Request::Down {
            delete: args.delete,
        },
    )?;
    table::print(if args.delete {
        "stopped and deleted\n"
    } else {
        "stopped\n"
    })?;
    Ok(ExitCode::SUCCESS)
}

fn done(dir: &DirArgs, request: &Request) -> anyhow::Result<ExitCode> {
    if let Value::String(said) = answer(dir, request)? {
        table::print(&format!("{said}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
