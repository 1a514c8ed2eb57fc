//! The digest of a configuration, as the server itself works it out: SHA-256 over what Go's JSON
//! encoder makes of the parsed file, which is not the bytes of the file.

use sha2::{Digest, Sha256};

/// `sha256:` and the hexadecimal digest that a server reports for this configuration.
///
/// The text is compact, its keys are sorted, its numbers are whole and its strings hold no control
/// characters: so [`super::server_configs`] writes it. What Go's encoder then writes otherwise are
/// five characters, which only occur inside strings, and a newline at the end.
pub fn digest(json: &str) -> String {
    let mut hash = Sha256::new();
    let mut rest = json;
    while let Some(found) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        let (before, after) = rest.split_at(found);
        hash.update(before.as_bytes());
        let mut characters = after.chars();
        if let Some(character) = characters.next() {
            hash.update(format!("\\u{:04x}", u32::from(character)).as_bytes());
        }
        rest = characters.as_str();
    }
    hash.update(rest.as_bytes());
    hash.update(b"\n");
    format!("sha256:{:x}", hash.finalize())
}
