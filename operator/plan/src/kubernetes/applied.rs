//! Whether an object is as it was asked for, without writing it.
//!
//! In: the live object, with its `managedFields`, and the wanted one. Out: the paths at which another
//! write would change something: fields that are wanted and not so, or that somebody else took over,
//! and fields that were applied once and are wanted no more. What others own is not looked at.
//!
//! The API server fills in defaults, which it keeps apart from what was applied: field by field, but
//! within a value that it takes as one piece. What it fills in there is said by who asks for it, or
//! named in [`FILLED_IN`].

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::labels::MANAGER;

/// Fields of a list's entries that the API server fills in where it takes the list as one piece.
const FILLED_IN: [(&str, &str); 1] = [("/spec/volumeClaimTemplates", "status")];

/// The paths at which applying the wanted object would change the live one; empty where nothing would
/// be written.
pub fn differences(live: &Value, wanted: &Value) -> Vec<String> {
    let (mut live, mut wanted) = (Cow::Borrowed(live), wanted.clone());
    for (list, field) in FILLED_IN {
        if live.pointer(list).is_none() {
            continue;
        }
        let entries = live.to_mut().pointer_mut(list);
        let entries = entries.and_then(Value::as_array_mut);
        for entry in entries
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            entry.remove(field);
        }
    }
    // These say which object it is, and are on nobody's account.
    if let Some(object) = wanted.as_object_mut() {
        object.remove("apiVersion");
        object.remove("kind");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("name");
            metadata.remove("namespace");
        }
    }
    let mut differences = Differences::default();
    let nothing = Map::new();
    differences.compare(
        applied_fields(&live).unwrap_or(&nothing),
        &live,
        &wanted,
        "",
    );
    differences.0.sort();
    differences.0
}

/// The account of what was applied by the operator.
fn applied_fields(live: &Value) -> Option<&Map<String, Value>> {
    let accounts = live.pointer("/metadata/managedFields")?.as_array()?;
    let text = |account: &Value, key: &str| account.get(key)?.as_str().map(str::to_owned);
    accounts
        .iter()
        .find(|account| {
            text(account, "manager").as_deref() == Some(MANAGER)
                && text(account, "operation").as_deref() == Some("Apply")
                && text(account, "subresource").unwrap_or_default().is_empty()
        })?
        .get("fieldsV1")?
        .as_object()
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, fields: &Map<String, Value>, live: &Value, wanted: &Value, path: &str) {
        if fields.keys().all(|key| key == ".") && !path.is_empty() {
            if live != wanted {
                self.0.push(path.to_owned());
            }
            return;
        }
        for (key, within) in fields {
            let Some(step) = Step::read(key) else {
                continue;
            };
            let path = step.after(path);
            match (step.of(live), step.of(wanted), within.as_object()) {
                (Some(live), Some(wanted), Some(within)) => {
                    self.compare(within, live, wanted, &path);
                }
                _ => self.0.push(path),
            }
        }
        self.not_applied_yet(fields, wanted, path);
    }

    /// What is wanted and not on our account.
    fn not_applied_yet(&mut self, fields: &Map<String, Value>, wanted: &Value, path: &str) {
        let steps: Vec<Step> = fields.keys().filter_map(|key| Step::read(key)).collect();
        match wanted {
            Value::Object(wanted) => {
                for name in wanted.keys() {
                    if !fields.contains_key(&format!("f:{name}")) {
                        self.0.push(Step::Field(name.clone()).after(path));
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if !steps.iter().any(|step| step.is(item)) {
                        self.0.push(format!("{path}[{index}]"));
                    }
                }
            }
            _ => {}
        }
    }
}

/// A step of an account, from a value to one within it.
enum Step {
    /// A field of an object.
    Field(String),
    /// The entry of a list that has these values in its key fields.
    Entry(Map<String, Value>),
    /// A value of a set.
    Item(Value),
}

impl Step {
    fn read(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => serde_json::from_str(rest).ok().map(Self::Entry),
            "v" => serde_json::from_str(rest).ok().map(Self::Item),
            _ => None,
        }
    }

    fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            Self::Entry(_) | Self::Item(_) => value.as_array()?.iter().find(|item| self.is(item)),
        }
    }

    /// Whether this step leads to the entry of a list.
    fn is(&self, item: &Value) -> bool {
        match self {
            Self::Field(_) => false,
            Self::Entry(keys) => keys.iter().all(|(key, value)| item.get(key) == Some(value)),
            Self::Item(value) => item == value,
        }
    }

    fn after(&self, path: &str) -> String {
        match self {
            Self::Field(name) if path.is_empty() => name.clone(),
            Self::Field(name) => format!("{path}.{name}"),
            Self::Entry(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(key, value)| match value {
                        Value::String(value) => format!("{key}={value}"),
                        value => format!("{key}={value}"),
                    })
                    .collect();
                format!("{path}[{}]", keys.join(","))
            }
            Self::Item(value) => format!("{path}[{value}]"),
        }
    }
}

#[cfg(test)]
mod tests;
