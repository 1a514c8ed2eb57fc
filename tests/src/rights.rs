//! What a resource grants, read from its text alone. It shares no line with the product's plan: two
//! readings of the same text that disagree are a finding.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

/// Name of the user that, in a suite's resource, publishes to everything.
pub const HERALD: &str = "herald";
/// Name of the user that, in a suite's resource, hears everything and has a durable named like each
/// domain.
pub const AUDITOR: &str = "auditor";

/// The queues of a resource that names no domains.
const MISSION: [(&str, &[&str]); 3] = [
    (
        "activity",
        &[
            "calibration",
            "core_program",
            "general_program",
            "infrastructure",
            "too",
        ],
    ),
    (
        "science",
        &[
            "calibration",
            "core_program",
            "general_program",
            "infrastructure",
            "too",
        ],
    ),
    ("data", &["mdb", "vhf", "xband"]),
];

/// A durable subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// Stream that it reads.
    pub stream: String,
    /// Its name on the bus.
    pub consumer: String,
    /// Subject that it is delivered to.
    pub deliver_subject: String,
    /// Group that its readers share.
    pub group: String,
    /// Queues that it reads.
    pub queues: BTreeSet<String>,
}

/// What a user may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRights {
    /// Queues that it may publish to.
    pub publish: BTreeSet<String>,
    /// Queues that it may hear live.
    pub subscribe: BTreeSet<String>,
    /// What it may subscribe to in one go.
    pub patterns: BTreeSet<String>,
    /// What it may read durably.
    pub durables: Vec<Durable>,
}

/// What a resource grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Every queue.
    pub queues: BTreeSet<String>,
    /// Every user.
    pub users: BTreeMap<String, UserRights>,
}

#[derive(Deserialize)]
struct Resource {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    domains: Option<Vec<Domain>>,
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Deserialize)]
struct Domain {
    name: String,
    programs: Vec<String>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    durables: Vec<WrittenDurable>,
}

#[derive(Deserialize)]
struct WrittenDurable {
    name: String,
    queues: Vec<String>,
}

impl Rights {
    /// Reads what a resource grants.
    ///
    /// # Errors
    /// When the text is no resource.
    pub fn read(resource: &str) -> Result<Self> {
        let Resource { spec } = serde_yaml::from_str(resource)?;
        let queues: BTreeSet<String> = match spec.domains {
            Some(domains) => domains
                .iter()
                .flat_map(|domain| {
                    domain
                        .programs
                        .iter()
                        .map(|program| format!("{}.{program}", domain.name))
                })
                .collect(),
            None => MISSION
                .iter()
                .flat_map(|(domain, programs)| {
                    programs
                        .iter()
                        .map(move |program| format!("{domain}.{program}"))
                })
                .collect(),
        };
        let mut users = BTreeMap::new();
        for user in spec.users {
            let durables: Result<Vec<Durable>> = user
                .durables
                .iter()
                .map(|durable| durable_of(&user.name, durable, &queues))
                .collect();
            let rights = UserRights {
                publish: expand(&user.publish, &queues),
                subscribe: expand(&user.subscribe, &queues),
                patterns: user.subscribe.into_iter().collect(),
                durables: durables?,
            };
            users.insert(user.name, rights);
        }
        Ok(Self { queues, users })
    }

    /// Domains of the queues.
    pub fn domains(&self) -> BTreeSet<&str> {
        self.queues.iter().map(|queue| domain_of(queue)).collect()
    }

    /// Every durable subscription that reads the queue, of every user but this one.
    pub fn durables_of_others<'a>(&'a self, user: &'a str, queue: &'a str) -> Vec<&'a Durable> {
        self.users
            .iter()
            .filter(|(name, _)| *name != user)
            .flat_map(|(_, rights)| &rights.durables)
            .filter(|durable| durable.queues.contains(queue))
            .collect()
    }
}

/// Domain of a queue.
pub fn domain_of(queue: &str) -> &str {
    queue.split_once('.').map_or(queue, |(domain, _)| domain)
}

/// Stream that stores a queue.
pub fn stream_of(queue: &str) -> String {
    domain_of(queue).to_uppercase()
}

fn durable_of(user: &str, durable: &WrittenDurable, queues: &BTreeSet<String>) -> Result<Durable> {
    let first = durable.queues.first().context("a durable without queues")?;
    let name = &durable.name;
    Ok(Durable {
        stream: stream_of(first),
        consumer: format!("{user}_{name}"),
        deliver_subject: format!("deliver.{}.{user}.{name}", domain_of(first)),
        group: format!("{user}.{name}"),
        queues: expand(&durable.queues, queues),
    })
}

fn expand(patterns: &[String], queues: &BTreeSet<String>) -> BTreeSet<String> {
    let matching = queues
        .iter()
        .filter(|queue| patterns.iter().any(|pattern| matches(pattern, queue)));
    matching.cloned().collect()
}

fn matches(pattern: &str, queue: &str) -> bool {
    let parts = pattern.split('.').zip(queue.split('.'));
    parts
        .into_iter()
        .all(|(wanted, given)| wanted == "*" || wanted == given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_expand_to_the_declared_queues() {
        let rights = Rights::read(
            "spec: {users: [{name: desk, publish: ['*.too'], subscribe: ['data.*'], durables: [{name: all, queues: ['data.*']}]}]}",
        )
        .unwrap();
        let set = |queues: &[&str]| queues.iter().map(|queue| (*queue).to_owned()).collect();
        let data: BTreeSet<String> = set(&["data.mdb", "data.vhf", "data.xband"]);
        assert_eq!(rights.queues.len(), 13);
        assert_eq!(
            rights.users["desk"],
            UserRights {
                publish: set(&["activity.too", "science.too"]),
                subscribe: data.clone(),
                patterns: set(&["data.*"]),
                durables: vec![Durable {
                    stream: "DATA".to_owned(),
                    consumer: "desk_all".to_owned(),
                    deliver_subject: "deliver.data.desk.all".to_owned(),
                    group: "desk.all".to_owned(),
                    queues: data,
                }],
            }
        );
    }
}
