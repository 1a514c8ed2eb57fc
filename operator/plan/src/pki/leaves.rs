//! The certificates that the authorities sign: which there are to be, and which still fit.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::BACKDATE;
use crate::material::{AuthorityName, CertificateFacts, LeafName};
use crate::topology::{Server, Topology};
use crate::valid::Tls;
use crate::want::{CertificateWanted, Usage};
use crate::{UnixSeconds, Valid};

/// Common name of the operator's own client certificate.
const OPERATOR: &str = "svom-operator";

/// A moment and a length of time after it.
pub(super) fn after(now: UnixSeconds, length: Duration) -> UnixSeconds {
    now.saturating_add(i64::try_from(length.as_secs()).unwrap_or(i64::MAX))
}

/// A common name; X.509 allows 64 characters. Nothing is decided by it, so a longer one is cut.
pub(super) fn common_name(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Every leaf of an authority, as it would be made now.
pub(super) fn all(
    valid: &Valid,
    topology: &Topology,
    authority: AuthorityName,
    now: UnixSeconds,
    authority_ends: UnixSeconds,
) -> Vec<(LeafName, CertificateWanted)> {
    let certificate = |name: &str, names: Names, usage| CertificateWanted {
        common_name: common_name(name),
        not_before: now.saturating_sub(BACKDATE),
        not_after: after(now, valid.tls.validity).min(authority_ends),
        dns_names: names.dns,
        addresses: names.addresses,
        usage,
    };
    let servers = topology.servers.iter();
    if authority == AuthorityName::Routes {
        return servers
            .map(|server| {
                let mut names = Names::default();
                names.add(&server.route_host);
                (
                    LeafName::Route(server.name.clone()),
                    certificate(&server.name, names, Usage::Peer),
                )
            })
            .collect();
    }
    let mut leaves: Vec<_> = servers
        .map(|server| {
            (
                LeafName::Server(server.name.clone()),
                certificate(&server.name, client_names(server, valid), Usage::Server),
            )
        })
        .collect();
    if valid.tls.client_certificates {
        leaves.extend(valid.users.keys().map(|user| {
            let shown = certificate(user.as_str(), Names::default(), Usage::Client);
            (LeafName::User(user.clone()), shown)
        }));
        let shown = certificate(OPERATOR, Names::default(), Usage::Client);
        leaves.push((LeafName::Operator, shown));
    }
    leaves
}

#[derive(Default)]
struct Names {
    dns: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Names {
    fn add(&mut self, host: &str) {
        match host.parse() {
            Ok(address) => self.addresses.insert(address),
            Err(_) => self.dns.insert(host.to_owned()),
        };
    }
}

fn client_names(server: &Server, valid: &Valid) -> Names {
    let mut names = Names {
        dns: server
            .dns_names
            .iter()
            .chain(&valid.tls.extra_dns_names)
            .cloned()
            .collect(),
        addresses: server.addresses.iter().copied().collect(),
    };
    names.add(&server.client_host);
    names
}

/// When a leaf is renewed by itself; never where it lasts as long as its authority, since a new one
/// would end at the same second.
pub(super) fn renew_at(
    not_after: UnixSeconds,
    renew_before: Duration,
    authority_ends: UnixSeconds,
) -> Option<UnixSeconds> {
    let before = i64::try_from(renew_before.as_secs()).unwrap_or(i64::MAX);
    (not_after < authority_ends).then(|| not_after.saturating_sub(before))
}

/// Whether a leaf that is there may stay, given the one that would be made now.
pub(super) fn fits(
    found: &CertificateFacts,
    wanted: &CertificateWanted,
    tls: &Tls,
    authority_ends: UnixSeconds,
    now: UnixSeconds,
) -> bool {
    let CertificateFacts {
        common_name,
        not_before,
        not_after,
        dns_names,
        addresses,
        authority,
        server_auth,
        client_auth,
        sound,
    } = found;
    let lasts = not_after.saturating_sub(*not_before);
    let asked = after(BACKDATE, tls.validity);
    let cut_by_authority = *not_after == authority_ends && lasts < asked;
    *sound
        && common_name == &wanted.common_name
        && dns_names == &wanted.dns_names
        && addresses == &wanted.addresses
        && !authority
        && *server_auth == wanted.usage.server()
        && *client_auth == wanted.usage.client()
        && (*not_before..=*not_after).contains(&now)
        && *not_after <= authority_ends
        && (lasts == asked || cut_by_authority)
        && renew_at(*not_after, tls.renew_before, authority_ends).is_none_or(|at| now < at)
}
