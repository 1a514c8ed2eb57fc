//! Password hashes that stay the same from one run to the next.

use bcrypt::{HashParts, hash_with_salt};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::brought::LONGEST_PASSWORD;
use crate::Secret;
use crate::valid::UserName;

/// For a password of 256 random bits: no slowness makes it harder to guess, and each connection
/// attempt costs the server the time of one hash.
const COST_OF_GENERATED: u32 = 4;
/// For a password that a person chose.
const COST_OF_BROUGHT: u32 = 10;

/// Why a password has no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The servers would compare only its first 72 bytes.
    #[error(
        "the password has more than 72 bytes, and servers compare only the first 72: choose a shorter one"
    )]
    TooLong,
    /// The servers would compare only what stands before it.
    #[error("the password has a NUL byte: choose one without")]
    Nul,
    /// bcrypt refused.
    #[error("the password could not be hashed")]
    Refused,
}

/// The hash of a user's password as the servers' configuration holds it.
///
/// Its salt is not drawn but derived: the first 16 bytes of HMAC-SHA256 over the user's name, a NUL
/// and the password. So the same password gives the same hash in every run, the configuration's
/// digest changes only with the password, and whether a stored hash still fits can be told without
/// computing one. A salt has to differ between users and passwords, and to tell nothing about the
/// password; the name and the password in the message give the first, the secret key the second.
/// With the key a guess could be tried against the salt alone, quicker than against the hash; but
/// who can read the key can read the passwords, which lie beside it.
///
/// # Errors
/// A password that bcrypt would cut short.
pub fn hash_password(
    salt_key: &Secret,
    user: &UserName,
    password: &Secret,
    brought: bool,
) -> Result<String, HashError> {
    let text = password.reveal();
    if text.len() > LONGEST_PASSWORD {
        return Err(HashError::TooLong);
    }
    if text.contains('\0') {
        return Err(HashError::Nul);
    }
    // bcrypt's "non-truncating" form refuses 72 bytes as well, since it counts the NUL that ends the
    // password; the length is checked above, and 72 bytes are told apart in full.
    hash_with_salt(text, cost(brought), salt(salt_key, user, password))
        .map(|hash| hash.to_string())
        .map_err(|_| HashError::Refused)
}

/// Whether a stored hash is the one that [`hash_password`] would compute: its salt is made from the
/// password, so it is enough to compare the salt and the cost.
pub fn fits(
    hash: &str,
    salt_key: &Secret,
    user: &UserName,
    password: &Secret,
    brought: bool,
) -> bool {
    hash.starts_with("$2b$")
        && hash.parse::<HashParts>().is_ok_and(|parts| {
            parts.get_cost() == cost(brought)
                && parts.get_salt_raw() == salt(salt_key, user, password)
        })
}

/// Whether a stored hash is that of a generated password, and of another one than this. Computes a
/// hash.
pub(super) fn is_of_another(hash: &str, password: &Secret) -> bool {
    hash.starts_with("$2b$")
        && hash
            .parse::<HashParts>()
            .is_ok_and(|parts| parts.get_cost() == COST_OF_GENERATED)
        && bcrypt::verify(password.reveal(), hash).is_ok_and(|fits| !fits)
}

fn cost(brought: bool) -> u32 {
    if brought {
        COST_OF_BROUGHT
    } else {
        COST_OF_GENERATED
    }
}

fn salt(key: &Secret, user: &UserName, password: &Secret) -> [u8; 16] {
    // A key of any length is accepted, so the other branch is never taken; it gives a salt as well.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()) else {
        return [0; 16];
    };
    mac.update(user.as_str().as_bytes());
    mac.update(b"\0");
    mac.update(password.reveal().as_bytes());
    let mut salt = [0; 16];
    for (to, from) in salt.iter_mut().zip(mac.finalize().into_bytes()) {
        *to = from;
    }
    salt
}
