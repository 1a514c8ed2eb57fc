//! The conditions: what is and is not so, why, and what to do.

use svom_crds::SvomMessagingStatus;
use svom_crds::status::{Condition, Truth};

use super::{Findings, ProofFinding, ServerFinding, Setting, rfc3339};
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
    let parts = [
        cluster_formed(setting, findings),
        quorum_available(findings),
        settled(findings),
        tls_ready(findings),
        queues_synced(findings),
        users_synced(findings),
        proven(
            "AccessVerified",
            &findings.access,
            "checks of users' rights",
        ),
        proven(
            "DataPathVerified",
            &findings.data_path,
            "checks of a message's way",
        ),
    ];
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

/// The conditions told before, with the word that something is being done: so it is not paused any more.
pub(super) fn announced(
    before: &SvomMessagingStatus,
    generation: i64,
    what: &str,
    now: UnixSeconds,
) -> Vec<Condition> {
    instead(before, generation, now, "Reconciling", what)
}

/// The conditions told before, with what kept work from coming to an end.
pub(super) fn failed(
    before: &SvomMessagingStatus,
    generation: i64,
    why: &str,
    now: UnixSeconds,
) -> Vec<Condition> {
    instead(before, generation, now, "StepFailed", why)
}

fn instead(
    before: &SvomMessagingStatus,
    generation: i64,
    now: UnixSeconds,
    reason: &'static str,
    what: &str,
) -> Vec<Condition> {
    let new = [
        not("Ready", reason, what),
        so("Reconciling", "Progressing", what),
    ];
    let over = ["Ready", "Reconciling", "Stalled", "Paused"];
    let parts = before
        .conditions
        .iter()
        .filter(|one| !over.contains(&one.type_.as_str()));
    new.into_iter()
        .map(|finding| dated(finding, generation, Some(before), now))
        .chain(parts.cloned())
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

fn cluster_formed(setting: &Setting<'_>, findings: &Findings) -> Finding {
    const TYPE: &str = "ClusterFormed";
    let wanted = usize::from(setting.valid.replicas);
    match (&findings.meta_leader, findings.cluster_size) {
        (Some(leader), Some(size)) if size == wanted => so(
            TYPE,
            "Formed",
            format!("{size} server(s) form the cluster, led by {leader}"),
        ),
        (Some(_), Some(size)) => not(
            TYPE,
            "MembersMissing",
            format!("{size} of {wanted} servers are members of the JetStream meta group"),
        ),
        (Some(_), None) | (None, _) => not(
            TYPE,
            "NoMetaLeader",
            format!(
                "the JetStream meta group has no leader; {} of {wanted} servers answer (the first start needs all of them){}",
                answering(findings),
                why_one_is_silent(findings)
            ),
        ),
    }
}

/// What is known of the first server that does not answer.
fn why_one_is_silent(findings: &Findings) -> String {
    let mut servers = findings.servers.iter();
    let silent = servers.find_map(|server| {
        let trouble = server.trouble.as_ref();
        let trouble = trouble.filter(|_| server.config_digest.is_none())?;
        Some(format!("; {}: {trouble}", server.name))
    });
    silent.unwrap_or_default()
}

fn answering(findings: &Findings) -> usize {
    let answers = |server: &&ServerFinding| server.config_digest.is_some();
    findings.servers.iter().filter(answers).count()
}

fn quorum_available(findings: &Findings) -> Finding {
    const TYPE: &str = "QuorumAvailable";
    let without: Vec<&str> = findings
        .streams
        .iter()
        .filter(|(_, stream)| stream.leader.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if findings.streams.is_empty() {
        Finding {
            type_: TYPE,
            status: Truth::Unknown,
            reason: "NotObserved",
            message: "the streams could not be looked at".to_owned(),
        }
    } else if without.is_empty() {
        so(TYPE, "EveryStreamLed", "every stream has a leader")
    } else {
        let answering = answering(findings);
        let until = if answering * 2 > findings.servers.len() {
            "one is elected, which takes seconds where a majority of its servers answers"
        } else {
            "a majority of its servers is back"
        };
        let without = without.join(", ");
        let message = format!("no leader for {without}: publishing to it is refused until {until}");
        not(TYPE, "NoLeader", message)
    }
}

fn settled(findings: &Findings) -> Finding {
    const TYPE: &str = "Settled";
    let (silent, answering): (Vec<_>, Vec<_>) = findings
        .servers
        .iter()
        .partition(|server| server.config_digest.is_none());
    // Who does not answer may be why others are not healthy.
    let troubles: Vec<String> = silent
        .into_iter()
        .chain(answering)
        .filter_map(|server| Some(format!("{}: {}", server.name, server.trouble.as_ref()?)))
        .collect();
    if !troubles.is_empty() {
        return not(TYPE, "ServerDown", troubles.join("; "));
    }
    for server in &findings.servers {
        if !server.behind.is_empty() {
            let message = format!(
                "{} does not hold everything yet of {}",
                server.name,
                server.behind.join(", ")
            );
            return not(TYPE, "CatchingUp", message);
        }
    }
    if let Some(failure) = findings.failures.first() {
        return not(TYPE, "StepFailed", failure.clone());
    }
    so(
        TYPE,
        "Settled",
        "every server is healthy and every replica holds everything",
    )
}

fn tls_ready(findings: &Findings) -> Finding {
    const TYPE: &str = "TLSReady";
    let served = findings.servers.iter().find_map(|server| {
        server
            .certificate_trouble
            .as_ref()
            .map(|trouble| format!("{}: {trouble}", server.name))
    });
    match (served, findings.authority_warnings.first()) {
        (Some(trouble), _) => not(TYPE, "CertificateTrouble", trouble),
        // Everything works until then, and for months: it is told, and the bus stays ready.
        (None, Some(warning)) => so(TYPE, "AuthorityEnds", warning.clone()),
        (None, None) => so(
            TYPE,
            "CertificatesServed",
            "every server serves the certificate that is wanted",
        ),
    }
}

fn queues_synced(findings: &Findings) -> Finding {
    const TYPE: &str = "QueuesSynced";
    let stream = findings.streams.iter().find_map(|(name, stream)| {
        stream
            .trouble
            .as_ref()
            .map(|trouble| format!("{name}: {trouble}"))
    });
    let durable = findings
        .durables
        .iter()
        .find_map(|((user, durable), trouble)| {
            trouble
                .as_ref()
                .map(|trouble| format!("{user}.{durable}: {trouble}"))
        });
    match stream.or(durable) {
        Some(trouble) => not(TYPE, "QueueTrouble", trouble),
        None if findings.streams.is_empty() => {
            not(TYPE, "NotObserved", "the streams could not be looked at")
        }
        None => so(
            TYPE,
            "InForce",
            "streams and durable subscriptions are as wanted",
        ),
    }
}

fn users_synced(findings: &Findings) -> Finding {
    const TYPE: &str = "UsersSynced";
    let names = |which: fn(&&ServerFinding) -> bool| {
        let names = findings.servers.iter().filter(which);
        names
            .map(|server| server.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let behind =
        names(|server| server.config_digest.is_some() && !server.has_wanted_configuration());
    let silent = names(|server| server.config_digest.is_none());
    if !behind.is_empty() {
        not(
            TYPE,
            "ConfigurationBehind",
            format!("the configuration that is wanted is not in force on {behind}"),
        )
    } else if !silent.is_empty() {
        Finding {
            type_: TYPE,
            status: Truth::Unknown,
            reason: "NotObserved",
            message: format!("which configuration is in force on {silent} is not known"),
        }
    } else {
        so(
            TYPE,
            "InForce",
            "every server has the users and rights that are wanted",
        )
    }
}

fn proven(type_: &'static str, proof: &ProofFinding, what: &str) -> Finding {
    match proof.failed.first() {
        Some((whose, words)) => not(
            type_,
            "ProofFailed",
            format!(
                "{} of {} {what} did not hold; first {whose}: {words}",
                proof.failed.len(),
                proof.tried
            ),
        ),
        None if proof.tried == 0 => not(type_, "NotProven", format!("{what} were not proven yet")),
        None => so(
            type_,
            "Proven",
            format!("{} {what} hold against the live servers", proof.tried),
        ),
    }
}
