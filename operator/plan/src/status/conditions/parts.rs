//! The parts that `Ready` is made of: one condition each, from what was found.

use svom_crds::status::Truth;

use super::{Finding, Findings, ProofFinding, ServerFinding, Setting, not, so};

/// Every part, in a fixed order.
pub(super) fn parts(setting: &Setting<'_>, findings: &Findings) -> [Finding; 8] {
    [
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
    ]
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
