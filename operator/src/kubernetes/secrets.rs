//! The secrets of a bus in its Secrets.
//!
//! In: the Secrets as they are. Out: [`Material`], completed: what is missing is minted, and is still
//! nowhere but in memory. The objects are made from it, and written before anything uses it.

use std::collections::BTreeSet;

use svom_plan::kubernetes::{names, secrets};
use svom_plan::material::{
    Authority, AuthorityName, Credential, LeafName, Material, Nkey, OperatorKeys,
};
use svom_plan::topology::Topology;
use svom_plan::valid::{Authentication, UserName};
use svom_plan::{Problem, Secret, UnixSeconds, Valid, Want, handout, wanted};
use zeroize::Zeroizing;

use super::gathered::Gathered;
use crate::mint::{self, MintError};
use crate::store::kept::{Kept, Keys, read};

type Object = k8s_openapi::api::core::v1::Secret;

/// Why the secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// What a person has to put right.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Problems(Vec<Problem>),
    /// Something could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
}

impl From<Vec<Problem>> for SecretsError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

/// The secrets that the resource asks for and that are there.
///
/// # Errors
/// What is there is damaged or does not fit.
pub fn load(
    gathered: &Gathered,
    valid: &Valid,
    topology: &Topology,
) -> Result<Material, SecretsError> {
    read(&InSecrets { gathered, valid }, valid, topology)
}

/// All secrets that a resource asks for.
#[derive(Debug)]
pub struct Complete {
    /// The secrets.
    pub material: Material,
    /// The users whose credentials were made just now, and are nowhere else yet.
    pub made_for: BTreeSet<UserName>,
}

/// All secrets that the resource asks for: those that are there, and those that are made now. A hash
/// takes long by design, and the Lease is renewed by the same thread: so between two of them everything
/// else has its turn.
///
/// # Errors
/// What is there is damaged or does not fit, or what is missing cannot be made.
pub async fn complete(
    gathered: &Gathered,
    valid: &Valid,
    topology: &Topology,
    now: UnixSeconds,
) -> Result<Complete, SecretsError> {
    let mut material = load(gathered, valid, topology)?;
    let mut made_for = BTreeSet::new();
    for want in wanted(valid, topology, &material, now)? {
        mint::mint(&want, &material)?.put_into(&mut material);
        if let Want::Password(user) | Want::Nkey(user) = want {
            made_for.insert(user);
        }
        tokio::task::yield_now().await;
    }
    Ok(Complete { material, made_for })
}

/// Of these users, those of whom the operator's Secret holds the trace of a credential that is gone. It
/// has to go before another credential is written: whoever found the two together would take the new
/// one for one that somebody laid there.
pub fn with_a_trace(
    gathered: &Gathered,
    valid: &Valid,
    users: &BTreeSet<UserName>,
) -> BTreeSet<UserName> {
    let kept = InSecrets { gathered, valid };
    let secret = kept.object(names::operator);
    let has_trace = |user: &&UserName| {
        let of = valid.users.get(*user).map(|user| user.authentication);
        let trace = secret
            .zip(of)
            .and_then(|(secret, of)| secrets::trace(secret, user, of));
        trace.is_some()
    };
    users.iter().filter(has_trace).cloned().collect()
}

/// The Secrets of the bus.
struct InSecrets<'a> {
    gathered: &'a Gathered,
    valid: &'a Valid,
}

impl InSecrets<'_> {
    fn object(&self, name: impl Fn(&str) -> String) -> Option<&Object> {
        self.gathered.secrets.get(&name(&self.valid.name))
    }

    fn of_user(&self, user: &UserName) -> Option<&Object> {
        self.object(|bus| names::user(bus, user))
    }

    /// An authority that clients were handed is the one whose certificate lies in their Secret.
    fn check_handed_out(&self, authority: &Authority) -> Result<(), Problem> {
        let trust = self.object(names::trust);
        let handed_out = trust.and_then(|secret| text(secret, handout::CA));
        match handed_out {
            Some(text) if text != authority.trust_pem && mint::is_certificate(text) => {
                let name = &self.valid.name;
                Err(Problem::new(
                    "spec.tls.issuer",
                    format!(
                        "the authority in Secret {} is another one than every client has, by Secret {}. Put that one \
                         back; or, to go over to this one, delete Secret {}: no client connects then until it has the \
                         new one",
                        names::authorities(name),
                        names::trust(name),
                        names::trust(name),
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Kept for InSecrets<'_> {
    type Error = SecretsError;

    fn operator(&self) -> Result<Option<OperatorKeys>, SecretsError> {
        let secret = self.object(names::operator);
        let keys = secret.map(secrets::operator_keys).transpose();
        Ok(keys.map_err(one)?.flatten())
    }

    fn authority(&self, name: AuthorityName) -> Result<Option<Authority>, SecretsError> {
        let Some(secret) = self.object(names::authorities) else {
            return Ok(None);
        };
        let key = secrets::authority_key(name);
        if !holds(secret, key) {
            return Ok(None);
        }
        let authority = secrets::certificate(secret, key)
            .and_then(|(certificate, key)| mint::managed_authority(certificate, &key).ok())
            .ok_or_else(|| one(damaged_authority(secret, name)))?;
        if name == AuthorityName::Clients {
            self.check_handed_out(&authority).map_err(one)?;
        }
        Ok(Some(authority))
    }

    fn leaf(&self, name: &LeafName) -> Result<Option<(String, Secret)>, SecretsError> {
        let found = match name {
            LeafName::Server(_) | LeafName::Route(_) => {
                let key = secrets::server_certificate_key(name).unwrap_or_default();
                let secret = self.object(names::servers);
                secret.and_then(|secret| secrets::certificate(secret, &key))
            }
            LeafName::Operator => {
                let secret = self.object(names::operator);
                secret.and_then(|secret| secrets::certificate(secret, secrets::OPERATOR_PEM))
            }
            LeafName::User(user) => self.of_user(user).and_then(|secret| {
                let chain = text(secret, handout::TLS_CERTIFICATE)?;
                Some((chain, Secret::new(text(secret, handout::TLS_KEY)?)))
            }),
        };
        Ok(found.map(|(chain, key)| (chain.to_owned(), key)))
    }

    fn generated(
        &self,
        user: &UserName,
        authentication: Authentication,
    ) -> Result<Option<Credential>, SecretsError> {
        let Some(secret) = self.of_user(user) else {
            return Ok(None);
        };
        secrets::generated_credential(secret, user, authentication)
            .map_err(|problem| SecretsError::Problems(vec![problem]))
    }

    fn trace(
        &self,
        user: &UserName,
        authentication: Authentication,
    ) -> Result<Option<String>, SecretsError> {
        let secret = self.object(names::operator);
        let trace = secret.and_then(|secret| secrets::trace(secret, user, authentication));
        Ok(trace.map(str::to_owned))
    }

    fn hash(&self, user: &UserName) -> Result<Option<String>, SecretsError> {
        let secret = self.object(names::operator);
        Ok(secret.and_then(|secret| secrets::hash(secret, user)))
    }

    fn stand_in(&self, user: &UserName) -> Result<Option<Nkey>, SecretsError> {
        let secret = self.object(names::operator);
        Ok(secret.and_then(|secret| secrets::stand_in(secret, user)))
    }

    fn brought(&self, secret: &str, keys: &[&str]) -> Result<Option<Keys>, SecretsError> {
        let Some(object) = self.gathered.brought.get(secret) else {
            return Ok(None);
        };
        let data = object.data.iter().flatten();
        let found: Keys = data
            .filter(|(key, _)| keys.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), Zeroizing::new(value.0.clone())))
            .collect();
        Ok((!found.is_empty()).then_some(found))
    }
}

fn one(problem: Problem) -> SecretsError {
    SecretsError::Problems(vec![problem])
}

fn damaged_authority(secret: &Object, name: AuthorityName) -> Problem {
    let price = match name {
        AuthorityName::Clients => "every client then needs the new ca.crt",
        AuthorityName::Routes => "all servers have to be restarted after that",
    };
    Problem::new(
        "spec.tls.issuer",
        format!(
            "Secret {}: its {} cannot be understood. It is not replaced by itself: restore it from a backup, or remove \
             the key, so that another is made; {price}",
            secret.metadata.name.as_deref().unwrap_or_default(),
            secrets::authority_key(name),
        ),
    )
}

fn holds(secret: &Object, key: &str) -> bool {
    let data = secret.data.as_ref();
    data.is_some_and(|data| data.contains_key(key))
}

fn text<'a>(secret: &'a Object, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}
