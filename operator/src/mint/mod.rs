//! Makes keys, certificates and passwords.
//!
//! In: what the plan wants, and the secrets that it builds on. Out: one new secret, still nowhere
//! but in memory; who asked for it persists it before anything uses it. The system's random numbers
//! come in here. Reads no file, decides nothing: names, times and usages are the plan's.

mod certificates;
mod read;
#[cfg(test)]
mod tests;

use svom_plan::material::{Authority, AuthorityName, CertificateAndKey, Credential};
use svom_plan::material::{LeafName, Material, Nkey, OperatorKeys};
use svom_plan::valid::UserName;
use svom_plan::{Secret, Want, credentials, pki};
use zeroize::Zeroizing;

pub use read::{ReadError, brought_authority, is_certificate, leaf, managed_authority};

/// Why something could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The system gave no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// A key pair of NATS could not be made.
    #[error("no NKey could be made: {0}")]
    Nkey(nkeys::error::Error),
    /// A certificate could not be made.
    #[error("the certificate of {name} could not be made: {source}")]
    Certificate {
        /// Its common name.
        name: String,
        /// What the library said.
        source: rcgen::Error,
    },
    /// A certificate knows no such moment.
    #[error("{0} seconds after 1970 is no date that a certificate can hold: set the clock")]
    Date(svom_plan::UnixSeconds),
    /// What was made could not be read back.
    #[error("the certificate of {name} could not be read back: {source}")]
    ReadBack {
        /// Its common name.
        name: String,
        /// Why.
        source: ReadError,
    },
    /// A password has no hash.
    #[error("user {user}: {source}")]
    Hash {
        /// Whose password.
        user: UserName,
        /// Why.
        source: credentials::HashError,
    },
    /// What it builds on is not there; the plan wants that first.
    #[error("{0} must be made before what builds on it")]
    Missing(&'static str),
}

/// One secret that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The operator's own keys.
    Operator(OperatorKeys),
    /// An authority.
    Authority(AuthorityName, Authority),
    /// A certificate that an authority signed.
    Leaf(LeafName, CertificateAndKey),
    /// A generated password.
    Password(UserName, Secret),
    /// A generated key pair.
    Nkey(UserName, Nkey),
    /// A key pair that stands for a user's.
    StandIn(UserName, Nkey),
    /// The hash of a password.
    Hash(UserName, String),
}

impl Item {
    /// Puts it among the others, where it takes the place of an older one.
    pub fn put_into(self, material: &mut Material) {
        match self {
            Self::Operator(keys) => material.operator = Some(keys),
            Self::Authority(name, authority) => {
                material.authorities.insert(name, authority);
            }
            Self::Leaf(name, leaf) => {
                material.leaves.insert(name, leaf);
            }
            Self::Password(user, password) => {
                let credential = Credential::Password {
                    password,
                    brought: false,
                    hash: None,
                };
                material.users.insert(user, credential);
            }
            Self::Nkey(user, own) => {
                let stand_in = None;
                material
                    .users
                    .insert(user, Credential::Nkey { own, stand_in });
            }
            Self::StandIn(user, nkey) => {
                if let Some(Credential::Nkey { stand_in, .. }) = material.users.get_mut(&user) {
                    *stand_in = Some(nkey);
                }
            }
            Self::Hash(user, made) => {
                if let Some(Credential::Password { hash, .. }) = material.users.get_mut(&user) {
                    *hash = Some(made);
                }
            }
        }
    }
}

/// Makes what is wanted.
///
/// # Errors
/// See [`MintError`]; nothing was made then.
pub fn mint(want: &Want, material: &Material) -> Result<Item, MintError> {
    Ok(match want {
        Want::OperatorKeys => Item::Operator(OperatorKeys {
            system: nkey()?,
            jetstream: nkey()?,
            route_password: random_text()?,
            salt_key: random_text()?,
        }),
        Want::Authority { name, certificate } => {
            Item::Authority(*name, certificates::authority(certificate)?)
        }
        Want::Leaf { name, certificate } => {
            let signer = material
                .authorities
                .get(&pki::signer(name))
                .ok_or(MintError::Missing("the authority"))?;
            Item::Leaf(name.clone(), certificates::leaf(certificate, signer)?)
        }
        Want::Password(user) => Item::Password(user.clone(), random_text()?),
        Want::Nkey(user) => Item::Nkey(user.clone(), nkey()?),
        Want::StandIn(user) => Item::StandIn(user.clone(), nkey()?),
        Want::Hash(user) => Item::Hash(user.clone(), hash(user, material)?),
    })
}

fn hash(user: &UserName, material: &Material) -> Result<String, MintError> {
    let keys = material
        .operator
        .as_ref()
        .ok_or(MintError::Missing("the operator's keys"))?;
    let Some(Credential::Password {
        password, brought, ..
    }) = material.users.get(user)
    else {
        return Err(MintError::Missing("the password"));
    };
    credentials::hash_password(&keys.salt_key, user, password, *brought).map_err(|source| {
        MintError::Hash {
            user: user.clone(),
            source,
        }
    })
}

fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, MintError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(MintError::Random)?;
    Ok(bytes)
}

/// 256 random bits as hexadecimal digits, which no shell, URL or configuration has to quote.
fn random_text() -> Result<Secret, MintError> {
    use std::fmt::Write;
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in random_bytes::<32>()?.iter() {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Secret::new(text.as_str()))
}

fn nkey() -> Result<Nkey, MintError> {
    let bytes = random_bytes::<32>()?;
    let pair =
        nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, *bytes).map_err(MintError::Nkey)?;
    Ok(Nkey {
        public: pair.public_key(),
        seed: Some(Secret::new(pair.seed().map_err(MintError::Nkey)?)),
    })
}
