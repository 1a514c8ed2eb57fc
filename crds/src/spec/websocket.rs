//! The servers' listener for websockets.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A second listener of every server, for clients that speak NATS over a websocket.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Websocket {
    /// Whether the servers have it. When it changes they are restarted one after another; on Kubernetes,
    /// where this release restarts no server of a bus that runs, it is chosen when the bus is made.
    #[serde(default)]
    pub enabled: bool,
}
