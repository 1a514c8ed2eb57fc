//! How each secret is called and written in `secrets/`.
//!
//! `operator.json`, `authority.{clients,routes}.pem`, `certificate.{server,route,user}.NAME.pem`,
//! `certificate.operator.pem`, `user.NAME.{password,hash}`, `user.NAME.{nkey,nkey.pub}`,
//! `user.NAME.stand-in.nkey`. A `.pem` holds certificates and then their key, so that the two are never
//! of different age. Users' and servers' names hold no dot, so that no two secrets share a file.

use serde::{Deserialize, Serialize};
use svom_plan::credentials::nkey_of_seed;
use svom_plan::material::{AuthorityName, CertificateAndKey, LeafName, Nkey, OperatorKeys};
use svom_plan::valid::UserName;
use svom_plan::{Secret, pki};
use zeroize::Zeroizing;

use crate::mint::Item;

pub(super) const OPERATOR: &str = "operator.json";

pub(super) fn authority(name: AuthorityName) -> &'static str {
    match name {
        AuthorityName::Clients => "authority.clients.pem",
        AuthorityName::Routes => "authority.routes.pem",
    }
}

pub(super) fn leaf(name: &LeafName) -> String {
    format!(
        "certificate.{}.pem",
        pki::leaf_title(name).replace('/', ".")
    )
}

pub(super) fn password(user: &UserName) -> String {
    format!("user.{user}.password")
}

pub(super) fn nkey(user: &UserName) -> String {
    format!("user.{user}.nkey")
}

/// The public key of a generated key pair: the trace of the one that is in force, as the hash is of a
/// password.
pub(super) fn nkey_public(user: &UserName) -> String {
    format!("user.{user}.nkey.pub")
}

pub(super) fn stand_in(user: &UserName) -> String {
    format!("user.{user}.stand-in.nkey")
}

pub(super) fn hash(user: &UserName) -> String {
    format!("user.{user}.hash")
}

/// The file of a secret, and what it holds.
pub(super) fn file(item: &Item) -> (String, Zeroizing<Vec<u8>>) {
    let text = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    match item {
        Item::Operator(keys) => (OPERATOR.to_owned(), operator_json(keys)),
        Item::Authority(name, made) => (authority(*name).to_owned(), pem(&made.own)),
        Item::Leaf(name, made) => (leaf(name), pem(made)),
        Item::Password(user, made) => (password(user), text(made.reveal())),
        Item::Nkey(user, made) => (nkey(user), text(seed(made))),
        Item::StandIn(user, made) => (stand_in(user), text(seed(made))),
        Item::Hash(user, made) => (hash(user), text(made)),
    }
}

fn pem(made: &CertificateAndKey) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(made.pem().reveal().as_bytes().to_vec())
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OperatorFile<'a> {
    system: &'a str,
    jetstream: &'a str,
    route_password: &'a str,
    salt_key: &'a str,
}

fn operator_json(keys: &OperatorKeys) -> Zeroizing<Vec<u8>> {
    let file = OperatorFile {
        system: seed(&keys.system),
        jetstream: seed(&keys.jetstream),
        route_password: keys.route_password.reveal(),
        salt_key: keys.salt_key.reveal(),
    };
    // Strings alone, whose keys are fixed: that always has a JSON form.
    Zeroizing::new(serde_json::to_vec_pretty(&file).unwrap_or_default())
}

fn seed(nkey: &Nkey) -> &str {
    nkey.seed.as_ref().map_or("", Secret::reveal)
}

/// The operator's keys, where the file is whole. Why it is not is not said: the parser would quote
/// from it.
pub(super) fn operator(bytes: &[u8]) -> Option<OperatorKeys> {
    let file: OperatorFile<'_> = serde_json::from_slice(bytes).ok()?;
    Some(OperatorKeys {
        system: nkey_of_seed(file.system)?,
        jetstream: nkey_of_seed(file.jetstream)?,
        route_password: Secret::of_random(file.route_password)?,
        salt_key: Secret::of_random(file.salt_key)?,
    })
}
