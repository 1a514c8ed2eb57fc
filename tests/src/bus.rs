//! A bus as a suite sees it: a resource goes in, credentials and a status come out, and its servers
//! can be made to fall. Whoever serves it, one machine or a cluster, the suites are the same.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};
use svom_cluster::port_forward::PortForward;
use svom_crds::SvomMessagingStatus;
use svom_crds::status::{DomainStatus, ServerStatus, Truth};

use crate::poll;

/// How long a bus may take to be ready after anything that was done to it.
pub const READY_WITHIN: Duration = Duration::from_secs(120);

/// A bus.
pub trait Bus {
    /// Puts a resource in force and returns when the bus is ready with it.
    ///
    /// # Errors
    /// When it is refused, or the bus does not become ready.
    fn apply(&self, resource: &str) -> Result<()>;

    /// What is told about the bus, ready or not.
    ///
    /// # Errors
    /// When nothing is told.
    fn status(&self) -> Result<SvomMessagingStatus>;

    /// Names of the servers, in their order.
    fn servers(&self) -> Vec<String>;

    /// What the user was handed.
    ///
    /// # Errors
    /// When it was handed nothing, or not everything.
    fn credentials(&self, user: &str) -> Result<Credentials>;

    /// Kills the server at once; it stays down.
    ///
    /// # Errors
    /// When it cannot be killed.
    fn kill(&self, server: &str) -> Result<()>;

    /// Stops the server by lame duck and returns when it is gone; it stays down.
    ///
    /// # Errors
    /// When it cannot be stopped.
    fn stop(&self, server: &str) -> Result<()>;

    /// Starts a server that was killed or stopped, and returns when the bus is ready again.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start(&self, server: &str) -> Result<()>;

    /// Resident memory of the server, bytes.
    ///
    /// # Errors
    /// When it does not run.
    fn memory(&self, server: &str) -> Result<u64>;

    /// Digest of the configuration that was given to the server, computed from its text.
    ///
    /// # Errors
    /// When there is no such configuration.
    fn given_digest(&self, server: &str) -> Result<String>;

    /// Where the server lets other servers in: for one connection, since a way may end with what it was
    /// used for.
    ///
    /// # Errors
    /// When there is no such server, or no way to it.
    fn route_door(&self, server: &str) -> Result<RouteDoor>;

    /// The user's credentials, for a connection to this one server.
    ///
    /// # Errors
    /// When there is no such server or user.
    fn credentials_at(&self, user: &str, server: &str) -> Result<Credentials> {
        let mut credentials = self.credentials(user)?;
        let index = self.servers().iter().position(|name| name == server);
        let url = index
            .and_then(|index| credentials.urls.get(index))
            .with_context(|| format!("{user} was told no URL of {server}"))?;
        credentials.urls = vec![url.clone()];
        credentials.websocket_urls = index
            .and_then(|index| credentials.websocket_urls.get(index).cloned())
            .into_iter()
            .collect();
        Ok(credentials)
    }

    /// Waits until the bus is formed and proven.
    ///
    /// # Errors
    /// When it does not become so; with what is told about it.
    fn wait_until_ready(&self) -> Result<()> {
        let mut last = String::from("no status");
        poll::until("the bus to be ready", READY_WITHIN, || {
            let status = self.status();
            last = match &status {
                Ok(status) => not_ready(status),
                Err(problem) => format!("{problem:#}"),
            };
            Ok(status.ok().filter(is_ready).map(|_| ()))
        })
        .with_context(|| last.clone())
    }

    /// The server that leads the stream.
    ///
    /// # Errors
    /// When nobody comes to lead it.
    fn leader_of(&self, stream: &str) -> Result<String> {
        poll::until(&format!("a leader of {stream}"), READY_WITHIN, || {
            let domains = self.status()?.domains;
            let domain = domains.into_iter().find(|domain| domain.stream == stream);
            Ok(domain.and_then(|DomainStatus { leader, .. }| leader))
        })
    }
}

/// Whether the status says `Ready`.
pub fn is_ready(status: &SvomMessagingStatus) -> bool {
    status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == Truth::True)
}

/// Whether the server is told to be ready.
pub fn server_is_ready(status: &SvomMessagingStatus, server: &str) -> bool {
    status
        .servers
        .iter()
        .any(|ServerStatus { name, ready, .. }| name == server && *ready)
}

fn not_ready(status: &SvomMessagingStatus) -> String {
    let conditions: Vec<String> = status
        .conditions
        .iter()
        .map(|condition| {
            let (kind, truth) = (&condition.type_, condition.status);
            format!(
                "{kind}={truth:?} {}: {}",
                condition.reason, condition.message
            )
        })
        .collect();
    format!("the bus tells: {}", conditions.join("; "))
}

/// The digest that a server tells of a configuration: of compact JSON with sorted keys, `<`, `>` and `&`
/// escaped, and a newline.
///
/// # Errors
/// When the text is no JSON.
pub(crate) fn digest_of(configuration: &str) -> Result<String> {
    let value: Value = serde_json::from_str(configuration)?;
    let compact = serde_json::to_string(&value)?
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    let hash = Sha256::digest(format!("{compact}\n"));
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{hash}"))
}

/// Where a server lets other servers in, and what those hold that do.
#[derive(Debug)]
pub struct RouteDoor {
    /// Its address.
    pub address: String,
    /// What its certificate is for.
    pub host: String,
    /// The authority of the routes.
    pub authority: PathBuf,
    /// The server's own certificate for routes, with its key.
    pub certificate: PathBuf,
    /// What the server shows clients, with its key.
    pub shown_to_clients: PathBuf,
    /// The server's configuration.
    pub configuration: Value,
    /// What keeps the way to it open.
    pub way: Option<PortForward>,
}

/// What a user proves itself with.
#[derive(Clone)]
pub enum Proof {
    /// A password.
    Password(String),
    /// The file of an NKey's seed.
    Nkey(PathBuf),
}

/// What a user was handed.
#[derive(Clone)]
pub struct Credentials {
    /// URLs of the servers, in their order.
    pub urls: Vec<String>,
    /// The same for websockets; none where the bus has no such way in.
    pub websocket_urls: Vec<String>,
    /// Name that it connects with.
    pub username: String,
    /// What it proves itself with.
    pub proof: Proof,
    /// Authority that it trusts.
    pub ca: PathBuf,
    /// Certificate and key that it shows, where clients show one.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Where all of it lies.
    pub folder: PathBuf,
}

impl Credentials {
    /// Reads a folder with the keys of a user's Secret.
    ///
    /// # Errors
    /// When a key is missing.
    pub fn read(folder: &Path) -> Result<Self> {
        let text = |key: &str| {
            let path = folder.join(key);
            let text = fs::read_to_string(&path);
            text.with_context(|| format!("cannot read {}", path.display()))
        };
        let urls = |text: &str| text.trim().split(',').map(str::to_owned).collect();
        let seed = folder.join("nkey.seed");
        let certificate = folder.join("tls.crt");
        Ok(Self {
            urls: urls(&text("url")?),
            websocket_urls: match folder.join("websocket-url").exists() {
                true => urls(&text("websocket-url")?),
                false => Vec::new(),
            },
            username: text("username")?.trim().to_owned(),
            proof: match seed.exists() {
                true => Proof::Nkey(seed),
                false => Proof::Password(text("password")?.trim_end_matches('\n').to_owned()),
            },
            ca: folder.join("ca.crt"),
            certificate: certificate
                .exists()
                .then(|| (certificate, folder.join("tls.key"))),
            folder: folder.to_owned(),
        })
    }

    /// The password.
    ///
    /// # Errors
    /// When the user has none.
    pub fn password(&self) -> Result<&str> {
        match &self.proof {
            Proof::Password(password) => Ok(password),
            Proof::Nkey(_) => anyhow::bail!("{} has no password but an NKey", self.username),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}
