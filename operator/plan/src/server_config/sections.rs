//! The sections of a server's configuration, as types. Everything that has a dangerous default is
//! said; everything else that has a good one is not.
//!
//! Fields stand in the order of the alphabet: the server's digest is made of sorted keys, and the
//! text that is written here is what the digest is worked out from.

use std::net::{IpAddr, Ipv6Addr};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Around;
use crate::material::{AuthorityName, LeafName, Material};
use crate::names;
use crate::topology::Server;
use crate::valid::Sync;

/// Largest message, 1 MiB: the server's own default, said so that no other release changes it.
const MAX_PAYLOAD: u64 = 1 << 20;
/// How long a connection may take to say who it is. After a restart all clients come at once, and
/// the hash of a password that a person chose takes the server 50 ms and more: with the default of
/// 2 seconds they would be turned away and come again.
const AUTHORIZATION_SECONDS: u32 = 10;
/// How long a TLS handshake may take, for the same reason.
const TLS_SECONDS: u32 = 5;
/// Over how many seconds a server that is leaving closes its clients: the shortest that servers
/// accept.
pub const LAME_DUCK_SECONDS: u32 = 30;
/// How long it waits before it closes the first. The default of 10 seconds is meant for several
/// servers that leave together, so that clients do not move from one to the next; here they leave
/// one at a time, and leaderships have moved before this begins, so waiting only lengthens a rollout.
const LAME_DUCK_GRACE_PERIOD: &str = "1s";
/// Size at which a log moves aside, bytes.
const LOG_BYTES: u64 = 8 << 20;
/// How many logs of a server are kept, the one that is written with them.
const LOG_FILES: u32 = 4;
/// Name that servers show one another beside the password of the routes.
const ROUTE_USER: &str = "route";

/// Everything but the accounts, which stand before all of it.
#[derive(Serialize)]
pub(super) struct Config<'a> {
    authorization: ClientAuthorization,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Cluster<'a>>,
    host: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_port: Option<u16>,
    jetstream: JetStream<'a>,
    lame_duck_duration: String,
    lame_duck_grace_period: &'static str,
    /// Anyone with a user can make a server write a line for each thing it refuses: so the log moves
    /// aside when it is large, and old ones are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logfile_max_num: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logfile_size_limit: Option<u64>,
    max_payload: u64,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_metadata: Option<Metadata>,
    /// Not on the command line: a reload forgets it there and is refused, since JetStream in a cluster
    /// wants a name.
    server_name: &'a str,
    system_account: &'static str,
    tls: Tls<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    websocket: Option<Websocket<'a>>,
}

/// What a server tells of itself in the system account, and nobody else.
#[derive(Serialize)]
struct Metadata {
    /// Digest of the certificates, keys and authorities that lie beside the configuration. With it the
    /// configuration's own digest tells that a server has read those too: they are read when it is.
    certificates: String,
}

#[derive(Serialize)]
struct ClientAuthorization {
    timeout: u32,
}

#[derive(Serialize)]
struct Cluster<'a> {
    /// What servers tell one another of this one. Left out they tell its address; a server that does not
    /// find that among its routes connects to it for ever, since no certificate is for it.
    advertise: String,
    authorization: RouteAuthorization<'a>,
    host: IpAddr,
    name: &'a str,
    no_advertise: bool,
    port: u16,
    routes: Vec<String>,
    tls: Tls<'a>,
}

#[derive(Serialize)]
struct RouteAuthorization<'a> {
    password: &'a str,
    timeout: u32,
    user: &'static str,
}

#[derive(Serialize)]
struct JetStream<'a> {
    max_file_store: u64,
    max_memory_store: u64,
    store_dir: &'a str,
    strict: bool,
    sync_interval: String,
}

/// The listener for websockets. Who connects there is asked for the same credentials as elsewhere.
#[derive(Serialize)]
struct Websocket<'a> {
    /// Until it has asked for the websocket; without it, whoever says nothing would be kept for ever.
    handshake_timeout: String,
    /// Left out, it would be every address.
    host: IpAddr,
    port: u16,
    tls: Tls<'a>,
}

#[derive(Serialize)]
struct Tls<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<&'a str>,
    cert_file: &'a str,
    key_file: &'a str,
    timeout: u32,
    verify: bool,
}

pub(super) fn config<'a>(around: &Around<'a>, server: &'a Server) -> Config<'a> {
    let files = &server.files;
    Config {
        authorization: ClientAuthorization {
            timeout: AUTHORIZATION_SECONDS,
        },
        cluster: cluster(around, server),
        host: server.listen,
        http_port: server.monitor_port,
        jetstream: jetstream(around, server),
        lame_duck_duration: format!("{LAME_DUCK_SECONDS}s"),
        lame_duck_grace_period: LAME_DUCK_GRACE_PERIOD,
        log_file: files.log.as_deref(),
        logfile_max_num: files.log.is_some().then_some(LOG_FILES),
        logfile_size_limit: files.log.is_some().then_some(LOG_BYTES),
        max_payload: MAX_PAYLOAD,
        port: server.client_port,
        server_metadata: certificates(around, server).map(|certificates| Metadata { certificates }),
        server_name: &server.name,
        system_account: names::SYSTEM_ACCOUNT,
        tls: client_tls(around, server),
        websocket: around.valid.websocket.then(|| Websocket {
            handshake_timeout: format!("{TLS_SECONDS}s"),
            host: server.listen,
            port: server.websocket_port,
            tls: client_tls(around, server),
        }),
    }
}

/// What every client meets, whichever way it comes: a certificate that is asked for at one port and
/// not at the other would be asked of nobody.
fn client_tls<'a>(around: &Around<'a>, server: &'a Server) -> Tls<'a> {
    let files = &server.files;
    let verify = around.valid.tls.client_certificates;
    Tls {
        ca_file: verify.then_some(&files.client_ca),
        cert_file: &files.client_pem,
        key_file: &files.client_pem,
        timeout: TLS_SECONDS,
        verify,
    }
}

/// `None` before all of them are made.
fn certificates(around: &Around<'_>, server: &Server) -> Option<String> {
    let Material {
        authorities,
        leaves,
        ..
    } = around.material;
    let trusted = |name| Some(authorities.get(&name)?.trust_pem.as_bytes().to_vec());
    let leaf = |name| Some(leaves.get(&name)?.pem().reveal().as_bytes().to_vec());
    let files = [
        trusted(AuthorityName::Clients)?,
        trusted(AuthorityName::Routes)?,
        leaf(LeafName::Server(server.name.clone()))?,
        leaf(LeafName::Route(server.name.clone()))?,
    ];
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.len().to_be_bytes());
        hash.update(file);
    }
    Some(format!("sha256:{:x}", hash.finalize()))
}

/// A single server has no cluster: with one, JetStream would wait for a second server for ever.
fn cluster<'a>(around: &Around<'a>, server: &'a Server) -> Option<Cluster<'a>> {
    let servers = &around.topology.servers;
    let files = &server.files;
    let password = around.keys.route_password.reveal();
    (servers.len() > 1).then(|| Cluster {
        advertise: route_address(server),
        authorization: RouteAuthorization {
            password,
            timeout: AUTHORIZATION_SECONDS,
            user: ROUTE_USER,
        },
        host: server.listen,
        name: &around.topology.cluster,
        // Addresses that servers tell clients of match no name in their certificates.
        no_advertise: true,
        port: server.route_port,
        // All of them, itself too: the first election waits for exactly as many servers as there are
        // routes, and so one configuration can serve all.
        routes: servers
            .iter()
            .map(|server| route(server, password))
            .collect(),
        tls: Tls {
            ca_file: Some(&files.route_ca),
            cert_file: &files.route_pem,
            key_file: &files.route_pem,
            timeout: TLS_SECONDS,
            verify: true,
        },
    })
}

fn jetstream<'a>(around: &Around<'a>, server: &'a Server) -> JetStream<'a> {
    JetStream {
        // A quarter of the volume is left for what the store takes beside the messages.
        max_file_store: around.valid.storage_size / 4 * 3,
        // Every stream is kept in files; the default would be three quarters of the machine's memory.
        max_memory_store: 0,
        store_dir: &server.files.store_dir,
        // Without it a user purged another stream through a reply subject.
        strict: true,
        sync_interval: match around.valid.sync {
            Sync::Always => "always".to_owned(),
            Sync::Every(interval) => format!("{}s", interval.as_secs()),
        },
    }
}

fn route(server: &Server, password: &str) -> String {
    let address = route_address(server);
    format!("nats-route://{ROUTE_USER}:{password}@{address}")
}

/// The one address of a server among routes.
fn route_address(server: &Server) -> String {
    let host = match server.route_host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => server.route_host.clone(),
    };
    format!("{host}:{}", server.route_port)
}
