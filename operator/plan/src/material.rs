//! What was minted or brought: keys, certificates and credentials, as the shells found them.
//!
//! The truth about a secret is what is persisted. A shell reads all of it into a [`Material`], the
//! plan says what is missing, the shell mints and persists that, and reads again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::UnixSeconds;
use crate::secret::Secret;
use crate::valid::UserName;

/// The two authorities. One signs what clients see, the other only the routes between servers, so
/// that a client's certificate never opens a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthorityName {
    /// Signs the servers' certificates for clients, and clients' own.
    Clients,
    /// Signs the certificates of the routes.
    Routes,
}

/// A certificate that an authority signs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeafName {
    /// What clients see of the server of this name.
    Server(String),
    /// What other servers see of the server of this name.
    Route(String),
    /// What the user shows, where client certificates are required.
    User(UserName),
    /// What the operator itself shows, where client certificates are required.
    Operator,
}

/// What a certificate says, read from it by a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Common name of the subject.
    pub common_name: String,
    /// First second at which it is valid.
    pub not_before: UnixSeconds,
    /// Last second at which it is valid.
    pub not_after: UnixSeconds,
    /// DNS names in its subject alternative names.
    pub dns_names: BTreeSet<String>,
    /// Addresses in its subject alternative names.
    pub addresses: BTreeSet<IpAddr>,
    /// Whether it may sign certificates.
    pub authority: bool,
    /// Whether it may be shown by a server.
    pub server_auth: bool,
    /// Whether it may be shown by a client.
    pub client_auth: bool,
    /// Whether its signature was made by the key of the authority at hand (for an authority: by its
    /// own or by one above it), and its key is the one beside it. Found by the shell.
    pub sound: bool,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAndKey {
    /// The certificate, then those above it that are to be sent along, PEM.
    pub chain_pem: String,
    /// The private key, PKCS #8 PEM.
    pub key_pem: Secret,
    /// What the certificate says.
    pub facts: CertificateFacts,
}

impl CertificateAndKey {
    /// Certificates, then their key, in one text: so that nobody ever reads one without the other.
    pub fn pem(&self) -> Secret {
        Secret::new(format!("{}{}", self.chain_pem, self.key_pem.reveal()))
    }
}

/// Certificates and key of such a text; `None` where there is no key.
pub fn split_pem(text: &str) -> Option<(&str, Secret)> {
    let at = text.find("-----BEGIN PRIVATE KEY-----")?;
    let (certificates, key) = text.split_at_checked(at)?;
    Some((certificates, Secret::new(key)))
}

/// An authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate and key.
    pub own: CertificateAndKey,
    /// What is to be trusted, PEM: itself where it is self-signed, else the root above it.
    pub trust_pem: String,
}

/// Keys of the operator itself; all are generated, none is ever brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorKeys {
    /// The operator's user in the system account.
    pub system: Nkey,
    /// The operator's user in the JetStream account.
    pub jetstream: Nkey,
    /// Password that the route port asks for besides a certificate: letters and digits.
    pub route_password: Secret,
    /// 32 random bytes, hexadecimal: keys the salts of password hashes, which keeps hashes stable.
    pub salt_key: Secret,
}

/// A user key pair of NATS (Ed25519).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nkey {
    /// Public key, `U...`.
    pub public: String,
    /// Seed, `SU...`; absent where its owner keeps it.
    pub seed: Option<Secret>,
}

/// What a user proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A password and, once it was made, its bcrypt hash.
    Password {
        /// The password.
        password: Secret,
        /// Whether a person brought it (a generated one has 256 random bits and needs no slow hash).
        brought: bool,
        /// Its hash, as the server's configuration holds it.
        hash: Option<String>,
    },
    /// A key pair and, where its owner keeps the seed, one of the operator's own that stands for it
    /// when rights are proven.
    Nkey {
        /// The user's.
        own: Nkey,
        /// The operator's, with the very same rights.
        stand_in: Option<Nkey>,
    },
}

/// All secrets of a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Material {
    /// The authorities.
    pub authorities: BTreeMap<AuthorityName, Authority>,
    /// The certificates they signed.
    pub leaves: BTreeMap<LeafName, CertificateAndKey>,
    /// The operator's own keys.
    pub operator: Option<OperatorKeys>,
    /// The users' credentials. Those of a user that left the resource stay where they are persisted,
    /// and are here again with a user of the same name.
    pub users: BTreeMap<UserName, Credential>,
}
