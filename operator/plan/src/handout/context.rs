//! The context of the `nats` command.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CA, JETSTREAM_DOMAIN, NKEY_SEED, PASSWORD, TLS_CERTIFICATE, TLS_KEY, URL};
use crate::Secret;
use crate::valid::UserName;

/// The fields of a context that are used here, in the order in which the command writes them.
#[derive(Serialize)]
struct Context<'a> {
    description: String,
    url: &'a str,
    // Where a user is named, the command looks at no NKey: so it is for passwords alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    ca: String,
    jetstream_domain: &'a str,
}

/// A context for a user's keys as they lie in `folder`.
pub(super) fn context(
    bus: &str,
    user: &UserName,
    keys: &BTreeMap<String, Secret>,
    folder: &str,
) -> Secret {
    let value = |key: &str| keys.get(key).map(Secret::reveal);
    let file = |key: &str| format!("{}/{key}", folder.trim_end_matches('/'));
    let file_if_there = |key: &str| keys.contains_key(key).then(|| file(key));
    let password = value(PASSWORD);
    let context = Context {
        description: format!("{user} on {bus}"),
        url: value(URL).unwrap_or_default(),
        user: password.map(|_| user.as_str()),
        password: password.map(literal),
        nkey: file_if_there(NKEY_SEED),
        cert: file_if_there(TLS_CERTIFICATE),
        key: file_if_there(TLS_KEY),
        ca: file(CA),
        jetstream_domain: value(JETSTREAM_DOMAIN).unwrap_or_default(),
    };
    // Strings alone, whose keys are fixed: that always has a JSON form.
    let mut json = serde_json::to_string_pretty(&context).unwrap_or_default();
    json.push('\n');
    Secret::new(json)
}

/// A password as the command takes it. What looks like a URI, such as `env://X`, it would look up
/// instead; such a password is written as data, which it decodes.
fn literal(password: &str) -> String {
    let scheme = password.split_once(':').map(|(scheme, _)| scheme);
    let looked_up = scheme.is_some_and(|scheme| {
        scheme.len() > 1
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    if looked_up {
        format!("data:;base64,{}", base64(password.as_bytes()))
    } else {
        password.to_owned()
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let three = (0..3).fold(0u32, |all, i| {
            all << 8 | u32::from(chunk.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            let digit = DIGITS.get((three >> (18 - 6 * i) & 63) as usize);
            match digit {
                Some(digit) if i <= chunk.len() => text.push(char::from(*digit)),
                _ => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, literal};

    #[test]
    fn passwords_that_the_command_would_look_up() {
        for (password, written) in [
            ("secret", "secret"),
            ("a:b", "a:b"),
            ("1a:b", "1a:b"),
            ("env://HOME", "data:;base64,ZW52Oi8vSE9NRQ=="),
            ("DATA:x", "data:;base64,REFUQTp4"),
            ("op:", "data:;base64,b3A6"),
            ("a b:c", "a b:c"),
        ] {
            assert_eq!(literal(password), written);
        }
        assert_eq!(base64(b""), "");
        assert_eq!(base64(&[255, 254]), "//4=");
    }
}
