//! Where the servers stand: which names, addresses and folders they have. The one part of the input
//! that differs between one machine and Kubernetes.

use std::net::IpAddr;

/// All servers of a bus, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Name of the cluster, which is the resource's.
    pub cluster: String,
    /// The servers.
    pub servers: Vec<Server>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name of the server, as `fsc-0`.
    pub name: String,
    /// Address that it listens on.
    pub listen: IpAddr,
    /// Name or address under which clients reach it.
    pub client_host: String,
    /// Port for clients.
    pub client_port: u16,
    /// Port for clients that speak over a websocket; listened on where the resource enables that.
    pub websocket_port: u16,
    /// Name or address under which the other servers reach it.
    pub route_host: String,
    /// Port for routes.
    pub route_port: u16,
    /// Port on which it answers questions about its health over HTTP, where something asks them.
    pub monitor_port: Option<u16>,
    /// DNS names that its client certificate must carry, besides those the resource asks for.
    pub dns_names: Vec<String>,
    /// Addresses that its client certificate must carry.
    pub addresses: Vec<IpAddr>,
    /// Files, as the server sees them.
    pub files: ServerFiles,
}

/// Files of a server, as the server sees them. The two `.pem` files hold a certificate, those above
/// it, and its key: one file, so that the pair is never seen half-written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// Folder of JetStream's store.
    pub store_dir: String,
    /// Certificate and key that clients see.
    pub client_pem: String,
    /// Authority that signs what clients show.
    pub client_ca: String,
    /// Certificate and key that other servers see.
    pub route_pem: String,
    /// Authority that signs what other servers show.
    pub route_ca: String,
    /// Where the server logs to. Absent where what it prints is collected, as on Kubernetes.
    pub log: Option<String>,
}
