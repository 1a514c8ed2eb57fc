//! What a Secret holds, as a digest.

use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};

/// A digest of a Secret's keys and values: the same content gives the same text. It is put on pods, so
/// that their kubelets look at the Secret again; what it is made of cannot be found from it, since it
/// holds keys of 256 random bits.
pub fn content_digest(secret: &Secret) -> String {
    let mut hash = Sha256::new();
    for (key, value) in secret.data.iter().flatten() {
        for part in [key.as_bytes(), &value.0] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    format!("sha256:{:x}", hash.finalize())
}
