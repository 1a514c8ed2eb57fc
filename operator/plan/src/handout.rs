//! What a user is handed: the very keys of its Secret, or the files of its folder.
//!
//! In: the resource, where the servers stand, and the secrets. Out: each key with its value, and
//! what a shell should export to use them. Writes nothing.
//!
//! The keys are `url`, `websocket-url` where the servers listen for websockets, `username`, `password` or `nkey.seed` (absent where its owner keeps it),
//! `ca.crt`, `jetstream-domain`, `nats-context.json`, and `tls.crt` and `tls.key` where client
//! certificates are required.

mod context;
mod shell;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::material::{AuthorityName, Credential, LeafName, Material};
use crate::topology::{Server, Topology};
use crate::valid::{Authentication, UserName};
use crate::{Problem, Secret, Valid, names};

pub use shell::{exports, quote};

/// Servers' addresses, comma-separated.
pub const URL: &str = "url";
/// Servers' addresses for websockets, comma-separated.
pub const WEBSOCKET_URL: &str = "websocket-url";
/// The user's name.
pub const USERNAME: &str = "username";
/// The user's password.
pub const PASSWORD: &str = "password";
/// Seed of the user's NKey.
pub const NKEY_SEED: &str = "nkey.seed";
/// The authority that the servers' certificates are checked with.
pub const CA: &str = "ca.crt";
/// JetStream domain that a client must name.
pub const JETSTREAM_DOMAIN: &str = "jetstream-domain";
/// Context of the `nats` command.
pub const CONTEXT: &str = "nats-context.json";
/// The user's certificate.
pub const TLS_CERTIFICATE: &str = "tls.crt";
/// Key of the user's certificate.
pub const TLS_KEY: &str = "tls.key";

/// Every key that a handout may hold. A key that one no longer holds is removed; what is not named
/// here is not ours.
pub const KEYS: [&str; 10] = [
    URL,
    WEBSOCKET_URL,
    USERNAME,
    PASSWORD,
    NKEY_SEED,
    CA,
    JETSTREAM_DOMAIN,
    CONTEXT,
    TLS_CERTIFICATE,
    TLS_KEY,
];

/// What a user is handed.
///
/// `folder` is where the user will see the keys as files, an absolute path: the context of the
/// `nats` command names files.
///
/// # Errors
/// The user is not in the resource, or something of it is not minted yet.
pub fn handout(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
    user: &UserName,
    folder: &str,
) -> Result<BTreeMap<String, Secret>, Problem> {
    let path = format!("spec.users[name={user}]");
    let absent = |what: &str| Problem::new(&path, what);
    let rights = valid
        .users
        .get(user)
        .ok_or_else(|| absent("there is no such user in the resource"))?;
    let authority = material
        .authorities
        .get(&AuthorityName::Clients)
        .ok_or_else(|| absent("the authority that signs what clients see is not there yet"))?;

    let mut keys = BTreeMap::new();
    let mut put = |key: &str, value: &str| keys.insert(key.to_owned(), Secret::new(value));
    put(URL, &url(topology));
    if let Some(urls) = websocket_url(valid, topology) {
        put(WEBSOCKET_URL, &urls);
    }
    put(USERNAME, user.as_str());
    put(CA, &authority.trust_pem);
    put(JETSTREAM_DOMAIN, names::CLIENT_DOMAIN);
    match (rights.authentication, material.users.get(user)) {
        (Authentication::Password, Some(Credential::Password { password, .. })) => {
            put(PASSWORD, password.reveal());
        }
        (Authentication::Nkey, Some(Credential::Nkey { own, .. })) => {
            if let Some(seed) = &own.seed {
                put(NKEY_SEED, seed.reveal());
            }
        }
        _ => return Err(absent("its credentials are not there yet")),
    }
    if valid.tls.client_certificates {
        let leaf = material
            .leaves
            .get(&LeafName::User(user.clone()))
            .ok_or_else(|| absent("its certificate is not there yet"))?;
        put(TLS_CERTIFICATE, &leaf.chain_pem);
        put(TLS_KEY, leaf.key_pem.reveal());
    }
    let context = context::context(&valid.name, user, &keys, folder);
    keys.insert(CONTEXT.to_owned(), context);
    Ok(keys)
}

/// All servers, comma-separated. Servers tell clients of no others, so that this list is all a
/// client knows.
pub fn url(topology: &Topology) -> String {
    urls(topology, "tls", |server| server.client_port)
}

/// The same for clients that speak over a websocket; absent where the servers listen for none.
pub fn websocket_url(valid: &Valid, topology: &Topology) -> Option<String> {
    let urls = || urls(topology, "wss", |server| server.websocket_port);
    valid.websocket.then(urls)
}

fn urls(topology: &Topology, scheme: &str, port: impl Fn(&Server) -> u16) -> String {
    let url = |server: &Server| {
        let (host, port) = (&server.client_host, port(server));
        match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("{scheme}://[{address}]:{port}"),
            Err(_) => format!("{scheme}://{host}:{port}"),
        }
    };
    let urls: Vec<String> = topology.servers.iter().map(url).collect();
    urls.join(",")
}
