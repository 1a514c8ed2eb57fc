//! Names that are made from names. One place, so that no two parts of the bus disagree.

use crate::valid::{DomainName, DurableName, Queue, UserName};

/// Account that owns JetStream and every stream; only the operator's own user is in it.
pub const JETSTREAM_ACCOUNT: &str = "SVOM";
/// System account.
pub const SYSTEM_ACCOUNT: &str = "SYS";
/// JetStream domain that clients name; it exists by the imports of their accounts alone.
pub const CLIENT_DOMAIN: &str = "svom";
/// Prefix of the clients' JetStream requests.
pub const CLIENT_API_PREFIX: &str = "$JS.svom.API";
/// Stream of the data-path probe: written to and read back, never by users.
pub const PROBE_STREAM: &str = "svom-probe";
/// Subject of the data-path probe.
pub const PROBE_SUBJECT: &str = "svom.probe";
/// A stream that never exists: a publish that expects it is answered and stored nowhere.
pub const NO_SUCH_STREAM: &str = "svom-no-such-stream";

/// Server of a bus: its name and its number from 0, as a StatefulSet numbers its pods.
pub fn server(bus: &str, number: u8) -> String {
    format!("{bus}-{number}")
}

/// Stream of a domain: its name in capitals.
pub fn stream(domain: &DomainName) -> String {
    domain.as_str().to_ascii_uppercase()
}

/// Subject under which a stored message of the queue is delivered live.
pub fn live_subject(queue: &Queue) -> String {
    format!("live.{queue}")
}

/// Subject to which a publish is mapped inside the account of a user that also subscribes to the
/// queue, so that it does not hear its own messages twice.
pub fn mapped_publish_subject(queue: &Queue) -> String {
    format!("pub.{queue}")
}

/// Account of a user.
pub fn account(user: &UserName) -> String {
    format!("U_{user}")
}

/// Consumer of a durable subscription. With `-` between the names the pairs a-b, c and a, b-c would
/// be one consumer; no user's name holds `_`.
pub fn consumer(user: &UserName, durable: &DurableName) -> String {
    format!("{user}_{durable}")
}

/// Subject to which a durable subscription is delivered. It holds the domain: a consumer with unread
/// messages is kept when its durable moves to another domain, and must not go on delivering what the
/// user may no longer read.
pub fn deliver_subject(domain: &DomainName, user: &UserName, durable: &DurableName) -> String {
    format!("deliver.{domain}.{user}.{durable}")
}

/// Group in which the readers of a durable subscription share the work. Groups are shared across
/// accounts by name, so it holds the user's.
pub fn deliver_group(user: &UserName, durable: &DurableName) -> String {
    format!("{user}.{durable}")
}
