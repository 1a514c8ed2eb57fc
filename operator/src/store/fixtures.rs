//! A bus for the tests of this crate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use svom_plan::topology::{Server, ServerFiles, Topology};
use svom_plan::valid::{Authentication, Issuer, OnDelete, Sync, Tls, User, UserName};
use svom_plan::{UnixSeconds, Valid};

const HOUR: u64 = 3600;

pub(crate) fn now() -> UnixSeconds {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Ann with a password and Bob with an NKey, both generated; clients show certificates.
pub(crate) fn bus() -> Valid {
    let user = |authentication| User {
        publish: BTreeSet::new(),
        subscribe: BTreeSet::new(),
        subscribe_patterns: BTreeSet::new(),
        durables: BTreeMap::new(),
        authentication,
        secret: None,
    };
    Valid {
        name: "fsc".to_owned(),
        generation: 0,
        version: None,
        replicas: 1,
        storage_size: 1 << 30,
        sync: Sync::Always,
        on_delete: OnDelete::Retain,
        tls: Tls {
            issuer: Issuer::Managed {
                ca_validity: Duration::from_secs(87_600 * HOUR),
            },
            validity: Duration::from_secs(2160 * HOUR),
            renew_before: Duration::from_secs(720 * HOUR),
            extra_dns_names: BTreeSet::from(["*.example.org".to_owned()]),
            client_certificates: true,
        },
        domains: BTreeMap::new(),
        users: BTreeMap::from([
            (UserName::new("ann"), user(Authentication::Password)),
            (UserName::new("bob"), user(Authentication::Nkey)),
        ]),
        max_wait_per_server: Duration::from_secs(600),
        paused: false,
        may_lose: BTreeSet::new(),
        kubernetes_only: vec![],
    }
}

/// Lets a user bring its credentials.
pub(crate) fn bring(valid: &mut Valid, user: &str, secret: &str) {
    valid.users.get_mut(&UserName::new(user)).unwrap().secret = Some(secret.to_owned());
}

/// Servers on loopback, clients from 4500 and routes from 6500 on.
pub(crate) fn servers(count: u16) -> Topology {
    let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let server = |i| Server {
        name: format!("fsc-{i}"),
        listen,
        client_host: "127.0.0.1".to_owned(),
        client_port: 4500 + i,
        route_host: "127.0.0.1".to_owned(),
        route_port: 6500 + i,
        dns_names: vec!["localhost".to_owned()],
        addresses: vec![listen],
        files: ServerFiles {
            store_dir: String::new(),
            client_pem: String::new(),
            client_ca: String::new(),
            route_pem: String::new(),
            route_ca: String::new(),
            log: None,
        },
    };
    Topology {
        cluster: "fsc".to_owned(),
        servers: (0..count).map(server).collect(),
    }
}
