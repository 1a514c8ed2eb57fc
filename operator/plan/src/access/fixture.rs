//! Resources and credentials for tests, made by hand.

use std::collections::BTreeSet;

use crate::Secret;
use crate::material::{Credential, Material, Nkey, OperatorKeys};
use crate::valid::fixtures::{bare, domain, durable, user};
use crate::valid::{
    Authentication, DomainName, DurableName, Pattern, Queue, User, UserName, Valid,
};

/// A bus of three servers with these domains and nobody on it.
pub(crate) fn bus(domains: &[(&str, &[&str])]) -> Valid {
    let domain = |(name, programs): &(&str, &[&str])| (DomainName::new(*name), domain(programs));
    Valid {
        domains: domains.iter().map(domain).collect(),
        ..bare()
    }
}

/// The mission's thirteen queues.
pub(crate) fn mission() -> Valid {
    const OBSERVATION: [&str; 5] = [
        "calibration",
        "core_program",
        "general_program",
        "infrastructure",
        "too",
    ];
    bus(&[
        ("activity", &OBSERVATION),
        ("science", &OBSERVATION),
        ("data", &["mdb", "vhf", "xband"]),
    ])
}

impl Valid {
    /// With a user that has these rights, as they are written in a resource.
    pub(crate) fn with_user(mut self, name: &str, publish: &[&str], subscribe: &[&str]) -> Self {
        let expand = |patterns: &[&str]| -> BTreeSet<Queue> {
            self.queues()
                .filter(|queue| patterns.iter().any(|pattern| matches(pattern, queue)))
                .collect()
        };
        let user = User {
            publish: expand(publish),
            subscribe: expand(subscribe),
            subscribe_patterns: subscribe
                .iter()
                .map(|text| Pattern((*text).to_owned()))
                .collect(),
            ..user()
        };
        self.users.insert(UserName::new(name), user);
        self
    }

    /// With a durable subscription of a user that was added before.
    pub(crate) fn with_durable(mut self, user: &str, name: &str, queues: &[&str]) -> Self {
        let queues: BTreeSet<Queue> = self
            .queues()
            .filter(|queue| queues.iter().any(|pattern| matches(pattern, queue)))
            .collect();
        let domain = &queues.first().expect("a durable reads a queue").domain;
        let durable = durable(domain.clone(), queues);
        let user = self
            .users
            .get_mut(&UserName::new(user))
            .expect("the user was added before");
        user.durables.insert(DurableName::new(name), durable);
        self
    }

    /// With a user that was added before proving itself by a key pair.
    pub(crate) fn with_key_pair(mut self, user: &str) -> Self {
        let user = self
            .users
            .get_mut(&UserName::new(user))
            .expect("the user was added before");
        user.authentication = Authentication::Nkey;
        self
    }
}

fn matches(pattern: &str, queue: &Queue) -> bool {
    match pattern.split_once('.') {
        Some((domain, program)) => {
            (domain == "*" || domain == queue.domain.as_str())
                && (program == "*" || program == queue.program)
        }
        None => false,
    }
}

/// Credentials for every user: a hash for who has a password, a key pair whose owner keeps the seed
/// for all others.
pub(crate) fn material(valid: &Valid) -> Material {
    let users = valid.users.iter().map(|(name, user)| {
        let credential = match user.authentication {
            Authentication::Password => Credential::Password {
                password: Secret::new(format!("password of {name}")),
                brought: false,
                hash: Some(format!("$2a$04$hash-of-{name}")),
            },
            Authentication::Nkey => Credential::Nkey {
                own: Nkey {
                    public: format!("U-{name}"),
                    seed: None,
                },
                stand_in: Some(key(&format!("U-STAND-IN-{name}"))),
            },
        };
        (name.clone(), credential)
    });
    Material {
        operator: Some(OperatorKeys {
            system: key("U-OPERATOR-SYSTEM"),
            jetstream: key("U-OPERATOR-JETSTREAM"),
            route_password: Secret::new("routepassword"),
            salt_key: Secret::new("00"),
        }),
        users: users.collect(),
        ..Material::default()
    }
}

fn key(public: &str) -> Nkey {
    Nkey {
        public: public.to_owned(),
        seed: Some(Secret::new("seed")),
    }
}
