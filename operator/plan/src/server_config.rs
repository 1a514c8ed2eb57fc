//! The servers' configuration: one JSON for each server, the digest that the server itself will
//! report for it, and whether everything fits into one Secret.
//!
//! In: the resource, where the servers stand, and what was minted. Out: text and digests. The JSON
//! holds password hashes and the routes' password, so it is a [`Secret`]; it holds no private key.
//! A server's name is in it: one that came on the command line would be forgotten by a reload.

mod digest;
mod foreseen;
mod sections;
mod size;

pub use digest::digest;
pub use foreseen::check_size;
pub use size::{SECRET_LIMIT, secret_size};

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

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
    let accounts = access::accounts(valid, material)?;
    let Some(keys) = &material.operator else {
        return Err(vec![Problem::new(
            "spec",
            "the operator's own keys are missing",
        )]);
    };
    // By far the longest part, the same for all servers: written once.
    let accounts = to_raw_value(&accounts).map_err(|error| vec![unwritable(&error)])?;
    let around = Around {
        valid,
        topology,
        keys,
        accounts: &accounts,
    };
    let mut problems = Vec::new();
    let mut configs = Vec::with_capacity(topology.servers.len());
    for server in &topology.servers {
        match server_config(&around, server) {
            Ok(config) => configs.push(config),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(size::problem(&configs, topology, material));
    if problems.is_empty() {
        Ok(configs)
    } else {
        Err(problems)
    }
}

/// What is the same for all servers.
struct Around<'a> {
    valid: &'a Valid,
    topology: &'a Topology,
    keys: &'a OperatorKeys,
    accounts: &'a RawValue,
}

fn server_config(around: &Around<'_>, server: &Server) -> Result<ServerConfig, Vec<Problem>> {
    let config = sections::config(around, server);
    let json = serde_json::to_string(&config).map_err(|error| vec![unwritable(&error)])?;
    if holds_control_character(&json) {
        return Err(control_characters(server, &json));
    }
    Ok(ServerConfig {
        server: server.name.clone(),
        digest: digest(&json),
        json: Secret::new(json),
    })
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
