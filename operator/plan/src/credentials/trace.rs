//! The trace that a generated credential in force leaves: the hash of a password, the public key of a
//! key pair. By it a credential that somebody laid in the place of the one in force is told apart, so
//! that no user is locked out by it unnoticed.

use nkeys::{KeyPair, KeyPairType};

use super::hash;
use crate::material::Credential;
use crate::valid::UserName;
use crate::{Problem, Secret};

/// Checks that a generated credential is the one that left the trace. A trace that is damaged, or that
/// a credential of another kind left, says nothing.
///
/// # Errors
/// It is another one. Says how to keep the one in force, how to go over to this one on purpose, and
/// how to have a new one made.
pub fn check_trace(
    user: &UserName,
    found: &Credential,
    trace: &str,
    salt_key: Option<&Secret>,
) -> Result<(), Problem> {
    let other = match found {
        Credential::Password { password, .. } => {
            // The salt tells at once that it is the one; that it is not, it does not tell, since it
            // changes with its key too.
            let fits = salt_key.is_some_and(|key| hash::fits(trace, key, user, password, false));
            (!fits && hash::is_of_another(trace, password)).then(|| Words {
                it: "password",
                trace: "hash",
                handed_out: "password",
                trace_file: format!("secrets/user.{user}.hash"),
                file: format!("secrets/user.{user}.password"),
            })
        }
        Credential::Nkey { own, .. } => {
            (is_public_nkey(trace) && trace != own.public).then(|| Words {
                it: "key",
                trace: "public key",
                handed_out: "nkey.seed",
                trace_file: format!("secrets/user.{user}.nkey.pub"),
                file: format!("secrets/user.{user}.nkey"),
            })
        }
    };
    let Some(Words {
        it,
        trace,
        handed_out,
        trace_file,
        file,
    }) = other
    else {
        return Ok(());
    };
    Err(Problem::new(
        format!("spec.users[name={user}]"),
        format!(
            "the {it} that is kept for it (on one machine: {file} in the state folder) is not the one in force, which \
             its clients have. Put that one back: it was handed out as {handed_out}. To go over to this one instead, \
             remove the {trace} of the one in force ({trace_file}); to have a new one made, remove the {it} itself. \
             Either way its clients are refused until they have it"
        ),
    ))
}

struct Words {
    it: &'static str,
    trace: &'static str,
    handed_out: &'static str,
    trace_file: String,
    file: String,
}

/// Whether a text is the public key of a user.
pub fn is_public_nkey(text: &str) -> bool {
    KeyPair::from_public_key(text).is_ok_and(|key| key.key_pair_type() == KeyPairType::User)
}
