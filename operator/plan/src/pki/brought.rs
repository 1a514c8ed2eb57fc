//! An authority that its owner brings: what its Secret must hold.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::{Problem, Secret};

/// The parts of a Secret that brings an authority. They are text; what they say is still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroughtAuthority {
    /// Its certificate, then those above it.
    pub tls_crt: String,
    /// Its key.
    pub tls_key: Secret,
    /// What clients trust; absent where the certificate is self-signed.
    pub ca_crt: Option<String>,
}

/// The keys of a Secret that bring an authority.
pub const BROUGHT_KEYS: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];

/// Takes a brought Secret apart.
///
/// # Errors
/// Names the key that is missing or is not text.
pub fn brought_authority(
    secret: &str,
    keys: &BTreeMap<String, Zeroizing<Vec<u8>>>,
) -> Result<BroughtAuthority, Problem> {
    let text = |key: &str| match keys.get(key) {
        None => Ok(None),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(unfit(
                secret,
                &format!("{key} is not text: write it as PEM"),
            )),
        },
    };
    let needed = |key: &str| {
        text(key)?.ok_or_else(|| {
            unfit(secret, &format!("it has no {key}; tls.crt (the authority's certificate, then those above it) and tls.key are needed"))
        })
    };
    Ok(BroughtAuthority {
        tls_crt: needed("tls.crt")?.to_owned(),
        tls_key: Secret::new(needed("tls.key")?),
        ca_crt: text("ca.crt")?.map(str::to_owned),
    })
}

/// That the Secret is not there at all.
pub(super) fn missing(secret: &str) -> Problem {
    unfit(
        secret,
        "it is not there; bring tls.crt (the authority's certificate, then those above it) and tls.key, and ca.crt where the certificate is not self-signed (on one machine: as files in the folder of this name under --secrets)",
    )
}

/// That a brought Secret does not fit, and why.
pub fn unfit(secret: &str, what: &str) -> Problem {
    Problem::new(
        "spec.tls.issuer.secretRef",
        format!("Secret {secret}: {what}"),
    )
}
