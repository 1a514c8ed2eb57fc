//! The Secrets of a bus: which there are, and what each holds.
//!
//! | Secret | holds | outlives the resource |
//! | --- | --- | --- |
//! | `NAME-authorities` | `clients.pem` (unless it is brought), `routes.pem`: certificates, then key | yes |
//! | `NAME-operator` | the operator's own keys and certificate; hashes and public keys of users; stand-ins | yes |
//! | `NAME-user-USER` | what the user is handed, and with it the only copy of what was made for it | yes |
//! | `NAME-in-force` | the state that was put in force last | yes |
//! | `NAME-servers` | what the servers read: `accounts.json`, and for each server its own configuration, which includes it, and two certificates with keys | no |
//! | `NAME-ca` | `ca.crt`: what clients trust, for who needs nothing else | no |
//!
//! "Outlives" where `storage.onDelete` is `Retain`. A certificate of a server or user is kept where it
//! is used, and made anew where that is gone.

mod content;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::labels::{BROUGHT, CREDENTIAL, Component, GENERATED, USER};
use super::topology::{ACCOUNTS, CLIENT_CA, ROUTE_CA, client_pem, configuration, route_pem};
use super::{Bus, names};
use crate::Problem;
use crate::handout::{self, handout};
use crate::material::{AuthorityName, CertificateAndKey, Credential, LeafName, Material};
use crate::server_config::{SharedConfigs, shared_configs};
use crate::topology::Topology;
use crate::valid::UserName;

pub use content::content_digest;
pub use read::{certificate, generated_credential, hash, operator_keys, stand_in, trace};

/// Where a pod is meant to mount the Secret of its user: the context of the `nats` command names files
/// there.
pub const MOUNT: &str = "/etc/svom-messaging";

/// The operator's user in the system account.
const SYSTEM_NKEY: &str = "system.nkey";
/// The operator's user in the JetStream account.
const JETSTREAM_NKEY: &str = "jetstream.nkey";
/// What the route port asks for besides a certificate.
const ROUTE_PASSWORD: &str = "route-password";
/// What keys the salts of hashes.
const SALT_KEY: &str = "salt-key";
/// What the operator shows where client certificates are required.
pub const OPERATOR_PEM: &str = "operator.pem";

/// The key of an authority.
pub fn authority_key(name: AuthorityName) -> &'static str {
    match name {
        AuthorityName::Clients => "clients.pem",
        AuthorityName::Routes => "routes.pem",
    }
}

fn hash_key(user: &UserName) -> String {
    format!("user.{user}.hash")
}

/// Public key of a generated key pair: the trace of the one that is in force, as the hash is of a
/// generated password.
fn public_key_key(user: &UserName) -> String {
    format!("user.{user}.nkey.pub")
}

fn stand_in_key(user: &UserName) -> String {
    format!("user.{user}.stand-in.nkey")
}

type Data = BTreeMap<String, ByteString>;

fn put(data: &mut Data, key: impl Into<String>, value: &str) {
    data.insert(key.into(), ByteString(value.as_bytes().to_vec()));
}

fn secret(metadata: ObjectMeta, data: Data) -> Secret {
    Secret {
        metadata,
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// The authorities that are there and were made for this bus; a brought one stays where it is.
pub fn authorities(bus: &Bus<'_>, material: &Material) -> Secret {
    let mut data = Data::new();
    for (name, authority) in &material.authorities {
        let is_brought = *name == AuthorityName::Clients && bus.brings_authority();
        if !is_brought {
            put(
                &mut data,
                authority_key(*name),
                authority.own.pem().reveal(),
            );
        }
    }
    secret(bus.kept(names::authorities, Component::Authorities), data)
}

/// What only the operator needs.
///
/// # Errors
/// Its keys are not minted yet.
pub fn operator(bus: &Bus<'_>, material: &Material) -> Result<Secret, Problem> {
    let keys = material
        .operator
        .as_ref()
        .ok_or_else(|| missing("the operator's own keys"))?;
    let mut data = Data::new();
    for (key, nkey) in [
        (SYSTEM_NKEY, &keys.system),
        (JETSTREAM_NKEY, &keys.jetstream),
    ] {
        let seed = nkey.seed.as_ref();
        let seed = seed.ok_or_else(|| missing("the seed of the operator's own key"))?;
        put(&mut data, key, seed.reveal());
    }
    put(&mut data, ROUTE_PASSWORD, keys.route_password.reveal());
    put(&mut data, SALT_KEY, keys.salt_key.reveal());
    if let Some(leaf) = material.leaves.get(&LeafName::Operator) {
        put(&mut data, OPERATOR_PEM, leaf.pem().reveal());
    }
    for (user, rights) in &bus.valid.users {
        match material.users.get(user) {
            Some(Credential::Password {
                hash: Some(hash), ..
            }) => put(&mut data, hash_key(user), hash),
            Some(Credential::Nkey { own, stand_in }) => {
                if rights.secret.is_none() {
                    put(&mut data, public_key_key(user), &own.public);
                }
                if let Some(seed) = stand_in.as_ref().and_then(|nkey| nkey.seed.as_ref()) {
                    put(&mut data, stand_in_key(user), seed.reveal());
                }
            }
            _ => {}
        }
    }
    Ok(secret(bus.kept(names::operator, Component::Operator), data))
}

/// What a user is handed.
///
/// # Errors
/// The user is not in the resource, or something of it is not minted yet.
pub fn user(
    bus: &Bus<'_>,
    topology: &Topology,
    material: &Material,
    user: &UserName,
) -> Result<Secret, Problem> {
    let keys = handout(bus.valid, topology, material, user, MOUNT)?;
    let mut data = Data::new();
    for (key, value) in &keys {
        put(&mut data, key, value.reveal());
    }
    let mut metadata = bus.kept(|resource| names::user(resource, user), Component::User);
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(USER.to_owned(), user.to_string());
    let brings = bus
        .valid
        .users
        .get(user)
        .is_some_and(|user| user.secret.is_some());
    let credential = if brings { BROUGHT } else { GENERATED };
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(CREDENTIAL.to_owned(), credential.to_owned());
    Ok(secret(metadata, data))
}

/// What clients trust, and nothing else.
///
/// # Errors
/// The authority is not there yet.
pub fn trust(bus: &Bus<'_>, material: &Material) -> Result<Secret, Problem> {
    let mut data = Data::new();
    put(
        &mut data,
        handout::CA,
        trusted(material, AuthorityName::Clients)?,
    );
    let metadata = bus.owned(names::trust, Component::Client);
    Ok(secret(metadata, data))
}

/// What the servers read.
///
/// # Errors
/// Every problem: what is not minted yet, what a configuration cannot say, and more than a Secret holds.
pub fn servers(
    bus: &Bus<'_>,
    topology: &Topology,
    material: &Material,
) -> Result<(Secret, SharedConfigs), Vec<Problem>> {
    let configs = shared_configs(bus.valid, topology, material, ACCOUNTS)?;
    let mut data = Data::new();
    put(&mut data, ACCOUNTS, configs.accounts.reveal());
    for own in &configs.servers {
        put(&mut data, configuration(&own.server), own.text.reveal());
    }
    let beside = || -> Result<Data, Problem> {
        let mut data = Data::new();
        put(
            &mut data,
            CLIENT_CA,
            trusted(material, AuthorityName::Clients)?,
        );
        put(
            &mut data,
            ROUTE_CA,
            trusted(material, AuthorityName::Routes)?,
        );
        for server in &topology.servers {
            let name = &server.name;
            let seen = leaf(material, LeafName::Server(name.clone()))?;
            put(&mut data, client_pem(name), seen.pem().reveal());
            let route = leaf(material, LeafName::Route(name.clone()))?;
            put(&mut data, route_pem(name), route.pem().reveal());
        }
        Ok(data)
    };
    data.extend(beside().map_err(|problem| vec![problem])?);
    let metadata = bus.owned(names::servers, Component::Server);
    Ok((secret(metadata, data), configs))
}

/// The key of a server's certificate in the servers' Secret; of a route's, likewise.
pub fn server_certificate_key(leaf: &LeafName) -> Option<String> {
    match leaf {
        LeafName::Server(name) => Some(client_pem(name)),
        LeafName::Route(name) => Some(route_pem(name)),
        LeafName::User(_) | LeafName::Operator => None,
    }
}

fn trusted(material: &Material, name: AuthorityName) -> Result<&str, Problem> {
    let authority = material.authorities.get(&name);
    authority
        .map(|authority| authority.trust_pem.as_str())
        .ok_or_else(|| missing("an authority"))
}

fn leaf(material: &Material, name: LeafName) -> Result<&CertificateAndKey, Problem> {
    material.leaves.get(&name).ok_or_else(|| {
        missing(&format!(
            "the certificate {}",
            crate::pki::leaf_title(&name)
        ))
    })
}

fn missing(what: &str) -> Problem {
    Problem::new("spec", format!("{what} is not minted yet"))
}
