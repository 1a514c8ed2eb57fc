//! Paths of fields, the same for who judges a change and for who holds it back.

use crate::valid::{DomainName, DurableName, UserName};

/// Name of the resource.
pub(super) const NAME: &str = "metadata.name";
/// Annotation with what may be lost.
pub(super) const MAY_LOSE: &str = "metadata.annotations[messaging.svom.eu/allow-loss]";
/// Version of nats-server.
pub(super) const VERSION: &str = "spec.version";
/// Number of servers.
pub(super) const REPLICAS: &str = "spec.replicas";
/// Size of each server's volume.
pub(super) const STORAGE_SIZE: &str = "spec.storage.size";
/// Who signs what clients see.
pub(super) const ISSUER: &str = "spec.tls.issuer";
/// When messages are on the disk.
pub const SYNC: &str = "spec.storage.sync";
/// Whether the servers listen for websockets.
pub const WEBSOCKET: &str = "spec.websocket.enabled";

/// A domain.
pub(crate) fn domain_path(domain: &DomainName) -> String {
    format!("spec.domains[{domain}]")
}

/// A field of a domain.
pub(super) fn domain_field(domain: &DomainName, field: &str) -> String {
    format!("{}.{field}", domain_path(domain))
}

/// A user.
pub(super) fn user_path(user: &UserName) -> String {
    format!("spec.users[{user}]")
}

/// A durable subscription.
pub(crate) fn durable_path(user: &UserName, durable: &DurableName) -> String {
    format!("{}.durables[{durable}]", user_path(user))
}
