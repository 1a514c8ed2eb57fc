//! Certificates.
//!
//! In: the resource, where the servers stand, the certificates that there are, and the time. Out:
//! the certificates that are to be minted, when that will next be so, and what a person should know
//! about the authorities. Reads no certificate and makes no key; what a certificate says comes in
//! as [`CertificateFacts`](crate::material::CertificateFacts).
//!
//! What every certificate here obeys:
//! 1. It is valid from an hour before it is made, for clocks that differ.
//! 2. It never lasts longer than the authority that signs it.
//! 3. A leaf is replaced as soon as anything about it is not as it would be made today, and
//!    `renew_before` its end. Leaves are renewed without anybody noticing.
//! 4. An authority is never replaced by itself: clients trust the one they were given.

mod authorities;
mod brought;
#[cfg(test)]
pub(crate) mod fixtures;
mod leaves;
#[cfg(test)]
mod tests;

use crate::material::{AuthorityName, LeafName, Material};
use crate::topology::Topology;
use crate::want::Want;
use crate::{Problem, UnixSeconds, Valid};

pub use authorities::warnings;
pub use brought::{BROUGHT_KEYS, BroughtAuthority, brought_authority, unfit as brought_unfit};

/// How long before it is made a certificate is valid: for clocks that differ.
pub const BACKDATE: UnixSeconds = 3600;

/// Both authorities, in their order.
const AUTHORITIES: [AuthorityName; 2] = [AuthorityName::Clients, AuthorityName::Routes];

/// The authority that signs a leaf.
pub fn signer(leaf: &LeafName) -> AuthorityName {
    match leaf {
        LeafName::Route(_) => AuthorityName::Routes,
        LeafName::Server(_) | LeafName::User(_) | LeafName::Operator => AuthorityName::Clients,
    }
}

/// The certificates that are to be minted now, each after the authority that signs it.
///
/// # Errors
/// An authority that is brought and missing or unfit, or one that is damaged or at its end.
pub fn wanted(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
    now: UnixSeconds,
) -> Result<Vec<Want>, Vec<Problem>> {
    let mut wants = Vec::new();
    let mut problems = Vec::new();
    for name in AUTHORITIES {
        let reign = match authorities::reign(name, valid, material, now) {
            Ok(reign) => reign,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let ends = reign.ends;
        let renewed = reign.to_mint.is_some();
        wants.extend(reign.to_mint);
        for (leaf, certificate) in leaves::all(valid, topology, name, now, ends) {
            let found = material.leaves.get(&leaf).map(|leaf| &leaf.facts);
            let keep = !renewed
                && found
                    .is_some_and(|facts| leaves::fits(facts, &certificate, &valid.tls, ends, now));
            if !keep {
                wants.push(Want::Leaf {
                    name: leaf,
                    certificate,
                });
            }
        }
    }
    if problems.is_empty() {
        Ok(wants)
    } else {
        Err(problems)
    }
}

/// The first second at which [`wanted`] will ask for a certificate, or say that an authority has
/// ended, if nothing else changes until then. In the past where that is so already; `None` while
/// there is no certificate yet.
pub fn next_renewal(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
) -> Option<UnixSeconds> {
    let renewals = certificates(valid, topology, material)
        .into_iter()
        .filter_map(|certificate| certificate.renew_at);
    let ends = material
        .authorities
        .values()
        .map(|authority| authority.own.facts.not_after.saturating_add(1));
    renewals.chain(ends).min()
}

/// Every leaf that the resource asks for, whether it is there or not.
pub fn leaves(valid: &Valid, topology: &Topology) -> Vec<LeafName> {
    AUTHORITIES
        .into_iter()
        .flat_map(|name| leaves::all(valid, topology, name, 0, 0))
        .map(|(leaf, _)| leaf)
        .collect()
}

/// A certificate as the status lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// `authority/clients`, `server/NAME`, `route/NAME`, `user/NAME` or `operator`.
    pub name: String,
    /// Last second at which it is valid.
    pub not_after: UnixSeconds,
    /// When it is renewed by itself; absent where it is not: authorities, and leaves that last as
    /// long as theirs.
    pub renew_at: Option<UnixSeconds>,
}

/// The certificates that there are and that the resource asks for.
pub fn certificates(valid: &Valid, topology: &Topology, material: &Material) -> Vec<Listed> {
    let mut listed = Vec::new();
    for name in AUTHORITIES {
        let Some(authority) = material.authorities.get(&name) else {
            continue;
        };
        let ends = authority.own.facts.not_after;
        listed.push(Listed {
            name: format!("authority/{}", authorities::word(name)),
            not_after: ends,
            renew_at: None,
        });
        for (leaf, _) in leaves::all(valid, topology, name, 0, ends) {
            let Some(found) = material.leaves.get(&leaf) else {
                continue;
            };
            let not_after = found.facts.not_after;
            listed.push(Listed {
                name: leaf_title(&leaf),
                not_after,
                renew_at: leaves::renew_at(not_after, valid.tls.renew_before, ends),
            });
        }
    }
    listed
}

/// What a leaf is called where people read it: `server/NAME`, `route/NAME`, `user/NAME`, `operator`.
pub fn leaf_title(leaf: &LeafName) -> String {
    match leaf {
        LeafName::Server(name) => format!("server/{name}"),
        LeafName::Route(name) => format!("route/{name}"),
        LeafName::User(name) => format!("user/{name}"),
        LeafName::Operator => "operator".to_owned(),
    }
}
