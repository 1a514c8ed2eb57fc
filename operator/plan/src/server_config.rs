//! The servers' configuration, the digest that the server itself will report for it, and whether
//! everything fits into one Secret.
//!
//! In: the resource, where the servers stand, and what was minted. Out: text and digests, either as one
//! JSON for each server, or with the accounts in a file of their own that each server's file includes:
//! they are by far the longest part, and the same for all. The servers' digest is the same for both.
//! The text holds password hashes and the routes' password, so it is a [`Secret`]; it holds no private
//! key. A server's name is in it: one that came on the command line would be forgotten by a reload.

mod digest;
mod foreseen;
mod sections;
mod size;

pub use digest::digest;
pub use foreseen::check_size;
pub use sections::LAME_DUCK_SECONDS;
pub use size::{SECRET_LIMIT, secret_size};

use serde_json::Value;

use crate::Secret;
use crate::access;
use crate::material::{Material, OperatorKeys};
use crate::problem::Problem;
use crate::topology::{Server, Topology};
use crate::valid::Valid;

/// The configuration of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Name of the server.
    pub server: String,
    /// The configuration, as its file holds it.
    pub json: Secret,
    /// What the server reports as `config_digest` once it is in force.
    pub digest: String,
}

/// The configuration of every server, with what they share written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedConfigs {
    /// The accounts, as the file holds them that each server's own includes: one JSON object.
    pub accounts: Secret,
    /// The servers' own files, in the topology's order.
    pub servers: Vec<OwnConfig>,
}

/// What a server's own file holds where the accounts are in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnConfig {
    /// Name of the server.
    pub server: String,
    /// The configuration, as its file holds it.
    pub text: Secret,
    /// What the server reports as `config_digest` once it is in force, with the accounts.
    pub digest: String,
}

/// The configuration of every server, in the topology's order.
///
/// # Errors
/// Every problem: what was not minted yet, strings that the servers' own parser does not take, and
/// more than one Secret holds.
pub fn server_configs(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
) -> Result<Vec<ServerConfig>, Vec<Problem>> {
    let written = written(valid, topology, material)?;
    let config = |own: Own| ServerConfig {
        server: own.server,
        digest: digest(&own.whole),
        json: Secret::new(own.whole),
    };
    Ok(written.servers.into_iter().map(config).collect())
}

/// The same, where each server's own file includes the accounts from `accounts_file` beside it.
///
/// # Errors
/// As [`server_configs`].
pub fn shared_configs(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
    accounts_file: &str,
) -> Result<SharedConfigs, Vec<Problem>> {
    let written = written(valid, topology, material)?;
    let include = format!("{{include \"{accounts_file}\"}}");
    let own = |own: Own| OwnConfig {
        server: own.server,
        digest: digest(&own.whole),
        text: Secret::new(with_accounts(&include, &own.around)),
    };
    Ok(SharedConfigs {
        servers: written.servers.into_iter().map(own).collect(),
        accounts: Secret::new(written.accounts),
    })
}

/// What is written of a configuration, in its parts.
struct Written {
    accounts: String,
    servers: Vec<Own>,
}

struct Own {
    server: String,
    around: String,
    whole: String,
}

fn written(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
) -> Result<Written, Vec<Problem>> {
    let accounts = access::accounts(valid, material)?;
    let Some(keys) = &material.operator else {
        return Err(vec![Problem::new(
            "spec",
            "the operator's own keys are missing",
        )]);
    };
    let accounts = serde_json::to_string(&accounts).map_err(|error| vec![unwritable(&error)])?;
    let around = Around {
        valid,
        topology,
        material,
        keys,
    };
    let mut problems = Vec::new();
    let mut servers = Vec::with_capacity(topology.servers.len());
    for server in &topology.servers {
        match own(&around, server, &accounts) {
            Ok(own) => servers.push(own),
            Err(found) => problems.extend(found),
        }
    }
    let written = Written { accounts, servers };
    problems.extend(size::problem(&written, topology, material));
    if problems.is_empty() {
        Ok(written)
    } else {
        Err(problems)
    }
}

/// What is the same for all servers.
struct Around<'a> {
    valid: &'a Valid,
    topology: &'a Topology,
    material: &'a Material,
    keys: &'a OperatorKeys,
}

fn own(around: &Around<'_>, server: &Server, accounts: &str) -> Result<Own, Vec<Problem>> {
    let config = sections::config(around, server);
    let around = serde_json::to_string(&config).map_err(|error| vec![unwritable(&error)])?;
    let whole = with_accounts(accounts, &around);
    if holds_control_character(&whole) {
        return Err(control_characters(server, &whole));
    }
    Ok(Own {
        server: server.name.clone(),
        around,
        whole,
    })
}

/// A configuration with its accounts, which come first by the alphabet.
fn with_accounts(accounts: &str, around: &str) -> String {
    let rest = around.strip_prefix('{').unwrap_or(around);
    format!("{{\"accounts\":{accounts},{rest}")
}

fn unwritable(error: &serde_json::Error) -> Problem {
    Problem::new(
        "spec",
        format!("the servers' configuration cannot be written as JSON: {error}"),
    )
}

/// Whether a string in this JSON holds a control character. The servers' parser knows fewer escapes
/// than JSON has (of those that are written here only `\"` and `\\`): it would refuse such a string
/// or read it as another one.
fn holds_control_character(json: &str) -> bool {
    let mut characters = json.chars();
    while let Some(character) = characters.next() {
        let escaped_control = character == '\\' && !matches!(characters.next(), Some('"' | '\\'));
        if escaped_control || character.is_control() {
            return true;
        }
    }
    false
}

/// Where they stand.
fn control_characters(server: &Server, json: &str) -> Vec<Problem> {
    let mut places = Vec::new();
    if let Ok(value) = serde_json::from_str(json) {
        find_control_characters(&value, &mut Vec::new(), &mut places);
    }
    let problem = |place: &String| {
        Problem::new(
            "spec",
            format!(
                "the configuration of server {} would hold a control character in {place}: choose \
                 a name or a folder without it",
                server.name
            ),
        )
    };
    places.iter().map(problem).collect()
}

fn find_control_characters<'a>(
    value: &'a Value,
    path: &mut Vec<&'a str>,
    places: &mut Vec<String>,
) {
    match value {
        Value::String(text) if text.chars().any(char::is_control) => places.push(path.join(".")),
        Value::Object(fields) => {
            for (key, value) in fields {
                if key.chars().any(char::is_control) {
                    places.push(path.join("."));
                }
                path.push(key);
                find_control_characters(value, path, places);
                path.pop();
            }
        }
        Value::Array(values) => {
            for value in values {
                find_control_characters(value, path, places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
