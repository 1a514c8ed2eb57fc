//! What a resource that is not valid still takes away.
//!
//! A resource may be refused for one mistake and remove a user in the same edit. The removal is
//! meant and clear, so it does not wait for the mistake to be found.

use std::collections::{BTreeMap, BTreeSet};

use svom_crds::SvomMessagingSpec;
use svom_crds::spec::{Durable as DurableSpec, User as UserSpec};

use crate::valid::{Durable, Pattern, Queue, User, Valid};

/// The state in force less every user, right and durable that the new resource no longer names.
/// Nothing is added, and nothing else changes. What the resource names in a way that cannot be
/// understood takes nothing away beside it; rights are read against the domains in force.
pub fn only_revocations(old: &Valid, new: &SvomMessagingSpec) -> Valid {
    let mut valid = old.clone();
    valid.users = old
        .users
        .iter()
        .filter_map(|(name, user)| {
            // A name that stands there twice is a mistake; each entry counts for what it names.
            let named: Vec<&UserSpec> = new
                .users
                .iter()
                .filter(|entry| entry.name == name.as_str())
                .collect();
            (!named.is_empty()).then(|| (name.clone(), still_named(user, &named)))
        })
        .collect();
    valid
}

fn still_named(user: &User, named: &[&UserSpec]) -> User {
    let publish: Vec<&str> = named
        .iter()
        .flat_map(|entry| &entry.publish)
        .map(String::as_str)
        .collect();
    let subscribe: Vec<&str> = named
        .iter()
        .flat_map(|entry| &entry.subscribe)
        .map(String::as_str)
        .collect();
    let queues = keep(&user.subscribe, &subscribe);
    User {
        publish: keep(&user.publish, &publish),
        subscribe_patterns: patterns(user, &queues, &subscribe),
        durables: user
            .durables
            .iter()
            .filter_map(|(name, durable)| {
                let entries: Vec<&DurableSpec> = named
                    .iter()
                    .flat_map(|entry| &entry.durables)
                    .filter(|entry| entry.name == name.as_str())
                    .collect();
                let durable = narrowed(durable, &queues, &entries)?;
                Some((name.clone(), durable))
            })
            .collect::<BTreeMap<_, _>>(),
        subscribe: queues,
        authentication: user.authentication,
        secret: user.secret.clone(),
    }
}

/// A durable reads what is still named for it and what its user may still subscribe to; one that
/// would read nothing is gone.
fn narrowed(
    durable: &Durable,
    subscribe: &BTreeSet<Queue>,
    entries: &[&DurableSpec],
) -> Option<Durable> {
    let named: Vec<&str> = entries
        .iter()
        .flat_map(|entry| &entry.queues)
        .map(String::as_str)
        .collect();
    let queues: BTreeSet<Queue> = keep(&durable.queues, &named)
        .intersection(subscribe)
        .cloned()
        .collect();
    (!queues.is_empty()).then(|| Durable {
        queues,
        ..durable.clone()
    })
}

/// The patterns that are still written, and for what remains of the others each queue by itself,
/// which such a pattern held already.
fn patterns(user: &User, queues: &BTreeSet<Queue>, named: &[&str]) -> BTreeSet<Pattern> {
    let mut patterns: BTreeSet<Pattern> = user
        .subscribe_patterns
        .iter()
        .filter(|pattern| named.contains(&pattern.0.as_str()))
        .cloned()
        .collect();
    let rest: Vec<Pattern> = queues
        .iter()
        .filter(|queue| !patterns.iter().any(|pattern| names(&pattern.0, queue)))
        .map(|queue| Pattern(queue.to_string()))
        .collect();
    patterns.extend(rest);
    patterns
}

fn keep(queues: &BTreeSet<Queue>, named: &[&str]) -> BTreeSet<Queue> {
    queues
        .iter()
        .filter(|queue| named.iter().any(|pattern| names(pattern, queue)))
        .cloned()
        .collect()
}

/// Whether a right, as it is written, names the queue. Wider forms than the resource allows are
/// read as the wildcards they are: they take nothing away.
fn names(pattern: &str, queue: &Queue) -> bool {
    let is = |part: &str, name: &str| part == "*" || part == name;
    match pattern.split_once('.') {
        None => pattern == ">",
        Some((domain, ">")) => is(domain, queue.domain.as_str()),
        Some((domain, program)) => is(domain, queue.domain.as_str()) && is(program, &queue.program),
    }
}
