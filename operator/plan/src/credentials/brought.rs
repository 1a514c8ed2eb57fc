//! Credentials that a user brings: what its Secret may hold, and what is refused in which words.

use std::collections::BTreeMap;

use nkeys::{KeyPair, KeyPairType};
use zeroize::Zeroizing;

use super::trace::is_public_nkey;
use crate::material::{Credential, Nkey};
use crate::valid::{Authentication, UserName};
use crate::{Problem, Secret};

/// bcrypt reads no further.
pub(super) const LONGEST_PASSWORD: usize = 72;

const PASSWORD: &str = "password";
const NKEY_PUBLIC: &str = "nkey.pub";
const NKEY_SEED: &str = "nkey.seed";

/// The keys of a Secret that bring a credential; others in it are its owner's affair.
pub const KEYS: [&str; 3] = [PASSWORD, NKEY_PUBLIC, NKEY_SEED];

/// A brought Secret as a shell found it.
pub struct Brought<'a> {
    /// The user that brings it.
    pub user: &'a UserName,
    /// How the user proves who it is, by the resource.
    pub authentication: Authentication,
    /// Name of the Secret.
    pub secret: &'a str,
    /// What the Secret holds.
    pub keys: &'a BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// The credential in a brought Secret; without hash and stand-in, which are minted.
///
/// # Errors
/// The Secret holds none of the three keys or several, one that does not go with the user's
/// `authentication`, a password that the servers could not tell apart from another, or a damaged
/// NKey. Says what to do, and never the value.
pub fn brought(found: &Brought) -> Result<Credential, Problem> {
    let Brought {
        user,
        authentication,
        secret,
        keys,
    } = found;
    let refuse = |what: &str| problem(user, secret, what);
    let present: Vec<&str> = KEYS
        .into_iter()
        .filter(|key| keys.contains_key(*key))
        .collect();
    let key = match present.as_slice() {
        [] => return Err(missing(user, secret, *authentication)),
        [key] => *key,
        several => {
            let several = several.join(" and ");
            return Err(refuse(&format!(
                "it holds {several}: leave exactly one of them"
            )));
        }
    };
    match (authentication, key == PASSWORD) {
        (Authentication::Password, false) => {
            return Err(refuse(&format!(
                "it holds {key}, and the user's authentication is Password: bring password, or write authentication: NKey"
            )));
        }
        (Authentication::Nkey, true) => {
            return Err(refuse(
                "it holds password, and the user's authentication is NKey: bring nkey.pub or nkey.seed, or write authentication: Password",
            ));
        }
        _ => {}
    }
    let bytes = keys
        .get(key)
        .map(|bytes| bytes.as_slice())
        .unwrap_or_default();
    let text =
        std::str::from_utf8(bytes).map_err(|_| refuse(&format!("{key} is not text (UTF-8)")))?;
    match key {
        PASSWORD => password(text),
        // `nk` writes a newline after the key; no key holds one.
        NKEY_PUBLIC => public_key(text.trim_ascii_end()),
        _ => seed(text.trim_ascii_end()),
    }
    .map_err(|what| refuse(&what))
}

fn password(text: &str) -> Result<Credential, String> {
    if text.is_empty() {
        return Err("password is empty".to_owned());
    }
    if text.ends_with('\n') {
        return Err("password ends with a newline, which would be part of it: remove the newline at its end (printf instead of echo)".to_owned());
    }
    if text.contains('\0') {
        return Err("password has a NUL byte, and servers compare only what stands before it: choose one without".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("password has a control character, which the servers' configuration cannot hold: choose one without".to_owned());
    }
    if text.len() > LONGEST_PASSWORD {
        return Err(format!(
            "password has {} bytes, and servers compare only the first {LONGEST_PASSWORD}: choose a shorter one",
            text.len()
        ));
    }
    Ok(Credential::Password {
        password: Secret::new(text),
        brought: true,
        hash: None,
    })
}

fn public_key(text: &str) -> Result<Credential, String> {
    let what = "nkey.pub is not the public key of a user, or is damaged: it is 56 capitals and digits that start with U (nk -inkey FILE -pubout prints it)";
    if !is_public_nkey(text) {
        return Err(what.to_owned());
    }
    Ok(Credential::Nkey {
        own: Nkey {
            public: text.to_owned(),
            seed: None,
        },
        stand_in: None,
    })
}

fn seed(text: &str) -> Result<Credential, String> {
    let what = "nkey.seed is not the seed of a user, or is damaged: it is 58 capitals and digits that start with SU (nk -gen user makes one)";
    let own = nkey_of_seed(text).ok_or_else(|| what.to_owned())?;
    Ok(Credential::Nkey {
        own,
        stand_in: None,
    })
}

/// The key pair of a user's seed; `None` where it is damaged, or a seed of another kind.
pub fn nkey_of_seed(seed: &str) -> Option<Nkey> {
    let key = KeyPair::from_seed(seed).ok()?;
    (key.key_pair_type() == KeyPairType::User).then(|| Nkey {
        public: key.public_key(),
        seed: Some(Secret::new(seed)),
    })
}

/// That the Secret is not there, or holds nothing of use.
pub(super) fn missing(user: &UserName, secret: &str, authentication: Authentication) -> Problem {
    let needed = match authentication {
        Authentication::Password => "password",
        Authentication::Nkey => "nkey.pub (its seed then stays with its owner) or nkey.seed",
    };
    problem(
        user,
        secret,
        &format!(
            "it is missing or empty: bring {needed} (on one machine: as a file in the folder of this name under --secrets)"
        ),
    )
}

fn problem(user: &UserName, secret: &str, what: &str) -> Problem {
    Problem::new(
        format!("spec.users[name={user}].secretRef"),
        format!("Secret {secret}: {what}"),
    )
}
