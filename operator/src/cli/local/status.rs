//! `local status`: how the bus is, in the words of the resource's status.

use std::process::ExitCode;

use svom_crds::SvomMessagingStatus;
use svom_crds::status::{Condition, DomainStatus, ServerStatus, Truth, UserStatus};
use svom_plan::status::is_ready;

use super::StatusArgs;
use super::ask::answer;
use crate::cli::Output;
use crate::local::control::Request;
use crate::table;

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let answer = answer(&args.dir, &Request::Status {})?;
    if answer.is_null() {
        anyhow::bail!("the bus is just being brought up: ask again in a moment");
    }
    let status: SvomMessagingStatus = serde_json::from_value(answer)?;
    match args.output {
        Output::Json => table::print_json(&status)?,
        Output::Text => table::print(&text(&status))?,
    }
    Ok(if is_ready(&status) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The condition `Ready` in one line.
pub(super) fn line(status: &SvomMessagingStatus) -> String {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == Truth::True => format!("Ready: {}\n", ready.message),
        Some(ready) => format!("Not ready ({}): {}\n", ready.reason, ready.message),
        None => "Not ready\n".to_owned(),
    }
}

fn text(status: &SvomMessagingStatus) -> String {
    [
        line(status),
        servers(status),
        domains(status),
        users(status),
        conditions(status),
    ]
    .join("\n")
}

fn servers(status: &SvomMessagingStatus) -> String {
    let row = |server: &ServerStatus| {
        let leads = Some(server.leader_of.join(" ")).filter(|leads| !leads.is_empty());
        vec![
            server.name.clone(),
            yes_no(server.ready),
            yes_no(server.current),
            or_dash(server.version.as_ref()),
            or_dash(leads.as_ref()),
        ]
    };
    let rows: Vec<_> = status.servers.iter().map(row).collect();
    table::columns(&["SERVER", "READY", "CURRENT", "VERSION", "LEADS"], &rows)
}

fn domains(status: &SvomMessagingStatus) -> String {
    let row = |domain: &DomainStatus| {
        vec![
            domain.stream.clone(),
            yes_no(domain.ready),
            or_dash(domain.leader.as_ref()),
            domain.replicas_current.to_string(),
            or_dash(domain.reason.as_ref()),
        ]
    };
    let rows: Vec<_> = status.domains.iter().map(row).collect();
    table::columns(&["STREAM", "READY", "LEADER", "CURRENT", "REASON"], &rows)
}

fn users(status: &SvomMessagingStatus) -> String {
    let row = |user: &UserStatus| {
        vec![
            user.name.clone(),
            yes_no(user.ready),
            user.secret_name.clone(),
            or_dash(user.reason.as_ref()),
        ]
    };
    let rows: Vec<_> = status.users.iter().map(row).collect();
    table::columns(&["USER", "READY", "CREDENTIALS", "REASON"], &rows)
}

fn conditions(status: &SvomMessagingStatus) -> String {
    let row = |one: &Condition| {
        vec![
            one.type_.clone(),
            format!("{:?}", one.status),
            one.reason.clone(),
            one.message.clone(),
        ]
    };
    let rows: Vec<_> = status.conditions.iter().map(row).collect();
    table::columns(&["CONDITION", "STATUS", "REASON", "MESSAGE"], &rows)
}

fn yes_no(truth: bool) -> String {
    if truth { "yes" } else { "no" }.to_owned()
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}
