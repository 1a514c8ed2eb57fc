//! The control: three servers as somebody sets them up by hand, with TLS for clients and routes, one
//! account that all users share, and JetStream that syncs always.
//!
//! Certificates are made before anything is measured. Everything ends and is removed when dropped.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use async_nats::{Client, ConnectOptions, ServerAddr};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use svom_tests::poll;
use svom_tests::ports::Ports;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// How many servers.
pub const SERVERS: u16 = 3;
/// Name of the user that may ask the servers themselves.
pub const SYSTEM: &str = "system";

const PASSWORD: &str = "not-a-secret";
const WITHIN: Duration = Duration::from_secs(60);
/// A question that comes too early is never answered: waiting long for it would make the control slow.
const FIRST_TRY: Duration = Duration::from_millis(30);
const EACH_LONGER_BY: Duration = Duration::from_millis(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(5);
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Three bare servers.
pub struct Trio {
    processes: Vec<Child>,
    program: PathBuf,
    folder: TempDir,
    ports: Ports,
}

impl Trio {
    /// Everything for three servers of this program, with these users; nothing runs yet.
    pub fn prepare(program: &Path, users: &[String]) -> Result<Self> {
        let trio = Self {
            processes: Vec::new(),
            program: program.to_owned(),
            folder: tempfile::Builder::new().prefix("svom-bench-").tempdir()?,
            ports: Ports::take()?,
        };
        trio.write_certificates()?;
        trio.write_configurations(users)?;
        Ok(trio)
    }

    /// Starts all three and waits for nothing.
    pub fn start(&mut self) -> Result<()> {
        for server in 0..SERVERS {
            let process = Command::new(&self.program)
                .arg("--config")
                .arg(self.configuration(server))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .with_context(|| format!("cannot start {}", self.program.display()))?;
            self.processes.push(process);
        }
        Ok(())
    }

    /// Ends all three in order.
    pub fn stop(&mut self) -> Result<()> {
        for process in &self.processes {
            if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
                kill_process(pid, Signal::TERM)?;
            }
        }
        for mut process in self.processes.drain(..) {
            poll::until("a bare server to end", ENDS_WITHIN, || {
                Ok(process.try_wait()?)
            })?;
        }
        Ok(())
    }

    /// Starts, and returns with the first message that all three keep and that was acknowledged.
    pub async fn bring_up(&mut self, user: &str, stream: &Value) -> Result<Client> {
        self.start()?;
        let client = self.connect(user, None).await?;
        create_stream(&client, stream).await?;
        let jetstream = async_nats::jetstream::new(client.clone());
        patiently("the first acknowledgement", || async {
            Ok(jetstream.publish("data.vhf", "first".into()).await?.await?)
        })
        .await?;
        Ok(client)
    }

    /// Connects as one of the users, to this server or to any.
    pub async fn connect(&self, user: &str, server: Option<u16>) -> Result<Client> {
        let servers = server.map_or(0..SERVERS, |server| server..server + 1);
        let urls = servers
            .map(|server| format!("tls://127.0.0.1:{}", self.ports.first + server).parse())
            .collect::<Result<Vec<ServerAddr>, _>>()?;
        let ca = self.folder.path().join("ca.crt");
        patiently("a connection", || async {
            let options = ConnectOptions::new()
                .user_and_password(user.to_owned(), PASSWORD.to_owned())
                .add_root_certificates(ca.clone())
                .require_tls(true)
                .ignore_discovered_servers();
            Ok(options.connect(urls.as_slice()).await?)
        })
        .await
    }

    /// Writes each server's configuration; a reload puts it in force.
    pub fn write_configurations(&self, users: &[String]) -> Result<()> {
        for server in 0..SERVERS {
            fs::write(
                self.configuration(server),
                self.json(server, users).to_string(),
            )?;
        }
        Ok(())
    }

    fn configuration(&self, server: u16) -> PathBuf {
        self.folder.path().join(format!("{server}.json"))
    }

    fn json(&self, server: u16, users: &[String]) -> Value {
        let file = |name: &str| self.folder.path().join(name);
        let route = |server| self.ports.first + 2_000 + server;
        let user = |name: &String| json!({"user": name, "password": PASSWORD});
        json!({
            "server_name": name(server), "host": "127.0.0.1", "port": self.ports.first + server,
            "tls": {"cert_file": file("server.crt"), "key_file": file("server.key")},
            "jetstream": {"store_dir": file(&name(server)), "sync_interval": "always"},
            "cluster": {
                "name": "bare", "host": "127.0.0.1", "port": route(server),
                "routes": (0..SERVERS)
                    .map(|server| format!("nats-route://127.0.0.1:{}", route(server)))
                    .collect::<Vec<_>>(),
                "tls": {"cert_file": file("server.crt"), "key_file": file("server.key"),
                    "ca_file": file("ca.crt"), "verify": true},
            },
            "accounts": {"$SYS": {"users": [{"user": SYSTEM, "password": PASSWORD}]}},
            "authorization": {"users": users.iter().map(user).collect::<Vec<_>>()},
        })
    }

    fn write_certificates(&self) -> Result<()> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?
            .signed_by(&key, &authority)?;
        let files = [
            ("ca.crt", authority.pem()),
            ("server.crt", server.pem()),
            ("server.key", key.serialize_pem()),
        ];
        for (name, pem) in files {
            fs::write(self.folder.path().join(name), pem)?;
        }
        Ok(())
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended already is no error.
            let _ = process.kill().and_then(|()| process.wait());
        }
    }
}

/// Name of a server.
pub fn name(server: u16) -> String {
    format!("bare-{server}")
}

/// Creates a stream from its configuration as the servers take it.
pub async fn create_stream(client: &Client, stream: &Value) -> Result<()> {
    let name = stream.get("name").and_then(Value::as_str);
    let subject = format!(
        "$JS.API.STREAM.CREATE.{}",
        name.context("a stream without a name")?
    );
    let body = stream.to_string();
    patiently("a stream", || async {
        let answer = client.request(subject.clone(), body.clone().into()).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        match answer.get("error") {
            None => Ok(()),
            Some(error) => Err(anyhow!("{error}")),
        }
    })
    .await
}

/// Tries until it succeeds, each time briefly, and each time longer.
pub async fn patiently<T, F: Future<Output = Result<T>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<T> {
    let deadline = Instant::now() + WITHIN;
    let mut patience = FIRST_TRY;
    loop {
        let failed = match timeout(patience, attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(why)) => format!("{why:#}"),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() > deadline {
            bail!("{what}: after {} s still: {failed}", WITHIN.as_secs());
        }
        patience += EACH_LONGER_BY;
        sleep(BETWEEN_TRIES).await;
    }
}
