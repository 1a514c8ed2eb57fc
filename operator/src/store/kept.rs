//! From what is kept of secrets, wherever that is, to [`Material`].
//!
//! In: a place where secrets are kept, which reads one at a time. Out: all that a resource asks for. What
//! is not there yet is left out; what is there and no longer asked for is not read.

use std::collections::BTreeMap;

use svom_plan::credentials::{self, Brought};
use svom_plan::material::{
    Authority, AuthorityName, CertificateAndKey, Credential, LeafName, Material, Nkey, OperatorKeys,
};
use svom_plan::topology::Topology;
use svom_plan::valid::{Authentication, Issuer, User, UserName};
use svom_plan::{Problem, Secret, Valid, pki};
use zeroize::Zeroizing;

use crate::mint;

/// What a person brought in one Secret, by its keys.
pub type Keys = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// A place where secrets are kept. `None` is what is not there; an error is what cannot be read, or is
/// damaged and cannot be made anew without somebody noticing.
pub trait Kept {
    /// Why something cannot be read.
    type Error: From<Vec<Problem>>;

    /// The operator's own keys.
    fn operator(&self) -> Result<Option<OperatorKeys>, Self::Error>;
    /// An authority that was made.
    fn authority(&self, name: AuthorityName) -> Result<Option<Authority>, Self::Error>;
    /// Certificates of a leaf, and their key; of a damaged one none.
    fn leaf(&self, name: &LeafName) -> Result<Option<(String, Secret)>, Self::Error>;
    /// The credential that was made for a user, without its hash or stand-in.
    fn generated(
        &self,
        user: &UserName,
        authentication: Authentication,
    ) -> Result<Option<Credential>, Self::Error>;
    /// What the generated credential that is in force left.
    fn trace(
        &self,
        user: &UserName,
        authentication: Authentication,
    ) -> Result<Option<String>, Self::Error>;
    /// The hash of a user's password.
    fn hash(&self, user: &UserName) -> Result<Option<String>, Self::Error>;
    /// The key pair that stands for a user's; of a damaged one none.
    fn stand_in(&self, user: &UserName) -> Result<Option<Nkey>, Self::Error>;
    /// These keys of a Secret that a person brings; `None` where none of them is there.
    fn brought(&self, secret: &str, keys: &[&str]) -> Result<Option<Keys>, Self::Error>;
}

/// Reads every secret that the resource asks for.
///
/// # Errors
/// Something cannot be read, or what a person brought does not fit.
pub fn read<K: Kept>(kept: &K, valid: &Valid, topology: &Topology) -> Result<Material, K::Error> {
    let mut problems = Vec::new();
    let mut material = Material {
        operator: kept.operator()?,
        ..Material::default()
    };
    for name in [AuthorityName::Clients, AuthorityName::Routes] {
        let authority = match (&valid.tls.issuer, name) {
            (Issuer::Brought { secret }, AuthorityName::Clients) => {
                let keys = kept.brought(secret, &pki::BROUGHT_KEYS)?;
                keys.and_then(|keys| take(brought_authority(secret, &keys), &mut problems))
            }
            _ => kept.authority(name)?,
        };
        if let Some(authority) = authority {
            material.authorities.insert(name, authority);
        }
    }
    for name in pki::leaves(valid, topology) {
        let signer = material.authorities.get(&pki::signer(&name));
        if let Some(leaf) = leaf(kept, &name, signer)? {
            material.leaves.insert(name, leaf);
        }
    }
    let salt_key = material.operator.as_ref().map(|keys| &keys.salt_key);
    for (name, user) in &valid.users {
        if let Some(credential) = credential(kept, name, user, salt_key, &mut problems)? {
            material.users.insert(name.clone(), credential);
        }
    }
    if problems.is_empty() {
        Ok(material)
    } else {
        problems.sort();
        Err(problems.into())
    }
}

/// A certificate of ours; a damaged one counts as none, since another is made in its place.
fn leaf<K: Kept>(
    kept: &K,
    name: &LeafName,
    signer: Option<&Authority>,
) -> Result<Option<CertificateAndKey>, K::Error> {
    let (Some((chain, key)), Some(signer)) = (kept.leaf(name)?, signer) else {
        return Ok(None);
    };
    Ok(mint::leaf(&chain, &key, signer).ok())
}

fn credential<K: Kept>(
    kept: &K,
    name: &UserName,
    user: &User,
    salt_key: Option<&Secret>,
    problems: &mut Vec<Problem>,
) -> Result<Option<Credential>, K::Error> {
    let found = match &user.secret {
        Some(secret) => kept
            .brought(secret, &credentials::KEYS)?
            .and_then(|keys| take(brought_credential(name, user, secret, &keys), problems)),
        None => kept.generated(name, user.authentication)?,
    };
    if let (Some(found), None) = (&found, &user.secret) {
        let trace = kept.trace(name, user.authentication)?.unwrap_or_default();
        take(
            credentials::check_trace(name, found, &trace, salt_key),
            problems,
        );
    }
    Ok(match found {
        Some(Credential::Password {
            password, brought, ..
        }) => Some(Credential::Password {
            password,
            brought,
            hash: kept.hash(name)?,
        }),
        Some(Credential::Nkey { own, .. }) if own.seed.is_none() => Some(Credential::Nkey {
            own,
            stand_in: kept.stand_in(name)?,
        }),
        other => other,
    })
}

fn brought_credential(
    user: &UserName,
    of: &User,
    secret: &str,
    keys: &Keys,
) -> Result<Credential, Problem> {
    credentials::brought(&Brought {
        user,
        authentication: of.authentication,
        secret,
        keys,
    })
}

fn brought_authority(secret: &str, keys: &Keys) -> Result<Authority, Problem> {
    let parts = pki::brought_authority(secret, keys)?;
    mint::brought_authority(&parts).map_err(|error| pki::brought_unfit(secret, &error.to_string()))
}

fn take<T>(found: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    found.map_err(|problem| problems.push(problem)).ok()
}
