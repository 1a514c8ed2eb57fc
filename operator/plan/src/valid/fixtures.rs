//! What every fixture of this crate is made from: a bus with nothing on it, and its parts, as the
//! defaults of the resource have them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    Authentication, Deliver, Discard, Domain, DomainName, Durable, Issuer, OnDelete, Queue, Sync,
    Tls, User, Valid,
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Three servers, no queue and no user.
pub(crate) fn bare() -> Valid {
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
                ca_validity: HOUR * 87_600,
            },
            validity: HOUR * 2160,
            renew_before: HOUR * 720,
            extra_dns_names: BTreeSet::new(),
            client_certificates: false,
        },
        websocket: false,
        domains: BTreeMap::new(),
        users: BTreeMap::new(),
        max_wait_per_server: HOUR / 6,
        paused: false,
        may_lose: BTreeSet::new(),
        kubernetes_only: Vec::new(),
    }
}

pub(crate) fn domain(programs: &[&str]) -> Domain {
    Domain {
        programs: programs
            .iter()
            .map(|program| (*program).to_owned())
            .collect(),
        replicas: 3,
        max_age: HOUR * 168,
        max_bytes: 1 << 30,
        max_messages_per_queue: 100_000,
        discard: Discard::Old,
        duplicate_window: HOUR / 30,
        on_delete: OnDelete::Retain,
    }
}

/// A user without rights.
pub(crate) fn user() -> User {
    User {
        publish: BTreeSet::new(),
        subscribe: BTreeSet::new(),
        subscribe_patterns: BTreeSet::new(),
        durables: BTreeMap::new(),
        authentication: Authentication::Password,
        secret: None,
    }
}

/// A durable subscription of queues of one domain.
pub(crate) fn durable(domain: DomainName, queues: BTreeSet<Queue>) -> Durable {
    Durable {
        domain,
        queues,
        ack_wait: Duration::from_secs(30),
        max_deliver: 5,
        max_ack_pending: 1000,
        deliver: Deliver::All,
    }
}
