//! Resources and credentials for tests, made by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::Secret;
use crate::material::{Credential, Material, Nkey, OperatorKeys};
use crate::valid::{
    Authentication, Deliver, Discard, Domain, DomainName, Durable, DurableName, Issuer, OnDelete,
    Pattern, Queue, Sync, Tls, User, UserName, Valid,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A bus of three servers with these domains and nobody on it.
pub(crate) fn bus(domains: &[(&str, &[&str])]) -> Valid {
    Valid {
        name: "fsc".to_owned(),
        generation: 1,
        version: None,
        replicas: 3,
        storage_size: 10 << 30,
        sync: Sync::Always,
        on_delete: OnDelete::Retain,
        tls: Tls {
            issuer: Issuer::Managed {
                ca_validity: 87_600 * HOUR,
            },
            validity: 2160 * HOUR,
            renew_before: 720 * HOUR,
            extra_dns_names: BTreeSet::new(),
            client_certificates: false,
        },
        domains: domains
            .iter()
            .map(|(name, programs)| domain(name, programs))
            .collect(),
        users: BTreeMap::new(),
        max_wait_per_server: Duration::from_secs(600),
        paused: false,
        may_lose: BTreeSet::new(),
        kubernetes_only: Vec::new(),
    }
}

fn domain(name: &str, programs: &[&str]) -> (DomainName, Domain) {
    let domain = Domain {
        programs: programs
            .iter()
            .map(|program| (*program).to_owned())
            .collect(),
        replicas: 3,
        max_age: 168 * HOUR,
        max_bytes: 1 << 30,
        max_messages_per_queue: 100_000,
        discard: Discard::Old,
        duplicate_window: Duration::from_secs(120),
        on_delete: OnDelete::Retain,
    };
    (DomainName::new(name), domain)
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
            durables: BTreeMap::new(),
            authentication: Authentication::Password,
            secret: None,
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
        let durable = Durable {
            domain: queues
                .first()
                .expect("a durable reads a queue")
                .domain
                .clone(),
            queues,
            ack_wait: Duration::from_secs(30),
            max_deliver: 5,
            max_ack_pending: 1000,
            deliver: Deliver::All,
        };
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
