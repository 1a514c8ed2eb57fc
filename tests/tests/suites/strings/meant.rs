//! What the strings of a rendered bus must be: worked out from the resource's text and the credentials
//! alone, never with the plan that renders them.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use svom_plan::access::operator;
use svom_plan::material::{AuthorityName, CertificateAndKey, Credential, LeafName, Material};
use svom_plan::topology::Server;
use svom_plan::valid::UserName;
use svom_tests::rights::UserRights;

use super::made::Made;

/// Words of the configuration that are the same in every one: keys, and values that no name is in.
pub fn layout() -> Vec<String> {
    const WORDS: &[&str] = &[
        "$JS.ACK.*.*.>",
        "$JS.API.CONSUMER.INFO.*.*",
        "127.0.0.1",
        "1s",
        "30s",
        "5s",
        ">",
        "SVOM",
        "SYS",
        "_INBOX.>",
        "account",
        "accounts",
        "advertise",
        "allow",
        "always",
        "authorization",
        "ca_file",
        "cert_file",
        "certificates",
        "cluster",
        "deny",
        "enabled",
        "exports",
        "handshake_timeout",
        "host",
        "imports",
        "jetstream",
        "key_file",
        "lame_duck_duration",
        "lame_duck_grace_period",
        "mappings",
        "max_file_store",
        "max_memory_store",
        "max_payload",
        "name",
        "nkey",
        "no_advertise",
        "password",
        "permissions",
        "port",
        "publish",
        "response_threshold",
        "route",
        "routes",
        "server_metadata",
        "server_name",
        "service",
        "store_dir",
        "stream",
        "strict",
        "subject",
        "subscribe",
        "sync_interval",
        "system_account",
        "timeout",
        "tls",
        "to",
        "user",
        "users",
        "verify",
        "websocket",
    ];
    let granted = [
        &operator::SYSTEM_PUBLISH[..],
        &operator::SYSTEM_SUBSCRIBE,
        &operator::JETSTREAM_PUBLISH,
        &operator::JETSTREAM_SUBSCRIBE,
    ];
    let granted = granted.into_iter().flatten().map(|grant| grant.subject);
    WORDS
        .iter()
        .copied()
        .chain(granted)
        .map(str::to_owned)
        .collect()
}

/// Digest of what lies beside a server's configuration: the two authorities, then its certificates with
/// their keys, each after its length.
fn certificates(material: &Material, server: &Server) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = |text: String| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    for name in [AuthorityName::Clients, AuthorityName::Routes] {
        let authority = material.authorities.get(&name);
        file(authority.context("no authority")?.trust_pem.clone());
    }
    for name in [LeafName::Server, LeafName::Route] {
        let leaf = material.leaves.get(&name(server.name.clone()));
        let CertificateAndKey {
            chain_pem, key_pem, ..
        } = leaf.context("no certificate")?;
        file(format!("{chain_pem}{}", key_pem.reveal()));
    }
    Ok(format!("sha256:{:x}", hash.finalize()))
}

/// Every string that must stand in the configuration of the server beside the layout, as often as it
/// must stand there.
pub fn strings(made: &Made, server: &Server) -> Result<Vec<String>> {
    let Made {
        rights,
        valid,
        topology,
        material,
        ..
    } = made;
    let files = &server.files;
    let keys = material.operator.as_ref().context("no keys")?;
    let pem = |path: &String| [path.clone(), path.clone()];
    let mut strings = vec![
        files.store_dir.clone(),
        keys.system.public.clone(),
        keys.jetstream.public.clone(),
        server.name.clone(),
    ];
    strings.push(certificates(material, server)?);
    // At the port for clients and at that for websockets.
    for _ in 0..=u8::from(valid.websocket) {
        strings.extend(pem(&files.client_pem));
        if valid.tls.client_certificates {
            strings.push(files.client_ca.clone());
        }
    }
    if topology.servers.len() > 1 {
        let password = keys.route_password.reveal();
        strings.extend([
            files.route_ca.clone(),
            topology.cluster.clone(),
            password.to_owned(),
        ]);
        strings.extend(pem(&files.route_pem));
        strings.push(format!("{}:{}", server.route_host, server.route_port));
        strings.extend(topology.servers.iter().map(|server| {
            format!(
                "nats-route://route:{password}@{}:{}",
                server.route_host, server.route_port
            )
        }));
    }
    for queue in &rights.queues {
        strings.extend([queue.clone(), queue.clone(), format!("live.{queue}")]);
    }
    for (name, user) in &rights.users {
        strings.extend(of_account(name, user));
        let permissions = of_permissions(name, user);
        match material
            .users
            .get(&UserName::new(name))
            .context("no credential")?
        {
            Credential::Password { hash, .. } => {
                strings.extend([name.clone(), hash.clone().context("no hash")?]);
                strings.extend(permissions);
            }
            Credential::Nkey { own, stand_in } => {
                for key in [Some(own), stand_in.as_ref()].into_iter().flatten() {
                    strings.push(key.public.clone());
                    strings.extend(permissions.clone());
                }
            }
        }
    }
    Ok(strings)
}

/// Its name, its imports and mappings, and what the JetStream account exports for it.
fn of_account(name: &str, user: &UserRights) -> Vec<String> {
    let mut strings = vec![format!("U_{name}")];
    for queue in &user.publish {
        strings.push(queue.clone());
        if user.subscribe.contains(queue) {
            let renamed = format!("pub.{queue}");
            strings.extend([renamed.clone(), queue.clone(), renamed]);
        }
    }
    for queue in &user.subscribe {
        strings.extend([format!("live.{queue}"), queue.clone()]);
    }
    for durable in &user.durables {
        let (stream, consumer) = (&durable.stream, &durable.consumer);
        strings.extend([
            format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"),
            format!("$JS.svom.API.CONSUMER.INFO.{stream}.{consumer}"),
            format!("$JS.ACK.{stream}.{consumer}.>"),
            durable.deliver_subject.clone(),
            durable.deliver_subject.clone(),
        ]);
    }
    strings
}

fn of_permissions(name: &str, user: &UserRights) -> Vec<String> {
    let mut strings = Vec::new();
    for queue in &user.publish {
        let heard = user.subscribe.contains(queue);
        strings.push(if heard {
            format!("pub.{queue}")
        } else {
            queue.clone()
        });
    }
    for pattern in &user.patterns {
        strings.extend([pattern.clone(), format!("{pattern} {name}.*")]);
    }
    for durable in &user.durables {
        let (stream, consumer) = (&durable.stream, &durable.consumer);
        strings.extend([
            format!("$JS.svom.API.CONSUMER.INFO.{stream}.{consumer}"),
            format!("$JS.ACK.{stream}.{consumer}.>"),
            format!("{} {}", durable.deliver_subject, durable.group),
        ]);
    }
    strings
}

/// The address of every server, as a client is told.
fn url(made: &Made) -> String {
    let urls = made
        .topology
        .servers
        .iter()
        .map(|server| format!("tls://{}:{}", server.client_host, server.client_port));
    Vec::from_iter(urls).join(",")
}

/// The same for websockets.
fn websocket_url(made: &Made) -> Option<String> {
    let servers = made.topology.servers.iter();
    let urls =
        servers.map(|server| format!("wss://{}:{}", server.client_host, server.websocket_port));
    made.valid.websocket.then(|| Vec::from_iter(urls).join(","))
}

/// Keys and values of the user's context of the `nats` command.
pub fn context(made: &Made, user: &str) -> Result<Vec<(&'static str, String)>> {
    let file = |file: &str| format!("{}/{file}", made.folder);
    let mut wanted = vec![
        ("description", format!("{user} on {}", made.valid.name)),
        ("url", url(made)),
        ("ca", file("ca.crt")),
        ("jetstream_domain", "svom".to_owned()),
    ];
    match made
        .material
        .users
        .get(&UserName::new(user))
        .context("no credential")?
    {
        Credential::Password { password, .. } => {
            wanted.extend([
                ("user", user.to_owned()),
                ("password", password.reveal().to_owned()),
            ]);
        }
        Credential::Nkey { own, .. } if own.seed.is_some() => {
            wanted.push(("nkey", file("nkey.seed")))
        }
        Credential::Nkey { .. } => {}
    }
    if made.valid.tls.client_certificates {
        wanted.extend([("cert", file("tls.crt")), ("key", file("tls.key"))]);
    }
    Ok(wanted)
}

/// What a shell must see of each of [`VARIABLES`](super::shell::VARIABLES).
pub fn exported(made: &Made, user: &str) -> Result<Vec<Option<String>>> {
    let context = context(made, user)?;
    let value = |key: &str| {
        context
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.clone())
    };
    let keys = ["url", "user", "password", "nkey", "ca", "cert", "key"];
    let own = [
        Some(format!("{}/nats-context.json", made.folder)),
        websocket_url(made),
    ];
    Ok(keys.into_iter().map(value).chain(own).collect())
}
