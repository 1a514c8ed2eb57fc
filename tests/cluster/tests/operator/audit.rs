//! The API server's audit log: what an account asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Calls of an account: verb and resource, each with how often it was made and how it was answered.
#[derive(Clone, Debug, Default)]
pub struct Calls(BTreeMap<String, Count>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    made: u64,
    refused: u64,
}

/// What the log holds of an account.
pub fn calls(log: &Path, account: &str) -> Result<Calls> {
    let file = File::open(log).with_context(|| format!("cannot read {}", log.display()))?;
    let mut calls = Calls::default();
    for line in BufReader::new(file).lines() {
        // The last line may be half written.
        let Ok(entry) = serde_json::from_str::<Value>(&line?) else {
            continue;
        };
        let verb = entry["verb"].as_str().unwrap_or_default();
        // A watch is answered when it begins, and complete when it ends.
        let answered = if verb == "watch" {
            "ResponseStarted"
        } else {
            "ResponseComplete"
        };
        if entry["user"]["username"] != account || entry["stage"] != answered {
            continue;
        }
        let object = &entry["objectRef"];
        let Some(resource) = object["resource"].as_str() else {
            continue;
        };
        let resource = match object["subresource"].as_str() {
            Some(part) => format!("{resource}/{part}"),
            None => resource.to_owned(),
        };
        let count = calls.0.entry(format!("{verb} {resource}")).or_default();
        count.made += 1;
        if entry["responseStatus"]["code"] == 403 {
            count.refused += 1;
        }
    }
    Ok(calls)
}

impl Calls {
    /// How many writes there were, but those of the Lease.
    pub fn writes_beside_the_lease(&self) -> u64 {
        let is_write = |call: &str| {
            let reads = ["get ", "list ", "watch "];
            !reads.iter().any(|read| call.starts_with(read)) && !call.ends_with(" leases")
        };
        let writes = self.0.iter().filter(|(call, _)| is_write(call));
        writes.map(|(_, count)| count.made).sum()
    }

    /// What was refused.
    pub fn refused(&self) -> Vec<&String> {
        let refused = self.0.iter().filter(|(_, count)| count.refused > 0);
        refused.map(|(call, _)| call).collect()
    }

    pub fn contains(&self, call: &str) -> bool {
        self.0.contains_key(call)
    }

    /// The calls that these Roles grant.
    pub fn granted(roles: &Value) -> BTreeSet<String> {
        let texts = |value: &Value| -> Vec<String> {
            let texts = value.as_array().into_iter().flatten();
            texts
                .filter_map(|text| text.as_str().map(str::to_owned))
                .collect()
        };
        let mut granted = BTreeSet::new();
        for role in roles["items"].as_array().into_iter().flatten() {
            for rule in role["rules"].as_array().into_iter().flatten() {
                for verb in texts(&rule["verbs"]) {
                    for resource in texts(&rule["resources"]) {
                        granted.insert(format!("{verb} {resource}"));
                    }
                }
            }
        }
        granted
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (call, count) in &self.0 {
            writeln!(f, "{} times {call}", count.made)?;
        }
        Ok(())
    }
}
