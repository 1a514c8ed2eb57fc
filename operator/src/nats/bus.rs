//! Who connects to the servers, and as whom: the operator's own two users, and each user for the
//! proof of its rights.
//!
//! In: the resource, where the servers stand, and the material. Out: clients, and ways to connect.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Client, SubscribeError};
use svom_plan::handout;
use svom_plan::material::{AuthorityName, LeafName, Material, Nkey};
use svom_plan::topology::Topology;
use svom_plan::valid::{UserName, Valid};
use thiserror::Error;

use super::connect::{
    ConnectError, Endpoint, EndpointError, Login, Manner, Proof as Credential, connect,
};
use super::prove::Identity;

/// Why the operator cannot speak to the servers.
#[derive(Debug, Error)]
pub enum BusError {
    /// Something that should have been minted is not there.
    #[error("{0} is missing; it is made when the bus is started")]
    Missing(&'static str),
    /// What there is cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was closed as soon as it was there.
    #[error("what durables give up cannot be listened to: {0}")]
    Listen(#[from] SubscribeError),
}

/// The operator's two connections to one bus. They last: each is made anew when it breaks.
pub struct Bus {
    /// In the system account.
    pub system: Client,
    /// In the JetStream account.
    pub jetstream: Client,
}

impl Bus {
    /// Connects both.
    pub async fn connect(
        valid: &Valid,
        topology: &Topology,
        material: &Material,
        patience: Duration,
    ) -> Result<Self, BusError> {
        let endpoint = endpoint(valid, topology, material, &LeafName::Operator)?;
        let keys = material
            .operator
            .as_ref()
            .ok_or(BusError::Missing("the operator's own key"))?;
        let system = own("the operator (system account)", &keys.system)?;
        let jetstream = own("the operator (JetStream account)", &keys.jetstream)?;
        let manner = || Manner {
            patience,
            lasting: true,
            events: None,
        };
        let (system, jetstream) = tokio::try_join!(
            connect(&endpoint, &system, manner()),
            connect(&endpoint, &jetstream, manner()),
        )?;
        Ok(Self { system, jetstream })
    }
}

fn own(user: &str, key: &Nkey) -> Result<Login, BusError> {
    let seed = key
        .seed
        .as_ref()
        .ok_or(BusError::Missing("the seed of the operator's own key"))?;
    Ok(Login {
        user: user.to_owned(),
        proof: Credential::Seed(seed.clone()),
    })
}

/// How each user connects, by its own credential or the operator's that stands in for it. A user
/// without either is left out.
pub fn identities(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
) -> Result<BTreeMap<UserName, Identity>, BusError> {
    let mut identities = BTreeMap::new();
    for name in valid.users.keys() {
        let credential = material.users.get(name);
        if let Some(login) = credential.and_then(|credential| Login::of_user(name, credential)) {
            let endpoint = endpoint(valid, topology, material, &LeafName::User(name.clone()))?;
            identities.insert(name.clone(), Identity { endpoint, login });
        }
    }
    Ok(identities)
}

/// The servers as seen by one who shows this certificate, where one must be shown.
pub fn endpoint(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
    shown: &LeafName,
) -> Result<Endpoint, BusError> {
    let authority = material
        .authorities
        .get(&AuthorityName::Clients)
        .ok_or(BusError::Missing(
            "the authority of the servers' certificates",
        ))?;
    let shown = if valid.tls.client_certificates {
        let leaf = material.leaves.get(shown);
        Some(leaf.ok_or(BusError::Missing("a certificate to show to the servers"))?)
    } else {
        None
    };
    let urls: Vec<String> = handout::url(topology)
        .split(',')
        .map(str::to_owned)
        .collect();
    Ok(Endpoint::new(&urls, &authority.trust_pem, shown)?)
}
