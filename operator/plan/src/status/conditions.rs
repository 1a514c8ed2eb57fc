//! The conditions: what is and is not so, why, and what to do.

mod parts;

use svom_crds::SvomMessagingStatus;
use svom_crds::status::{Condition, Truth};

use super::{Findings, ProofFinding, ServerFinding, Setting, Underway, rfc3339};
use crate::change::Effect;
use crate::{Problem, UnixSeconds};

/// Reason of a resource that is wrong.
const INVALID: &str = "InvalidSpec";

/// One condition before it has a time.
struct Finding {
    type_: &'static str,
    status: Truth,
    reason: &'static str,
    message: String,
}

fn so(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        type_,
        status: Truth::True,
        reason,
        message: message.into(),
    }
}

fn not(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        type_,
        status: Truth::False,
        reason,
        message: message.into(),
    }
}

/// All conditions, in a fixed order. `Ready` is always there; `Reconciling`, `Stalled` and `Paused`
/// only while they are true, and never both of the first two.
pub(super) fn conditions(setting: &Setting<'_>, findings: &Findings) -> Vec<Condition> {
    let parts = parts::parts(setting, findings);
    let stalled = stalled(setting, findings);
    let mut all = vec![ready(setting, findings, &parts, stalled.as_ref())];
    if stalled.is_none()
        && let Some(reconciling) = reconciling(findings, &parts)
    {
        all.push(reconciling);
    }
    all.extend(stalled);
    if setting.valid.paused {
        all.push(so(
            "Paused",
            "Paused",
            "spec.paused is true: it is observed and nothing is changed",
        ));
    }
    all.extend(parts);
    all.into_iter()
        .map(|finding| dated(finding, setting.generation, setting.before, findings.now))
        .collect()
}

/// The conditions of a resource of which nothing is in force.
pub(super) fn unusable(
    problems: &[Problem],
    generation: i64,
    before: Option<&SvomMessagingStatus>,
    now: UnixSeconds,
) -> Vec<Condition> {
    let message = format!("{}; nothing is made until it is mended", told(problems));
    let found = [
        not("Ready", INVALID, message.clone()),
        so("Stalled", INVALID, message),
    ];
    found
        .into_iter()
        .map(|finding| dated(finding, generation, before, now))
        .collect()
}

/// The conditions told before, with what is under way since.
pub(super) fn underway(
    before: &SvomMessagingStatus,
    generation: i64,
    underway: &Underway<'_>,
    now: UnixSeconds,
) -> Vec<Condition> {
    // What is being changed is not paused any more.
    let (reason, what, gone) = match underway {
        Underway::Change(what) => ("Reconciling", what, &["Paused"][..]),
        Underway::Failure(why) => ("StepFailed", why, &[][..]),
    };
    let new = [
        not("Ready", reason, *what),
        so("Reconciling", "Progressing", *what),
    ];
    let stays = |one: &&Condition| {
        let type_ = one.type_.as_str();
        !["Ready", "Reconciling", "Stalled"].contains(&type_) && !gone.contains(&type_)
    };
    new.into_iter()
        .map(|finding| dated(finding, generation, Some(before), now))
        .chain(before.conditions.iter().filter(stays).cloned())
        .collect()
}

/// The first problem, and how many more there are.
fn told(problems: &[Problem]) -> String {
    let first = problems.first().map(ToString::to_string);
    let first = first.unwrap_or_default();
    match problems.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}

fn dated(
    finding: Finding,
    generation: i64,
    before: Option<&SvomMessagingStatus>,
    now: UnixSeconds,
) -> Condition {
    let before = before
        .and_then(|before| {
            before
                .conditions
                .iter()
                .find(|one| one.type_ == finding.type_)
        })
        .filter(|before| before.status == finding.status);
    Condition {
        type_: finding.type_.to_owned(),
        status: finding.status,
        reason: finding.reason.to_owned(),
        message: finding.message,
        last_transition_time: before.map_or_else(
            || rfc3339(now),
            |before| before.last_transition_time.clone(),
        ),
        observed_generation: Some(generation),
    }
}

fn ready(
    setting: &Setting<'_>,
    findings: &Findings,
    parts: &[Finding],
    stalled: Option<&Finding>,
) -> Finding {
    if let Some(stalled) = stalled {
        return not("Ready", stalled.reason, stalled.message.clone());
    }
    if let Some(changing) = &findings.changing {
        return not("Ready", "Reconciling", changing.clone());
    }
    if setting.valid.paused && !findings.waiting.is_empty() {
        let what: Vec<&str> = findings
            .waiting
            .iter()
            .map(|change| change.what.as_str())
            .collect();
        let message = format!("paused, and these changes wait: {}", what.join("; "));
        return not("Ready", "PausedWithChanges", message);
    }
    match parts.iter().find(|part| part.status != Truth::True) {
        Some(part) => Finding {
            type_: "Ready",
            status: part.status,
            reason: part.reason,
            message: part.message.clone(),
        },
        None => so(
            "Ready",
            "Proven",
            format!(
                "{} server(s), {} queues and {} user(s) are in force and proven",
                findings.servers.len(),
                setting.valid.queues().count(),
                setting.valid.users.len(),
            ),
        ),
    }
}

/// Only what a person must mend.
fn stalled(setting: &Setting<'_>, findings: &Findings) -> Option<Finding> {
    if !findings.in_the_way.is_empty() {
        return Some(so(
            "Stalled",
            "SecretConflict",
            findings.in_the_way.join("; "),
        ));
    }
    if !findings.problems.is_empty() {
        let meanwhile = if setting.valid.paused {
            "it is paused, so nothing of it is applied"
        } else if findings.is_first {
            "nothing is in force yet"
        } else {
            "the last good state stays in force, less what this one takes away"
        };
        let message = format!("{}; {meanwhile}", told(&findings.problems));
        return Some(so("Stalled", INVALID, message));
    }
    let refused: Vec<String> = findings
        .refused
        .iter()
        .filter(|change| change.effect == Effect::Refuse)
        .map(ToString::to_string)
        .collect();
    (!refused.is_empty()).then(|| so("Stalled", "ChangeRefused", refused.join("; ")))
}

fn reconciling(findings: &Findings, parts: &[Finding]) -> Option<Finding> {
    let changing = findings.changing.clone();
    let open = || {
        parts
            .iter()
            .find(|part| part.status != Truth::True)
            .map(|part| part.message.clone())
    };
    changing
        .or_else(open)
        .map(|message| so("Reconciling", "Progressing", message))
}
