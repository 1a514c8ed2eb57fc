//! The servers' listener for websockets.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A second listener of every server, for clients that speak NATS over a websocket.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Websocket {
    /// Whether the servers have it. The servers are restarted one after another when it changes.
    #[serde(default)]
    pub enabled: bool,
}
