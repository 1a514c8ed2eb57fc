//! What is to be minted, in the order in which it can be: what a later entry needs stands before it.
//!
//! In: the resource, where the servers stand, what there is, and the time. Out: a list, empty where
//! nothing is missing, or what only a person can put right. Mints nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::material::{AuthorityName, LeafName, Material};
use crate::topology::Topology;
use crate::valid::UserName;
use crate::{Problem, UnixSeconds, Valid, credentials, pki};

/// One thing to be minted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// The operator's own keys.
    OperatorKeys,
    /// An authority that signs itself.
    Authority {
        /// Which one.
        name: AuthorityName,
        /// What its certificate says.
        certificate: CertificateWanted,
    },
    /// A certificate, signed by the authority that [`pki::signer`] names.
    Leaf {
        /// Which one.
        name: LeafName,
        /// What it says.
        certificate: CertificateWanted,
    },
    /// A password of 256 random bits for the user.
    Password(UserName),
    /// A key pair for the user.
    Nkey(UserName),
    /// A key pair of the operator's that stands for a user whose seed stays with its owner.
    StandIn(UserName),
    /// The hash of the user's password.
    Hash(UserName),
}

/// What a certificate that is wanted says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateWanted {
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
    /// What it may be used for.
    pub usage: Usage,
}

/// What a certificate may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// To sign certificates.
    Authority,
    /// To be shown by a server.
    Server,
    /// To be shown by both sides of a route: each server is the client of another.
    Peer,
    /// To be shown by a client.
    Client,
}

impl Usage {
    /// Whether a server may show it.
    pub fn server(self) -> bool {
        matches!(self, Self::Server | Self::Peer)
    }

    /// Whether a client may show it.
    pub fn client(self) -> bool {
        matches!(self, Self::Client | Self::Peer)
    }
}

/// Everything that is to be minted now.
///
/// # Errors
/// What cannot be minted and only a person can put right: a brought Secret that is missing or does
/// not fit, an authority at its end.
pub fn wanted(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
    now: UnixSeconds,
) -> Result<Vec<Want>, Vec<Problem>> {
    let credentials = credentials::wanted(valid, material);
    let certificates = pki::wanted(valid, topology, material, now);
    match (credentials, certificates) {
        (Ok(mut all), Ok(certificates)) => {
            all.extend(certificates);
            Ok(all)
        }
        (credentials, certificates) => {
            let mut problems = credentials.err().unwrap_or_default();
            problems.extend(certificates.err().unwrap_or_default());
            problems.sort();
            Err(problems)
        }
    }
}
