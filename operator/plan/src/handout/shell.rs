//! A user's keys as exports for a POSIX shell, by the names that the `nats` command reads, and
//! `NATS_WEBSOCKET_URL`, which it does not read.

use std::collections::BTreeMap;

use super::{
    CA, CONTEXT, NKEY_SEED, PASSWORD, TLS_CERTIFICATE, TLS_KEY, URL, USERNAME, WEBSOCKET_URL,
};
use crate::Secret;

/// Lines that a shell can evaluate.
///
/// Without `reveal` the password is not printed; the shell reads it from its file.
pub fn exports(keys: &BTreeMap<String, Secret>, folder: &str, reveal: bool) -> Secret {
    let file = |key: &str| quote(&format!("{}/{key}", folder.trim_end_matches('/')));
    let mut lines = String::new();
    let mut export = |name: &str, value: String| {
        lines.push_str(&format!("export {name}={value}\n"));
    };
    for (key, name) in [(URL, "NATS_URL"), (WEBSOCKET_URL, "NATS_WEBSOCKET_URL")] {
        if let Some(urls) = keys.get(key) {
            export(name, quote(urls.reveal()));
        }
    }
    if let Some(password) = keys.get(PASSWORD) {
        // An NKey user names itself by its key: the command would take a name for a password's.
        if let Some(name) = keys.get(USERNAME) {
            export("NATS_USER", quote(name.reveal()));
        }
        // The quotes keep the password whole; it ends with no newline, which `cat` would lose.
        let value = if reveal {
            quote(password.reveal())
        } else {
            format!("\"$(cat {})\"", file(PASSWORD))
        };
        export("NATS_PASSWORD", value);
    }
    for (key, name) in [
        (NKEY_SEED, "NATS_NKEY"),
        (CA, "NATS_CA"),
        (TLS_CERTIFICATE, "NATS_CERT"),
        (TLS_KEY, "NATS_KEY"),
        (CONTEXT, "NATS_CONTEXT"),
    ] {
        if keys.contains_key(key) {
            export(name, file(key));
        }
    }
    Secret::new(lines)
}

/// A text as one word of a POSIX shell. Within single quotes every character stands for itself, but
/// the quote; that one is written outside of them.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
