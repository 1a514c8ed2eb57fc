//! The certificates and hashes on real servers, and the `nats` command with what users are handed:
//! SVOM_NATS_SERVER and SVOM_NATS_COMMAND name the programs, else they are looked for on PATH.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use expect_test::expect;
use futures::StreamExt;
use serde_json::json;
use svom_plan::handout::exports;
use svom_plan::handout::handout;
use svom_plan::material::{AuthorityName, CertificateAndKey, Credential, LeafName, Material};
use svom_plan::topology::Topology;
use svom_plan::valid::UserName;
use tempfile::TempDir;

use super::open;
use crate::store::fixtures::{bring, bus, now, servers};
use crate::store::{Files, Store};

fn binary(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("this test needs {name}: on PATH, or its path in {variable}"))
}

/// A server that is killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Lab {
    temporary: TempDir,
    nats_server: PathBuf,
    store: Store,
    topology: Topology,
    material: Material,
}

impl Lab {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.temporary.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn leaf(&self, name: LeafName) -> &CertificateAndKey {
        &self.material.leaves[&name]
    }

    /// Certificate and key in one file, which the server is told to take both from.
    fn pem(&self, file: &str, pair: &CertificateAndKey) -> String {
        self.file(
            file,
            &format!("{}{}", pair.chain_pem, pair.key_pem.reveal()),
        )
    }

    /// Starts a server whose routes show the given certificate; of its file it reads all it shows.
    fn start(&self, i: usize, route: &CertificateAndKey) -> Running {
        let server = &self.topology.servers[i];
        let own = self.leaf(LeafName::Server(server.name.clone()));
        let client_pem = self.pem(&format!("{}.client.pem", server.name), own);
        let route_pem = self.pem(&format!("{}.route.pem", server.name), route);
        let trust = |name| self.material.authorities[&name].trust_pem.as_str();
        let client_ca = self.file("client-ca.crt", trust(AuthorityName::Clients));
        let route_ca = self.file("route-ca.crt", trust(AuthorityName::Routes));
        let users: Vec<_> = self
            .material
            .users
            .iter()
            .map(|(name, credential)| match credential {
                Credential::Password { hash, .. } => {
                    json!({"user": name.as_str(), "password": hash})
                }
                Credential::Nkey { own, .. } => json!({"nkey": own.public}),
            })
            .collect();
        let routes: Vec<_> = self
            .topology
            .servers
            .iter()
            .map(|server| format!("tls://127.0.0.1:{}", server.route_port))
            .collect();
        let config = json!({
            "server_name": server.name,
            "listen": format!("127.0.0.1:{}", server.client_port),
            "tls": {"cert_file": client_pem, "key_file": client_pem, "ca_file": client_ca, "verify": true, "timeout": 10},
            "authorization": {"users": users, "timeout": 10},
            "cluster": {
                "name": "fsc",
                "listen": format!("127.0.0.1:{}", server.route_port),
                "no_advertise": true,
                "routes": routes,
                "tls": {"cert_file": route_pem, "key_file": route_pem, "ca_file": route_ca, "verify": true, "timeout": 10},
            },
        });
        let config = self.file(&format!("{}.json", server.name), &config.to_string());
        let log = File::create(self.log(i)).unwrap();
        let child = Command::new(&self.nats_server)
            .args(["-c", &config])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Running(child)
    }

    fn log(&self, i: usize) -> PathBuf {
        self.temporary.path().join(format!("log-{i}"))
    }

    fn folder(&self, user: &str) -> PathBuf {
        self.store.user_folder(&UserName::new(user))
    }

    /// Connects as a client would that has nothing but the user's folder.
    async fn connect(&self, user: &str, i: usize, change: Change) -> Result<Client, String> {
        let read = |key: &str| fs::read_to_string(self.folder(user).join(key)).unwrap();
        let mut options = ConnectOptions::new().require_tls(true);
        options = if self.folder(user).join("password").exists() {
            let mut password = read("password");
            if change == Change::OtherLastByte {
                password.pop();
                password.push('?');
            }
            options.user_and_password(read("username"), password)
        } else {
            options.nkey(read("nkey.seed"))
        };
        let ca = match change {
            Change::OtherAuthority => self.temporary.path().join("route-ca.crt"),
            _ => self.folder(user).join("ca.crt"),
        };
        options = options.add_root_certificates(ca);
        if change != Change::NoCertificate {
            let folder = self.folder(user);
            options =
                options.add_client_certificate(folder.join("tls.crt"), folder.join("tls.key"));
        }
        let url = read("url").split(',').nth(i).unwrap().to_owned();
        options
            .connect(url)
            .await
            .map_err(|error| error.to_string())
    }

    async fn connect_when_up(&self, user: &str, i: usize) -> Client {
        for _ in 0..100 {
            if let Ok(client) = self.connect(user, i, Change::Nothing).await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{}", fs::read_to_string(self.log(i)).unwrap());
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Nothing,
    OtherLastByte,
    OtherAuthority,
    NoCertificate,
}

/// Whether what Ann publishes at the first server is heard at another, within so many tries.
async fn heard(lab: &Lab, i: usize, tries: usize) -> bool {
    let publisher = lab.connect_when_up("ann", 0).await;
    let subscriber = lab.connect_when_up("bob", i).await;
    let mut messages = subscriber.subscribe("greetings").await.unwrap();
    subscriber.flush().await.unwrap();
    for _ in 0..tries {
        publisher
            .publish("greetings", "hello".into())
            .await
            .unwrap();
        publisher.flush().await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(200), messages.next());
        if waited.await.is_ok() {
            return true;
        }
    }
    false
}

/// What becomes of a connection to the route port that shows a certificate whether it is asked for
/// one of its authority or not (a server would not show it).
async fn dial_route(lab: &Lab, shown: &CertificateAndKey) -> String {
    let certificate = lab.file("shown.crt", &shown.chain_pem);
    let key = lab.file("shown.key", shown.key_pem.reveal());
    let port = lab.topology.servers[0].route_port;
    ConnectOptions::new()
        .require_tls(true)
        .tls_first()
        .add_root_certificates(lab.temporary.path().join("route-ca.crt"))
        .add_client_certificate(certificate.into(), key.into())
        .connect(format!("tls://127.0.0.1:{port}"))
        .await
        .map_or_else(|error| error.to_string(), |_| "connected".to_owned())
}

fn lab(nats_server: PathBuf) -> Lab {
    let (mut valid, topology) = (bus(), servers(3));
    bring(&mut valid, "ann", "anns-own");
    let temporary = TempDir::new().unwrap();
    let brought = temporary.path().join("brought/anns-own");
    fs::create_dir_all(&brought).unwrap();
    fs::write(
        brought.join("password"),
        "it's \u{e9} \"$7\" ".repeat(8).get(..72).unwrap(),
    )
    .unwrap();
    let store = open(&temporary, Files::default());
    let material = store.complete(&valid, &topology, now()).unwrap();
    store.hand_out(&valid, &topology, &material).unwrap();
    for user in valid.users.keys() {
        let folder = store.user_folder(user);
        let keys = handout(&valid, &topology, &material, user, folder.to_str().unwrap()).unwrap();
        let lines = exports(&keys, folder.to_str().unwrap(), false);
        fs::write(temporary.path().join(format!("{user}.sh")), lines.reveal()).unwrap();
    }
    Lab {
        temporary,
        nats_server,
        store,
        topology,
        material,
    }
}

#[tokio::test]
async fn real_servers_take_what_was_minted_and_nothing_else() {
    let nats_server = binary("SVOM_NATS_SERVER", "nats-server");
    let lab = lab(nats_server);
    let route = |i: usize| lab.leaf(LeafName::Route(format!("fsc-{i}")));
    let _first = lab.start(0, route(0));
    let _second = lab.start(1, route(1));
    assert!(heard(&lab, 1, 100).await, "the route between two servers");

    let mut said = String::new();
    for change in [
        Change::OtherLastByte,
        Change::OtherAuthority,
        Change::NoCertificate,
    ] {
        let refused = lab.connect("ann", 0, change).await.unwrap_err();
        said.push_str(&format!("{change:?}: {refused}\n"));
    }
    expect![[r#"
        OtherLastByte: authorization violation: nats: authorization violation
        OtherAuthority: IO error: invalid peer certificate: UnknownIssuer
        NoCertificate: IO error: received fatal alert: CertificateRequired
    "#]]
    .assert_eq(&said);

    // What the other authority signed opens no route, neither dialled nor dialling; the very same
    // server with a route's certificate does.
    let of_user = lab.leaf(LeafName::User(UserName::new("ann")));
    let of_server = lab.leaf(LeafName::Server("fsc-2".to_owned()));
    for other in [of_user, of_server] {
        let _rogue = lab.start(2, other);
        let name = &other.facts.common_name;
        assert!(
            !heard(&lab, 2, 15).await,
            "the certificate of {name} opened a route"
        );
    }
    let log = fs::read_to_string(lab.log(0)).unwrap();
    assert!(log.contains("TLS route handshake error: tls: failed to verify certificate: x509: certificate signed by unknown authority"), "{log}");
    let mut said = String::new();
    for shown in [of_user, of_server, route(2)] {
        let refused = dial_route(&lab, shown).await;
        said.push_str(&format!("{}: {refused}\n", shown.facts.common_name));
    }
    expect![[r#"
        ann: IO error: received fatal alert: UnknownCA
        fsc-2: IO error: received fatal alert: UnknownCA
        fsc-2: IO error: nats: attempted to connect to route port
    "#]]
    .assert_eq(&said);
    let _third = lab.start(2, route(2));
    assert!(heard(&lab, 2, 100).await, "the control");

    nats_command(&lab);
}

/// The `nats` command with the context as it is, and with what a shell exports.
fn nats_command(lab: &Lab) {
    let nats = binary("SVOM_NATS_COMMAND", "nats");
    let run = |script: &str, user: &str, context: &Path| {
        let output = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&nats)
            .arg(context)
            .arg(lab.temporary.path().join(format!("{user}.sh")))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", lab.temporary.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    for user in ["ann", "bob"] {
        let context = lab.folder(user).join("nats-context.json");
        for script in [
            r#""$1" --context "$2" pub greetings hello"#,
            r#". "$3" && "$1" pub greetings hello"#,
            r#". "$3" && unset NATS_CONTEXT && "$1" pub greetings hello"#,
        ] {
            let (worked, said) = run(script, user, &context);
            assert!(worked, "{user}: {script}: {said}");
        }
        let (worked, _) = run(
            r#""$1" pub -s tls://127.0.0.1:4500 greetings hello"#,
            user,
            &context,
        );
        assert!(!worked, "the control");
    }
}
