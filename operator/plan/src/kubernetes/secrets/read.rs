//! Secrets read back. What is damaged and was handed out, or cannot be made anew without a restart, is
//! refused with what to do; a damaged hash or stand-in counts as none, since another is made.

use k8s_openapi::api::core::v1::Secret as Object;

use super::{
    JETSTREAM_NKEY, ROUTE_PASSWORD, SALT_KEY, SYSTEM_NKEY, hash_key, public_key_key, stand_in_key,
};
use crate::credentials::nkey_of_seed;
use crate::handout::{NKEY_SEED, PASSWORD};
use crate::kubernetes::identity::annotation;
use crate::kubernetes::labels::{BROUGHT, CREDENTIAL};
use crate::material::{Credential, Nkey, OperatorKeys, split_pem};
use crate::valid::{Authentication, UserName};
use crate::{Problem, Secret};

/// The operator's own keys; `None` where none of them is there.
///
/// # Errors
/// One of them is damaged or missing.
pub fn operator_keys(secret: &Object) -> Result<Option<OperatorKeys>, Problem> {
    let keys = [SYSTEM_NKEY, JETSTREAM_NKEY, ROUTE_PASSWORD, SALT_KEY];
    if keys.iter().all(|key| text(secret, key).is_none()) {
        return Ok(None);
    }
    let nkey = |key| text(secret, key).and_then(nkey_of_seed);
    let random = |key| text(secret, key).and_then(Secret::of_random);
    let whole = || {
        Some(OperatorKeys {
            system: nkey(SYSTEM_NKEY)?,
            jetstream: nkey(JETSTREAM_NKEY)?,
            route_password: random(ROUTE_PASSWORD)?,
            salt_key: random(SALT_KEY)?,
        })
    };
    let price = "all servers have to be restarted after that";
    whole()
        .map(Some)
        .ok_or_else(|| damaged(secret, "the operator's keys in it", price))
}

/// The credential that was made for a user; `None` where there is none, also where what is there is a
/// copy of what the user once brought.
///
/// # Errors
/// It is damaged.
pub fn generated_credential(
    secret: &Object,
    user: &UserName,
    authentication: Authentication,
) -> Result<Option<Credential>, Problem> {
    if annotation(&secret.metadata, CREDENTIAL).is_some_and(|of| of == BROUGHT) {
        return Ok(None);
    }
    let key = match authentication {
        Authentication::Password => PASSWORD,
        Authentication::Nkey => NKEY_SEED,
    };
    let Some(text) = text(secret, key) else {
        return Ok(None);
    };
    let read = match authentication {
        Authentication::Password => Secret::of_random(text).map(|password| Credential::Password {
            password,
            brought: false,
            hash: None,
        }),
        Authentication::Nkey => nkey_of_seed(text).map(|own| Credential::Nkey {
            own,
            stand_in: None,
        }),
    };
    let price = format!("user {user} then needs the new one");
    read.map(Some)
        .ok_or_else(|| damaged(secret, &format!("its {key}"), &price))
}

/// The hash of a user's password in the operator's Secret.
pub fn hash(secret: &Object, user: &UserName) -> Option<String> {
    text(secret, &hash_key(user)).map(str::to_owned)
}

/// What a generated credential that was in force left in the operator's Secret: by it one that somebody
/// laid in its place is told apart.
pub fn trace<'a>(
    secret: &'a Object,
    user: &UserName,
    authentication: Authentication,
) -> Option<&'a str> {
    match authentication {
        Authentication::Password => text(secret, &hash_key(user)),
        Authentication::Nkey => text(secret, &public_key_key(user)),
    }
}

/// The key pair in the operator's Secret that stands for a user's.
pub fn stand_in(secret: &Object, user: &UserName) -> Option<Nkey> {
    text(secret, &stand_in_key(user)).and_then(nkey_of_seed)
}

/// Certificates and their key, from one key of a Secret; `None` where they are not there or damaged.
pub fn certificate<'a>(secret: &'a Object, key: &str) -> Option<(&'a str, Secret)> {
    split_pem(text(secret, key)?)
}

fn text<'a>(secret: &'a Object, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

fn damaged(secret: &Object, what: &str, price: &str) -> Problem {
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    Problem::new(
        "spec",
        format!(
            "Secret {name}: {what} cannot be understood. It is not replaced by itself: restore it from a backup, or \
             delete what is damaged, so that another is made; {price}"
        ),
    )
}
