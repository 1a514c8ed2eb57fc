//! Connections to the servers: TLS always, to whichever server of several answers.
//!
//! In: the servers' URLs, what is trusted, and who one is. Out: a client that reconnects by itself,
//! or an error that names neither password nor key. Nothing is read from files: the bus's own
//! authority is the only one that is trusted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::rustls::{ClientConfig, RootCertStore, crypto::ring};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use svom_plan::Secret;
use svom_plan::material::{CertificateAndKey, Credential};
use svom_plan::valid::UserName;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep, timeout};

/// How often the server is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long one server of several may take: one that hangs lets others have their turn.
const ONE_SERVER: Duration = Duration::from_secs(2);
/// Pause between two looks whether a connection was made anew.
const PAUSE: Duration = Duration::from_millis(10);

/// Why the servers cannot be connected to at all.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// A URL is not one.
    #[error("{url:?} is not the URL of a NATS server: {why}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// What is to be trusted is not a certificate.
    #[error("the authority of the servers' certificates cannot be read: {0}")]
    Trust(String),
    /// The certificate to be shown, or its key, is none.
    #[error("the certificate {common_name:?} cannot be shown to the servers: {why}")]
    Shown {
        /// Common name of the certificate.
        common_name: String,
        /// What is wrong with it or its key.
        why: String,
    },
}

/// Why a connection was not made.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The servers do not know this user, or not with this credential.
    #[error("the servers refuse {user}'s credentials")]
    Refused {
        /// Name of the user.
        user: String,
    },
    /// The seed of an NKey is damaged.
    #[error("{user}'s NKey seed cannot be used to sign with")]
    Seed {
        /// Name of the user.
        user: String,
    },
    /// No server was reached.
    #[error("no server could be reached as {user}: {why}")]
    Unreachable {
        /// Name of the user.
        user: String,
        /// What the last one tried said.
        why: String,
    },
}

/// The servers of a bus, what is trusted, and the certificate that is shown to them.
#[derive(Clone)]
pub struct Endpoint {
    servers: Vec<ServerAddr>,
    tls: ClientConfig,
}

impl Endpoint {
    /// Reads everything once. `trust_pem` is the authority of the servers' certificates; `shown` is
    /// needed where the servers require a certificate of their clients.
    pub fn new(
        urls: &[String],
        trust_pem: &str,
        shown: Option<&CertificateAndKey>,
    ) -> Result<Self, EndpointError> {
        let servers = urls
            .iter()
            .map(|url| {
                url.parse()
                    .map_err(|why: std::io::Error| EndpointError::Url {
                        url: url.clone(),
                        why: why.to_string(),
                    })
            })
            .collect::<Result<_, _>>()?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| EndpointError::Trust(why.to_string()))?
            .with_root_certificates(roots(trust_pem)?);
        let tls = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let failed = |why: String| EndpointError::Shown {
                    common_name: shown.facts.common_name.clone(),
                    why,
                };
                let chain = certificates(&shown.chain_pem).map_err(failed)?;
                let key = PrivateKeyDer::from_pem_slice(shown.key_pem.reveal().as_bytes())
                    .map_err(|_| failed("its key is not a private key in PEM".to_owned()))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|why| failed(why.to_string()))?
            }
        };
        Ok(Self { servers, tls })
    }
}

fn roots(pem: &str) -> Result<RootCertStore, EndpointError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(EndpointError::Trust)? {
        roots
            .add(certificate)
            .map_err(|why| EndpointError::Trust(why.to_string()))?;
    }
    if roots.is_empty() {
        return Err(EndpointError::Trust("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|why| why.to_string())
}

/// Who a connection is made as.
#[derive(Clone, Debug)]
pub struct Login {
    /// Name for people: the user's, or what the operator calls itself.
    pub user: String,
    /// What it is proven with.
    pub proof: Proof,
}

/// What a user is proven with.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The user's name and this password.
    Password(Secret),
    /// The seed of an NKey.
    Seed(Secret),
}

impl Login {
    /// The login by a user's own credential or, where the user keeps its seed to itself, by the
    /// operator's key that stands in for it. Absent where there is neither.
    pub fn of_user(user: &UserName, credential: &Credential) -> Option<Self> {
        let proof = match credential {
            Credential::Password { password, .. } => Proof::Password(password.clone()),
            Credential::Nkey { own, stand_in } => {
                let seed = own.seed.as_ref();
                let stand_in = || stand_in.as_ref().and_then(|key| key.seed.as_ref());
                Proof::Seed(seed.or_else(stand_in)?.clone())
            }
        };
        Some(Self {
            user: user.to_string(),
            proof,
        })
    }
}

/// How a connection is made.
pub struct Manner {
    /// How long it may take, all servers together.
    pub patience: Duration,
    /// Whether it is made anew whenever it breaks, for as long as the client lives.
    pub lasting: bool,
    /// Where to tell what happens on it, refusals above all.
    pub events: Option<UnboundedSender<Event>>,
}

/// Connects to one of the servers.
pub async fn connect(
    endpoint: &Endpoint,
    login: &Login,
    manner: Manner,
) -> Result<Client, ConnectError> {
    let user = || login.user.clone();
    let options = options(endpoint, login, &manner);
    let connected = timeout(
        manner.patience,
        options.connect(endpoint.servers.as_slice()),
    )
    .await;
    let Ok(connected) = connected else {
        return Err(ConnectError::Unreachable {
            user: user(),
            why: format!("none answered within {} s", manner.patience.as_secs_f32()),
        });
    };
    connected.map_err(|why| match why.kind() {
        ConnectErrorKind::AuthorizationViolation => ConnectError::Refused { user: user() },
        ConnectErrorKind::Authentication => ConnectError::Seed { user: user() },
        _ => ConnectError::Unreachable {
            user: user(),
            why: why.to_string(),
        },
    })
}

/// Leaves the server that a lasting connection is to. One that hangs keeps its connections, and the
/// client itself notices only after a minute. Returns when the connection is made anew, or when the
/// patience ends.
pub async fn leave_server(client: &Client, patience: Duration) {
    let connects = || client.statistics().connects.load(Ordering::Relaxed);
    let before = connects();
    let anew = async {
        // An error says that the client has ended, which its next request says too.
        if client.force_reconnect().await.is_ok() {
            while connects() == before {
                sleep(PAUSE).await;
            }
        }
    };
    let _ = timeout(patience, anew).await;
}

fn options(endpoint: &Endpoint, login: &Login, manner: &Manner) -> ConnectOptions {
    let mut options = ConnectOptions::new()
        .name("svom-messaging")
        .require_tls(true)
        .tls_client_config(endpoint.tls.clone())
        .connection_timeout(manner.patience.min(ONE_SERVER))
        .ping_interval(PING_INTERVAL)
        .ignore_discovered_servers();
    options = match &login.proof {
        Proof::Password(password) => {
            options.user_and_password(login.user.clone(), password.reveal().to_owned())
        }
        Proof::Seed(seed) => options.nkey(seed.reveal().to_owned()),
    };
    if !manner.lasting {
        // Each server once; without a bound a client that is refused would try for ever.
        options = options.max_reconnects(endpoint.servers.len());
    }
    if let Some(events) = manner.events.clone() {
        options = options.event_callback(move |event| {
            // Nobody listens any more: then nobody needs to know.
            let _ = events.send(event);
            std::future::ready(())
        });
    }
    options
}
