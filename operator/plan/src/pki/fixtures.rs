//! A bus and its certificates for the tests of this crate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::wanted;
use crate::material::{Authority, CertificateAndKey, CertificateFacts, Material};
use crate::topology::{Server, ServerFiles, Topology};
use crate::valid::fixtures::{bare, user};
use crate::valid::{Authentication, User, UserName};
use crate::want::{CertificateWanted, Usage, Want};
use crate::{Secret, UnixSeconds, Valid};

pub(crate) const NOW: UnixSeconds = 1_795_443_601;
pub(crate) const HOUR: u64 = 3600;

/// A bus with two users and one server, whose leaves last 90 days and its authorities ten years.
pub(crate) fn bus() -> Valid {
    let with = |authentication| User {
        authentication,
        ..user()
    };
    let mut valid = Valid {
        replicas: 1,
        users: BTreeMap::from([
            (UserName::new("ann"), with(Authentication::Password)),
            (UserName::new("bob"), with(Authentication::Nkey)),
        ]),
        ..bare()
    };
    valid.tls.extra_dns_names = BTreeSet::from(["*.example.org".to_owned()]);
    valid
}

pub(crate) fn one_server() -> Topology {
    let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Topology {
        cluster: "fsc".to_owned(),
        servers: vec![Server {
            name: "fsc-0".to_owned(),
            listen,
            client_host: "127.0.0.1".to_owned(),
            client_port: 4222,
            websocket_port: 5222,
            route_host: "127.0.0.1".to_owned(),
            route_port: 6222,
            monitor_port: None,
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
        }],
    }
}

fn made(certificate: &CertificateWanted) -> CertificateAndKey {
    CertificateAndKey {
        chain_pem: certificate.common_name.clone(),
        key_pem: Secret::new("key"),
        facts: CertificateFacts {
            common_name: certificate.common_name.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            dns_names: certificate.dns_names.clone(),
            addresses: certificate.addresses.clone(),
            authority: certificate.usage == Usage::Authority,
            server_auth: certificate.usage.server(),
            client_auth: certificate.usage.client(),
            sound: true,
        },
    }
}

/// Mints what is wanted, as far as facts go.
pub(crate) fn mint(valid: &Valid, material: &mut Material, now: UnixSeconds) {
    for want in wanted(valid, &one_server(), material, now).unwrap() {
        match want {
            Want::Authority { name, certificate } => {
                let own = made(&certificate);
                let trust_pem = own.chain_pem.clone();
                material
                    .authorities
                    .insert(name, Authority { own, trust_pem });
            }
            Want::Leaf { name, certificate } => {
                material.leaves.insert(name, made(&certificate));
            }
            other => panic!("not a certificate: {other:?}"),
        }
    }
}
