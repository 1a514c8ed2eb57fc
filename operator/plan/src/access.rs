//! Rights as the servers enforce them: an account for each user that imports nothing but the queues
//! its rights name, JetStream in an account of its own, and permissions on top.
//!
//! In: the resource and the credentials that were minted. Out: the `accounts` section of the servers'
//! configuration, and (in [`matrix`]) the attempts that prove it. No password, seed or key goes in,
//! only hashes and public keys; no right is made here that the resource does not name.
//!
//! Why it holds: the JetStream account only ever sees reply subjects that the server made itself, and
//! an answer is delivered inside the requester's own account, which holds nothing but its own
//! imports. So an answer can be led into a queue that its requester may publish to anyway, and into
//! no other. This is why the imports, and not only the permissions, must never exceed the rights.

mod config;
#[cfg(test)]
pub(crate) mod fixture;
pub mod matrix;
pub mod operator;
mod user;

use std::collections::BTreeMap;

pub use config::{AccountConfig, Export, Import, Permissions, Source, SubjectRules, UserConfig};

use crate::material::{Credential, Material, Nkey, OperatorKeys};
use crate::names;
use crate::problem::Problem;
use crate::valid::{Authentication, User, UserName, Valid};

/// How long the servers remember a publish or a question that nobody has answered yet. Each of them
/// takes memory, and the servers' own two minutes would let one user fill it. Stock clients wait 2 to
/// 5 seconds for an answer, so a later one helps nobody.
const ANSWER_WITHIN: &str = "5s";
/// The same for acknowledgements, some of which are never answered whatever reply subject they carry:
/// a user that sent 65,000 of those a second took a server beyond 1 GB within half a minute, with 5
/// seconds too, and to 190 MB with one second.
const ACKNOWLEDGEMENT_ANSWER_WITHIN: &str = "1s";

/// The `accounts` section: the system account, the JetStream account and one account per user.
///
/// # Errors
/// A problem for each credential that was not minted yet, and for each public key that two users
/// share, which the servers would refuse.
pub fn accounts(
    valid: &Valid,
    material: &Material,
) -> Result<BTreeMap<String, AccountConfig>, Vec<Problem>> {
    let mut problems = shared_keys(valid, material);
    let mut accounts = BTreeMap::new();
    match &material.operator {
        Some(keys) => {
            accounts.insert(names::SYSTEM_ACCOUNT.to_owned(), system_account(keys));
            accounts.insert(
                names::JETSTREAM_ACCOUNT.to_owned(),
                jetstream_account(valid, keys),
            );
        }
        None => problems.push(Problem::new(
            "spec",
            "the operator's own keys are missing: they are minted before servers are configured",
        )),
    }
    for (name, user) in &valid.users {
        match users_of(name, user, material) {
            Ok(users) => {
                accounts.insert(names::account(name), user::account(name, user, users));
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(accounts)
    } else {
        Err(problems)
    }
}

fn system_account(keys: &OperatorKeys) -> AccountConfig {
    AccountConfig {
        users: vec![UserConfig::Nkey {
            nkey: keys.system.public.clone(),
            permissions: operator::system_permissions(),
        }],
        ..AccountConfig::default()
    }
}

fn jetstream_account(valid: &Valid, keys: &OperatorKeys) -> AccountConfig {
    AccountConfig {
        exports: exports(valid),
        jetstream: Some("enabled"),
        users: vec![UserConfig::Nkey {
            nkey: keys.jetstream.public.clone(),
            permissions: operator::jetstream_permissions(valid),
        }],
        ..AccountConfig::default()
    }
}

/// What user accounts can import. What a durable subscription needs is there only where one exists.
fn exports(valid: &Valid) -> Vec<Export> {
    let service = |subject: String, response_threshold| Export::Service {
        service: subject,
        response_threshold,
    };
    let stream = |subject: String| Export::Stream { stream: subject };

    let delivered: Vec<Export> = valid
        .users
        .iter()
        .flat_map(|(name, user)| {
            user.durables
                .iter()
                .map(|(durable, of)| stream(names::deliver_subject(&of.domain, name, durable)))
        })
        .collect();
    let mut exports: Vec<Export> = valid
        .queues()
        .map(|queue| service(queue.to_string(), ANSWER_WITHIN))
        .collect();
    exports.extend(
        valid
            .queues()
            .map(|queue| stream(names::live_subject(&queue))),
    );
    if !delivered.is_empty() {
        exports.push(service(
            "$JS.ACK.*.*.>".to_owned(),
            ACKNOWLEDGEMENT_ANSWER_WITHIN,
        ));
        exports.push(service(
            "$JS.API.CONSUMER.INFO.*.*".to_owned(),
            ANSWER_WITHIN,
        ));
        exports.extend(delivered);
    }
    exports
}

/// The connections that may be made into the account of a user: its own, and where its owner keeps
/// the seed the operator's stand-in, with the very same permissions.
fn users_of(name: &UserName, user: &User, material: &Material) -> Result<Vec<UserConfig>, Problem> {
    let permissions = user::permissions(name, user);
    let with_key = |key: &Nkey| UserConfig::Nkey {
        nkey: key.public.clone(),
        permissions: permissions.clone(),
    };
    match (user.authentication, material.users.get(name)) {
        (
            Authentication::Password,
            Some(Credential::Password {
                hash: Some(hash), ..
            }),
        ) => Ok(vec![UserConfig::Password {
            user: name.to_string(),
            password: hash.clone(),
            permissions,
        }]),
        (Authentication::Nkey, Some(Credential::Nkey { own, stand_in }))
            if own.seed.is_some() || stand_in.is_some() =>
        {
            Ok([Some(own), stand_in.as_ref()]
                .into_iter()
                .flatten()
                .map(with_key)
                .collect())
        }
        _ => Err(Problem::new(
            "spec.users",
            format!(
                "user {name} has no complete credential yet: it is minted or read before servers \
                 are configured"
            ),
        )),
    }
}

/// Public keys that stand for more than one user. The servers know a connection by its key alone.
fn shared_keys(valid: &Valid, material: &Material) -> Vec<Problem> {
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    if let Some(OperatorKeys {
        system, jetstream, ..
    }) = &material.operator
    {
        for key in [system, jetstream] {
            owners
                .entry(&key.public)
                .or_default()
                .push("the operator".to_owned());
        }
    }
    for name in valid.users.keys() {
        if let Some(Credential::Nkey { own, stand_in }) = material.users.get(name) {
            for key in [Some(own), stand_in.as_ref()].into_iter().flatten() {
                owners
                    .entry(&key.public)
                    .or_default()
                    .push(format!("user {name}"));
            }
        }
    }
    owners
        .into_iter()
        .filter(|(_, owners)| owners.len() > 1)
        .map(|(key, owners)| {
            Problem::new(
                "spec.users",
                format!(
                    "the public key {key} is used by {}: give each a key pair of its own",
                    owners.join(" and ")
                ),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
