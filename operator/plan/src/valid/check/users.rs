//! Rights and durable subscriptions of users, against the queues that are declared.

use std::collections::{BTreeMap, BTreeSet};

use svom_crds::SvomMessagingSpec;
use svom_crds::spec::{
    Authentication as RawAuthentication, Durable as RawDurable, User as RawUser,
};

use super::{Domains, Problems, expand};
use crate::valid::{Authentication, Durable, DurableName, Pattern, Queue, User, UserName};

/// Every user with its rights.
pub(super) fn users(
    spec: &SvomMessagingSpec,
    domains: &Domains,
    problems: &mut Problems,
) -> BTreeMap<UserName, User> {
    let declared: BTreeSet<Queue> = domains
        .iter()
        .flat_map(|(domain, declared)| {
            declared.programs.iter().map(|program| Queue {
                domain: domain.clone(),
                program: program.clone(),
            })
        })
        .collect();
    let mut users = BTreeMap::new();
    for (index, raw) in spec.users.iter().enumerate() {
        let path = format!("spec.users[{index}]");
        let user = user(raw, &path, &declared, problems);
        if users.insert(UserName::new(&raw.name), user).is_some() {
            problems.add(
                format!("{path}.name"),
                format!("{} stands here twice", raw.name),
            );
        }
    }
    users
}

fn user(raw: &RawUser, path: &str, declared: &BTreeSet<Queue>, problems: &mut Problems) -> User {
    let publish = right(&raw.publish, &format!("{path}.publish"), declared, problems);
    let subscribe = right(
        &raw.subscribe,
        &format!("{path}.subscribe"),
        declared,
        problems,
    );
    let mut durables = BTreeMap::new();
    for (index, raw) in raw.durables.iter().enumerate() {
        let path = format!("{path}.durables[{index}]");
        if let Some(durable) = durable(raw, &path, declared, &subscribe, problems)
            && durables
                .insert(DurableName::new(&raw.name), durable)
                .is_some()
        {
            problems.add(
                format!("{path}.name"),
                format!("{} stands here twice", raw.name),
            );
        }
    }
    User {
        publish,
        subscribe,
        subscribe_patterns: raw.subscribe.iter().cloned().map(Pattern).collect(),
        durables,
        authentication: match raw.authentication {
            RawAuthentication::Password => Authentication::Password,
            RawAuthentication::NKey => Authentication::Nkey,
        },
        secret: raw.secret_ref.as_ref().map(|secret| secret.name.clone()),
    }
}

fn right(
    texts: &[String],
    path: &str,
    declared: &BTreeSet<Queue>,
    problems: &mut Problems,
) -> BTreeSet<Queue> {
    let mut queues = BTreeSet::new();
    for (index, text) in texts.iter().enumerate() {
        let named = expand(text, declared.iter());
        if named.is_empty() || text == "*.*" {
            problems.add(format!("{path}[{index}]"), undeclared(text, declared));
        }
        queues.extend(named);
    }
    queues
}

fn undeclared(text: &str, declared: &BTreeSet<Queue>) -> String {
    let declared: Vec<String> = declared.iter().map(ToString::to_string).collect();
    format!(
        "{text} names no declared queue; declared are {}",
        declared.join(", ")
    )
}

fn durable(
    raw: &RawDurable,
    path: &str,
    declared: &BTreeSet<Queue>,
    subscribe: &BTreeSet<Queue>,
    problems: &mut Problems,
) -> Option<Durable> {
    let queues = right(&raw.queues, &format!("{path}.queues"), declared, problems);
    let domain = queues.first()?.domain.clone();
    if queues.iter().any(|queue| queue.domain != domain) {
        problems.add(
            format!("{path}.queues"),
            "a durable reads queues of one domain: write one durable for each domain",
        );
    }
    let outside: Vec<String> = queues
        .difference(subscribe)
        .map(ToString::to_string)
        .collect();
    if !outside.is_empty() {
        let message = format!(
            "{} may not be subscribed to by this user: add it to subscribe, or remove it here",
            outside.join(", ")
        );
        problems.add(format!("{path}.queues"), message);
    }
    Some(Durable {
        domain,
        queues,
        ack_wait: problems.span(&format!("{path}.ackWait"), &raw.ack_wait),
        max_deliver: problems.positive(&format!("{path}.maxDeliver"), raw.max_deliver.into()),
        max_ack_pending: problems
            .positive(&format!("{path}.maxAckPending"), raw.max_ack_pending.into()),
        deliver: raw.deliver,
    })
}
