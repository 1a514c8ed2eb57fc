//! Credentials.
//!
//! In: the resource and the credentials that there are, generated or brought. Out: what is to be
//! minted, what is wrong with what was brought, and the hash of a password. Draws no random number
//! and reads no file.
//!
//! The credentials of a user that is removed from the resource are kept where they are: a user of
//! the same name takes them up again.

mod brought;
mod hash;
#[cfg(test)]
mod tests;
mod trace;

use crate::material::{Credential, Material, Nkey, OperatorKeys};
use crate::valid::{Authentication, User, UserName};
use crate::want::Want;
use crate::{Problem, Valid};

pub use brought::{Brought, KEYS, brought, nkey_of_seed};
pub use hash::{HashError, fits, hash_password};
pub use trace::{check_trace, is_public_nkey};

/// The credentials that are to be minted now, the operator's own keys first: they key the hashes.
///
/// # Errors
/// A brought credential that is missing. (One that is there and unfit is refused by [`brought`].)
pub fn wanted(valid: &Valid, material: &Material) -> Result<Vec<Want>, Vec<Problem>> {
    let operator = material.operator.as_ref();
    let mut wants = Vec::new();
    if operator.is_none() {
        wants.push(Want::OperatorKeys);
    }
    let mut problems = Vec::new();
    for (name, user) in &valid.users {
        match of_user(name, user, material.users.get(name), operator) {
            Ok(of_user) => wants.extend(of_user),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(wants)
    } else {
        Err(problems)
    }
}

fn of_user(
    name: &UserName,
    user: &User,
    found: Option<&Credential>,
    operator: Option<&OperatorKeys>,
) -> Result<Vec<Want>, Problem> {
    let is_brought = user.secret.is_some();
    Ok(match (user.authentication, found) {
        (
            Authentication::Password,
            Some(Credential::Password {
                password,
                brought,
                hash,
            }),
        ) if *brought == is_brought => {
            let keep = operator
                .zip(hash.as_deref())
                .is_some_and(|(operator, hash)| {
                    fits(hash, &operator.salt_key, name, password, *brought)
                });
            if keep {
                vec![]
            } else {
                vec![Want::Hash(name.clone())]
            }
        }
        (
            Authentication::Nkey,
            Some(Credential::Nkey {
                own: Nkey { seed: Some(_), .. },
                ..
            }),
        ) => {
            vec![]
        }
        (Authentication::Nkey, Some(Credential::Nkey { stand_in, .. })) if is_brought => {
            if stand_in.is_some() {
                vec![]
            } else {
                vec![Want::StandIn(name.clone())]
            }
        }
        _ if let Some(secret) = &user.secret => {
            return Err(brought::missing(name, secret, user.authentication));
        }
        (Authentication::Password, _) => {
            vec![Want::Password(name.clone()), Want::Hash(name.clone())]
        }
        (Authentication::Nkey, _) => vec![Want::Nkey(name.clone())],
    })
}
