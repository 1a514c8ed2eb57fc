//! `plan`: what a resource makes, or what a change to it will do.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use svom_plan::access::matrix;
use svom_plan::change::{Change, Effect, changes};
use svom_plan::queues::streams;
use svom_plan::{Valid, names};

use super::{Output, PlanArgs, check};
use crate::resource;
use crate::table;

/// What a resource makes from nothing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    servers: Vec<String>,
    queues: Vec<MadeDomain>,
    users: Vec<MadeUser>,
    /// How many things are tried against the live servers to prove the rights.
    cells: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeDomain {
    domain: String,
    stream: String,
    queues: Vec<String>,
    replicas: u8,
    max_bytes: u64,
    max_age_seconds: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeUser {
    user: String,
    publish: Vec<String>,
    subscribe: Vec<String>,
    durables: Vec<String>,
}

pub(super) fn run(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let Some(new) = read(&args.file, args.output)? else {
        return Ok(ExitCode::FAILURE);
    };
    let Some(from) = &args.from else {
        let made = made(&new);
        match args.output {
            Output::Json => table::print_json(&made)?,
            Output::Text => table::print(&made_text(&made))?,
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(old) = read(from, args.output)? else {
        return Ok(ExitCode::FAILURE);
    };
    // Without a live bus nothing is known of stored messages; the words of each change say what is
    // looked at when it is applied.
    let changes = changes(&old, &new, None, 0);
    match args.output {
        Output::Json => table::print_json(&changes)?,
        Output::Text => {
            if new.paused {
                table::print(
                    "The new resource is paused: none of this is done until spec.paused is false.\n",
                )?;
            }
            table::print(&changes_text(&changes))?;
        }
    }
    let refused = changes.iter().any(|change| change.effect == Effect::Refuse);
    Ok(if refused {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn read(path: &Path, output: Output) -> anyhow::Result<Option<Valid>> {
    match resource::checked(&resource::bytes(path)?) {
        Ok(valid) => Ok(Some(valid)),
        Err(troubles) => {
            check::print_troubles(output, path, &troubles)?;
            Ok(None)
        }
    }
}

fn made(valid: &Valid) -> Made {
    let streams = streams(valid);
    let domain = |(name, domain): (&svom_plan::valid::DomainName, &svom_plan::valid::Domain)| {
        let stream = names::stream(name);
        MadeDomain {
            domain: name.to_string(),
            queues: streams
                .get(&stream)
                .map(|config| config.subjects.iter().cloned().collect())
                .unwrap_or_default(),
            stream,
            replicas: domain.replicas,
            max_bytes: domain.max_bytes,
            max_age_seconds: domain.max_age.as_secs(),
        }
    };
    let user = |(name, user): (&svom_plan::valid::UserName, &svom_plan::valid::User)| MadeUser {
        user: name.to_string(),
        publish: user.publish.iter().map(ToString::to_string).collect(),
        subscribe: user.subscribe.iter().map(ToString::to_string).collect(),
        durables: user.durables.keys().map(ToString::to_string).collect(),
    };
    Made {
        servers: (0..valid.replicas)
            .map(|index| names::server(&valid.name, index))
            .collect(),
        queues: valid.domains.iter().map(domain).collect(),
        users: valid.users.iter().map(user).collect(),
        cells: matrix::matrix(valid).values().map(Vec::len).sum(),
    }
}

fn made_text(made: &Made) -> String {
    let queues: Vec<Vec<String>> = made
        .queues
        .iter()
        .map(|domain| {
            vec![
                domain.stream.clone(),
                domain.replicas.to_string(),
                domain.queues.join(" "),
            ]
        })
        .collect();
    let dash = |words: &[String]| {
        if words.is_empty() {
            "-".to_owned()
        } else {
            words.join(" ")
        }
    };
    let users: Vec<Vec<String>> = made
        .users
        .iter()
        .map(|user| {
            vec![
                user.user.clone(),
                dash(&user.publish),
                dash(&user.subscribe),
                dash(&user.durables),
            ]
        })
        .collect();
    format!(
        "Servers: {}\n\n{}\n{}\n{} things are tried against the live servers to prove these rights.\n",
        made.servers.join(" "),
        table::columns(&["STREAM", "REPLICAS", "QUEUES"], &queues),
        table::columns(&["USER", "PUBLISH", "SUBSCRIBE", "DURABLES"], &users),
        made.cells
    )
}

/// Changes as people read them: what, what it takes and why, what to do instead.
pub(super) fn changes_text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "Nothing changes.\n".to_owned();
    }
    let mut text = String::new();
    for change in changes {
        text.push_str(&format!(
            "{:<8} {}: {}\n",
            change.effect.as_str(),
            change.path,
            change.what
        ));
        text.push_str(&format!("         {}\n", change.why));
        if let Some(instead) = &change.instead {
            text.push_str(&format!("         {instead}\n"));
        }
    }
    text
}
