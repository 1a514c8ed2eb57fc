//! Whole buses by chance: a resource that every rule lets through, and credentials for it that were
//! never minted, so that hundreds of thousands can be rendered.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use svom_plan::material::{
    Authority, AuthorityName, CertificateAndKey, CertificateFacts, Credential, LeafName, Material,
    Nkey, OperatorKeys,
};
use svom_plan::topology::{Server, ServerFiles, Topology};
use svom_plan::valid::validate;
use svom_plan::{Secret, Valid};
use svom_tests::generated::Chance;
use svom_tests::rights::Rights;

use super::words::{self, DOMAIN, LABEL, PROGRAM};

/// A bus that was never run.
pub struct Made {
    /// What it grants, read from the text.
    pub rights: Rights,
    /// The resource as the plan takes it.
    pub valid: Valid,
    /// Where its servers would stand.
    pub topology: Topology,
    /// Its credentials.
    pub material: Material,
    /// Folder in which its users would find their keys.
    pub folder: String,
}

impl Made {
    /// Puts everything into another folder, the servers' files too.
    pub fn move_to(&mut self, folder: &str) {
        for server in &mut self.topology.servers {
            server.files = files(folder, &server.name);
        }
        self.folder = folder.to_owned();
    }
}

/// A bus by chance; the same chance gives the same bus. Every rule of the resource is slow, so that
/// only some are held to all of them; the plan's own rules hold for each.
pub fn made(chance: &mut Chance) -> Result<Made> {
    let resource = resource(chance);
    let text = serde_json::to_string(&resource)?;
    let read = match chance.below(10) {
        0 => svom_crds::read::read(text.as_bytes()).map_err(|defects| anyhow!("{defects:?}"))?,
        _ => serde_json::from_value(resource)?,
    };
    let valid = validate(&read).map_err(|problems| anyhow!("{problems:?}"))?;
    let folder = words::folder(chance);
    let topology = topology(chance, &valid, &folder);
    let material = material(chance, &valid, &topology);
    Ok(Made {
        rights: Rights::read(&text)?,
        valid,
        topology,
        material,
        folder,
    })
}

/// Other credentials and another folder for the same bus.
pub fn with_other_credentials(mut made: Made, chance: &mut Chance) -> Made {
    made.folder = words::folder(chance);
    made.material = material(chance, &made.valid, &made.topology);
    made
}

fn resource(chance: &mut Chance) -> Value {
    let count = 1 + chance.below(24);
    let mut queues = BTreeMap::new();
    for domain in words::names(chance, DOMAIN, count) {
        let count = 1 + chance.below(24);
        queues.insert(domain, Vec::from_iter(words::names(chance, PROGRAM, count)));
    }
    let all: Vec<String> = queues
        .iter()
        .flat_map(|(domain, programs)| {
            programs
                .iter()
                .map(move |program| format!("{domain}.{program}"))
        })
        .collect();
    let count = 1 + chance.below(60);
    let users: Vec<Value> = words::names(chance, LABEL, count)
        .into_iter()
        .map(|name| user(chance, name, &queues, &all))
        .collect();
    let domains: Vec<Value> = queues
        .iter()
        .map(|(name, programs)| json!({"name": name, "programs": programs, "maxBytes": "1Mi"}))
        .collect();
    let replicas = [1, 3, 5][chance.below(3)];
    let certificates = ["None", "Required"][chance.below(2)];
    json!({
        "apiVersion": "messaging.svom.eu/v1alpha1", "kind": "SvomMessaging",
        "metadata": {"name": words::name(chance, LABEL)},
        "spec": {
            "replicas": replicas,
            "tls": {"clientCertificates": certificates},
            "websocket": {"enabled": chance.below(2) == 0},
            "domains": domains, "users": users,
        },
    })
}

fn user(
    chance: &mut Chance,
    name: String,
    queues: &BTreeMap<String, Vec<String>>,
    all: &[String],
) -> Value {
    let domains: Vec<&String> = queues.keys().collect();
    let patterns = |chance: &mut Chance| -> BTreeSet<String> {
        let most = chance.below(16);
        let pattern = |chance: &mut Chance| {
            let queue = &all[chance.below(all.len())];
            let (domain, program) = queue.split_once('.').unwrap();
            match chance.below(12) {
                0 => format!("{domain}.*"),
                1 => format!("*.{program}"),
                _ => queue.clone(),
            }
        };
        (0..most).map(|_| pattern(chance)).collect()
    };
    let publish = patterns(chance);
    let mut subscribe = patterns(chance);
    let count = chance.below(4);
    let mut durables = Vec::new();
    for durable in words::names(chance, LABEL, count) {
        let domain = domains[chance.below(domains.len())];
        subscribe.insert(format!("{domain}.*"));
        let programs = &queues[domain];
        let wanted = 1 + chance.below(4);
        let read: BTreeSet<String> = (0..wanted)
            .map(|_| format!("{domain}.{}", programs[chance.below(programs.len())]))
            .collect();
        durables.push(json!({"name": durable, "queues": read}));
    }
    let authentication = ["Password", "Password", "NKey"][chance.below(3)];
    json!({"name": name, "publish": publish, "subscribe": subscribe, "durables": durables, "authentication": authentication})
}

fn topology(chance: &mut Chance, valid: &Valid, folder: &str) -> Topology {
    let host = words::dns_name(chance, false).replace("*.", "");
    let server = |number: u16| {
        let name = format!("{}-{number}", valid.name);
        Server {
            listen: [127, 0, 0, 1].into(),
            client_host: host.clone(),
            client_port: 4222 + number,
            websocket_port: 5222 + number,
            route_host: "127.0.0.1".to_owned(),
            route_port: 6222 + number,
            monitor_port: None,
            dns_names: Vec::new(),
            addresses: Vec::new(),
            files: files(folder, &name),
            name,
        }
    };
    Topology {
        cluster: valid.name.clone(),
        servers: (0..u16::from(valid.replicas)).map(server).collect(),
    }
}

fn files(folder: &str, server: &str) -> ServerFiles {
    let file = |file: &str| format!("{folder}/servers/{server}/{file}");
    ServerFiles {
        store_dir: file("store"),
        client_pem: file("client.pem"),
        client_ca: file("client-ca.crt"),
        route_pem: file("route.pem"),
        route_ca: file("route-ca.crt"),
        log: None,
    }
}

fn material(chance: &mut Chance, valid: &Valid, topology: &Topology) -> Material {
    let mut users = BTreeMap::new();
    for (name, user) in &valid.users {
        let credential = match user.authentication {
            svom_plan::valid::Authentication::Password => Credential::Password {
                password: Secret::new(words::password(chance)),
                brought: true,
                hash: Some(format!("$2b$04${}", symbols(chance, BCRYPT, 53))),
            },
            svom_plan::valid::Authentication::Nkey => {
                let here = chance.below(2) == 0;
                Credential::Nkey {
                    own: nkey(chance, here),
                    stand_in: (!here).then(|| nkey(chance, true)),
                }
            }
        };
        users.insert(name.clone(), credential);
    }
    let leaf = |name: LeafName| (name, pair());
    let mut leaves: BTreeMap<LeafName, CertificateAndKey> = valid
        .users
        .keys()
        .map(|name| leaf(LeafName::User(name.clone())))
        .collect();
    for server in &topology.servers {
        leaves.extend([
            leaf(LeafName::Server(server.name.clone())),
            leaf(LeafName::Route(server.name.clone())),
        ]);
    }
    let authority = || Authority {
        own: pair(),
        trust_pem: PEM.to_owned(),
    };
    Material {
        authorities: [
            (AuthorityName::Clients, authority()),
            (AuthorityName::Routes, authority()),
        ]
        .into(),
        leaves,
        operator: Some(OperatorKeys {
            system: nkey(chance, true),
            jetstream: nkey(chance, true),
            route_password: Secret::new(symbols(chance, HEXADECIMAL, 64)),
            salt_key: Secret::new(symbols(chance, HEXADECIMAL, 64)),
        }),
        users,
    }
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const BCRYPT: &str = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEXADECIMAL: &str = "0123456789abcdef";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn symbols(chance: &mut Chance, of: &str, count: usize) -> String {
    (0..count)
        .map(|_| char::from(of.as_bytes()[chance.below(of.len())]))
        .collect()
}

fn nkey(chance: &mut Chance, with_seed: bool) -> Nkey {
    let seed = with_seed.then(|| Secret::new(format!("SU{}", symbols(chance, BASE32, 56))));
    Nkey {
        public: format!("U{}", symbols(chance, BASE32, 55)),
        seed,
    }
}

fn pair() -> CertificateAndKey {
    let facts = CertificateFacts {
        common_name: String::new(),
        not_before: 0,
        not_after: 0,
        dns_names: BTreeSet::new(),
        addresses: BTreeSet::new(),
        authority: false,
        server_auth: false,
        client_auth: false,
        sound: true,
    };
    CertificateAndKey {
        chain_pem: PEM.to_owned(),
        key_pem: Secret::new(PEM),
        facts,
    }
}
