//! What other commands ask of the runner in front, over `DIR/control.sock`.
//!
//! One connection is one request: a line of JSON there, lines of progress back, and one line with the
//! end. A request names the version of the program that sends it; one of another version is refused
//! in words. Nothing here decides about a bus.

pub mod client;
pub mod server;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of both ends.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Bytes that a request may have: a resource of the largest size, escaped, fits.
pub const REQUEST_MAX: usize = 2 << 20;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// How the bus is.
    Status {},
    /// Bring the bus to this resource.
    Apply {
        /// Name of the file, for messages.
        file: String,
        /// Its text.
        text: String,
    },
    /// Kill a server; it stays down.
    Kill {
        /// The server.
        server: String,
    },
    /// End a server in lame duck; it stays down.
    Stop {
        /// The server.
        server: String,
    },
    /// Start a server.
    Start {
        /// The server.
        server: String,
    },
    /// End the bus.
    Down {
        /// Whether its state folder is deleted.
        delete: bool,
    },
}

/// A request as it is sent.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<T> {
    version: String,
    request: T,
}

/// A line that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// What is being done.
    Progress(String),
    /// It is done.
    Done(Value),
    /// It is not done, and why.
    Failed(String),
}
