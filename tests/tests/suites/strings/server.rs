//! What the real server makes of odd strings: of a sample of configurations the digest that it works
//! out itself, and of one bus that runs the logins and publishes of stock clients.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use svom_cluster::slots::Slot;
use svom_operator::nats_server::{Places, find};
use svom_operator::store::{Files, Store};
use svom_plan::material::{AuthorityName, CertificateAndKey, LeafName, Material};
use svom_plan::server_config::server_configs;
use svom_plan::topology::Server;
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::generated::Chance;
use svom_tests::local::LocalBus;
use svom_tests::program::SERVER_VARIABLE;
use svom_tests::python;
use svom_tests::report::{Cases, print};
use svom_tests::rights::{Rights, stream_of};
use svom_tests::sizes::sizes;

use super::made::{Made, made};
use super::words::{self, DOMAIN, LABEL, PROGRAM};

/// Users of the bus that runs.
const USERS: usize = 24;

#[test]
fn the_server_reads_the_same_configuration() -> Result<()> {
    let program = nats_server()?;
    let mut chance = Chance(71);
    let mut cases = Cases::of("configurations read by the server");
    for number in 0..sizes().configurations_read {
        let place = tempfile::Builder::new().prefix("svom-strings-").tempdir()?;
        let mut made = made(&mut chance)?;
        let folder = words::text(&mut chance, 60).replace('/', "-");
        made.move_to(&format!("{}/s{folder}", place.path().display()));
        let (config, digest) = written(&mut made, &mut chance)?;
        let verdict = judged(&program, &config)?;
        cases.holds(
            format!("configuration {number}"),
            verdict.contains(&digest),
            || format!("the server says {verdict:?} instead of {digest}"),
        );
        let changed = fs::read_to_string(&config)?.replacen("live.", "lave.", 1);
        fs::write(&config, changed)?;
        let verdict = judged(&program, &config)?;
        cases.holds(
            format!("configuration {number}, a byte changed"),
            !verdict.contains(&digest),
            || "the server finds it the same".to_owned(),
        );
    }
    cases.finish()
}

/// Mints what the bus needs, writes what one of its servers reads, and gives its configuration and
/// the digest that the server must find.
fn written(made: &mut Made, chance: &mut Chance) -> Result<(PathBuf, String)> {
    fs::create_dir_all(&made.folder)?;
    let store = Store::open(Files::default(), PathBuf::from(&made.folder), None)?;
    made.material = store.complete(&made.valid, &made.topology, now()?)?;
    let configs = server_configs(&made.valid, &made.topology, &made.material)
        .map_err(|problems| anyhow!("{problems:?}"))?;
    let number = chance.below(configs.len());
    let (config, server) = (&configs[number], &made.topology.servers[number]);
    write_beside(server, &made.material)?;
    let path = Path::new(&server.files.store_dir).with_file_name("server.json");
    fs::write(&path, config.json.reveal())?;
    Ok((path, config.digest.clone()))
}

fn write_beside(server: &Server, material: &Material) -> Result<()> {
    let pem = |leaf: LeafName| -> Result<String> {
        let CertificateAndKey {
            chain_pem, key_pem, ..
        } = material.leaves.get(&leaf).context("no certificate")?;
        Ok(format!("{chain_pem}{}", key_pem.reveal()))
    };
    let trust = |name: AuthorityName| {
        Ok(material
            .authorities
            .get(&name)
            .context("no authority")?
            .trust_pem
            .clone())
    };
    let write = |path: &str, text: Result<String>| -> Result<()> { Ok(fs::write(path, text?)?) };
    fs::create_dir_all(
        Path::new(&server.files.store_dir)
            .parent()
            .context("no folder")?,
    )?;
    write(
        &server.files.client_pem,
        pem(LeafName::Server(server.name.clone())),
    )?;
    write(
        &server.files.route_pem,
        pem(LeafName::Route(server.name.clone())),
    )?;
    write(&server.files.client_ca, trust(AuthorityName::Clients))?;
    write(&server.files.route_ca, trust(AuthorityName::Routes))
}

/// What the server says about a configuration when it only tests it.
fn judged(program: &Path, config: &Path) -> Result<String> {
    let output = Command::new(program)
        .arg("-c")
        .arg(config)
        .arg("-t")
        .output()?;
    Ok(format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn nats_server() -> Result<PathBuf> {
    let places = Places::from_environment(std::env::var_os(SERVER_VARIABLE).map(PathBuf::from));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = runtime.block_on(find(&places, &mut |progress| print(progress.to_string())))?;
    Ok(found.path)
}

fn now() -> Result<i64> {
    Ok(i64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    )?)
}

#[test]
fn odd_names_and_passwords_work_with_stock_clients() -> Result<()> {
    let mut chance = Chance(72);
    let dns_names: BTreeSet<String> = (0..12)
        .map(|number| words::dns_name(&mut chance, number % 2 == 0))
        .collect();
    let passwords: Vec<String> = (0..USERS).map(|_| words::password(&mut chance)).collect();
    let resource = serde_json::to_string(&odd_resource(&mut chance, &dns_names))?;
    let bus = LocalBus::prepare_at(
        &resource,
        Slot::shared(),
        "it's \"so\" & \\n <ü> \u{2028}\u{1f600};",
    )?;
    for (number, password) in passwords.iter().enumerate() {
        let folder = bus.secrets().join(format!("brought-{number}"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("password"), password)?;
    }
    bus.run(|bus| {
        let mut cases = Cases::of("odd names and passwords");
        for (number, (user, rights)) in Rights::read(&resource)?.users.iter().enumerate() {
            let credentials = bus.credentials(user)?;
            cases.holds(
                format!("{user} is handed its password"),
                credentials.password()? == passwords[number],
                || {
                    format!(
                        "{:?} instead of {:?}",
                        credentials.password(),
                        passwords[number]
                    )
                },
            );
            let library = Library::ALL[number % Library::ALL.len()];
            let queue = rights.publish.first().context("a user without a queue")?;
            let client = Client::connect(library, &credentials);
            let case = format!("{user} with {:?} ({})", passwords[number], library.name());
            cases.succeeds(
                case,
                client.and_then(|client| {
                    let ack = client.publish(queue, "odd")?;
                    ensure!(
                        ack.stream == stream_of(queue),
                        "{queue} is stored in {}",
                        ack.stream
                    );
                    Ok(())
                }),
            );
        }
        let server = bus.servers().into_iter().next().context("no server")?;
        let seen = dns_names_of(&bus.store(&server).join("client.pem"))?;
        cases.holds(
            "DNS names in the server's certificate",
            dns_names.is_subset(&seen),
            || format!("{seen:?}"),
        );
        cases.finish()
    })
}

/// A bus of one server whose users, queues and DNS names are as odd as the rules allow.
fn odd_resource(chance: &mut Chance, dns_names: &BTreeSet<String>) -> Value {
    let domains: Vec<(String, BTreeSet<String>)> = words::names(chance, DOMAIN, 4)
        .into_iter()
        .map(|domain| (domain, words::names(chance, PROGRAM, 6)))
        .collect();
    let queues: Vec<String> = domains
        .iter()
        .flat_map(|(domain, programs)| {
            programs
                .iter()
                .map(move |program| format!("{domain}.{program}"))
        })
        .collect();
    let users: Vec<Value> = words::names(chance, LABEL, USERS)
        .into_iter()
        .enumerate()
        .map(|(number, name)| {
            json!({"name": name, "publish": [queues[number % queues.len()]], "subscribe": [queues[(number + 1) % queues.len()]],
                "secretRef": {"name": format!("brought-{number}")}})
        })
        .collect();
    let domains: Vec<Value> = domains
        .iter()
        .map(|(name, programs)| json!({"name": name, "programs": programs, "maxBytes": "16Mi"}))
        .collect();
    json!({
        "apiVersion": "messaging.svom.eu/v1alpha1", "kind": "SvomMessaging",
        "metadata": {"name": words::name(chance, LABEL)},
        "spec": {"replicas": 1, "tls": {"extraDnsNames": dns_names}, "domains": domains, "users": users},
    })
}

/// The DNS names of a certificate, as Python reads them.
fn dns_names_of(certificate: &Path) -> Result<BTreeSet<String>> {
    const READ: &str = "import json, ssl, sys
names = ssl._ssl._test_decode_cert(sys.argv[1])['subjectAltName']
print(json.dumps([name for kind, name in names if kind == 'DNS']))";
    let output = Command::new(python::interpreter()?)
        .args(["-c", READ])
        .arg(certificate)
        .output()?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
