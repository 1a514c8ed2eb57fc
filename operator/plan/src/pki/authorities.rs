//! The two authorities: when one is minted, and what is said where only a person can act.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{AUTHORITIES, BACKDATE};
use crate::material::{AuthorityName, CertificateFacts, Material};
use crate::status::rfc3339;
use crate::valid::Issuer;
use crate::want::{CertificateWanted, Usage, Want};
use crate::{Problem, UnixSeconds, Valid};

/// How long the authority of the routes is valid where that of the clients is brought and the
/// resource therefore says nothing about it: ten years.
const DEFAULT_CA_VALIDITY: Duration = Duration::from_secs(87_600 * 3600);

/// 9999-12-31T23:59:59Z: certificates know no later second.
const LAST_SECOND: UnixSeconds = 253_402_300_799;

/// Until when an authority signs, and whether it must be minted first.
pub(super) struct Reign {
    pub(super) ends: UnixSeconds,
    pub(super) to_mint: Option<Want>,
}

/// How an authority is called in a name or a sentence.
pub(super) fn word(name: AuthorityName) -> &'static str {
    match name {
        AuthorityName::Clients => "clients",
        AuthorityName::Routes => "routes",
    }
}

/// The Secret in which the authority is brought.
fn brought(name: AuthorityName, valid: &Valid) -> Option<&str> {
    match (&valid.tls.issuer, name) {
        (Issuer::Brought { secret }, AuthorityName::Clients) => Some(secret),
        _ => None,
    }
}

pub(super) fn reign(
    name: AuthorityName,
    valid: &Valid,
    material: &Material,
    now: UnixSeconds,
) -> Result<Reign, Problem> {
    let found = material
        .authorities
        .get(&name)
        .map(|found| &found.own.facts);
    match (brought(name, valid), found) {
        (Some(secret), None) => Err(super::brought::missing(secret)),
        (None, None) => {
            let certificate = certificate(name, valid, now);
            Ok(Reign {
                ends: certificate.not_after,
                to_mint: Some(Want::Authority { name, certificate }),
            })
        }
        (secret, Some(facts)) => match (unfit(facts, now), secret) {
            (None, _) => Ok(Reign {
                ends: facts.not_after,
                to_mint: None,
            }),
            (Some(what), Some(secret)) => Err(super::brought::unfit(secret, &what)),
            (Some(what), None) => Err(Problem::new(
                "spec.tls.issuer",
                format!("the authority {}: {what}. {}", title(name), advice(name)),
            )),
        },
    }
}

fn certificate(name: AuthorityName, valid: &Valid, now: UnixSeconds) -> CertificateWanted {
    let validity = match valid.tls.issuer {
        Issuer::Managed { ca_validity } => ca_validity,
        Issuer::Brought { .. } => DEFAULT_CA_VALIDITY,
    };
    CertificateWanted {
        common_name: super::leaves::common_name(&format!("{} {}", valid.name, word(name))),
        not_before: now.saturating_sub(BACKDATE),
        not_after: super::leaves::after(now, validity).min(LAST_SECOND),
        dns_names: BTreeSet::new(),
        addresses: BTreeSet::new(),
        usage: Usage::Authority,
    }
}

/// Why an authority cannot sign, if so.
fn unfit(facts: &CertificateFacts, now: UnixSeconds) -> Option<String> {
    if !facts.sound {
        Some("its key is not the one of its certificate, or its signature is not of the certificate above it".to_owned())
    } else if !facts.authority {
        Some("its certificate may not sign others (basicConstraints without CA:TRUE, or a keyUsage without keyCertSign)".to_owned())
    } else if now > facts.not_after {
        Some(format!("it ended at {}", rfc3339(facts.not_after)))
    } else if now < facts.not_before {
        Some(format!(
            "it begins only at {}, and the clock here says {}; set the clock if that is wrong",
            rfc3339(facts.not_before),
            rfc3339(now)
        ))
    } else {
        None
    }
}

fn title(name: AuthorityName) -> &'static str {
    match name {
        AuthorityName::Clients => "that signs what clients see",
        AuthorityName::Routes => "that signs the routes between servers",
    }
}

fn advice(name: AuthorityName) -> &'static str {
    match name {
        AuthorityName::Clients => {
            "It is not replaced by itself, since every client trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.clients.pem in the state folder), so that a new one is made, and give every client the new ca.crt"
        }
        AuthorityName::Routes => {
            "It is not replaced by itself, since every server trusts it: restore it from a backup, or remove its Secret (on one machine: secrets/authority.routes.pem in the state folder), so that a new one is made, and restart all servers"
        }
    }
}

/// What a person should know about the authorities before it becomes a problem: from when on an
/// authority's end cuts short the certificates that it signs. Empty where all is well.
pub fn warnings(valid: &Valid, material: &Material, now: UnixSeconds) -> Vec<String> {
    let cut = super::leaves::after(now, valid.tls.validity);
    AUTHORITIES
        .into_iter()
        .filter_map(|name| Some((name, &material.authorities.get(&name)?.own.facts)))
        .filter(|(_, facts)| facts.not_after < cut)
        .map(|(name, facts)| {
            let what = format!(
                "the authority {} ends at {}, and every certificate it signs ends then at the latest",
                title(name),
                rfc3339(facts.not_after)
            );
            match brought(name, valid) {
                Some(secret) => format!("{what}; bring its successor in the Secret {secret} before that"),
                None => format!("{what}. {}", advice(name)),
            }
        })
        .collect()
}
