//! The operator's own connections to a bus, and what they were made with.

use std::time::Duration;

use async_nats::Client;
use svom_plan::Valid;
use svom_plan::material::{AuthorityName, LeafName, Material};
use svom_plan::topology::Topology;
use tokio::time::{Instant, sleep};

use crate::nats::bus::{Bus, BusError};

/// How long servers that were just started may take until they can be connected to.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one try may take.
const TRY: Duration = Duration::from_secs(5);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections; both come back by themselves.
pub struct Clients {
    bus: Bus,
    made_with: (String, Option<String>),
}

impl Clients {
    /// Connects, trying again while servers start.
    ///
    /// # Errors
    /// No server could be connected to in half a minute, and why the last try failed.
    pub async fn connect(
        valid: &Valid,
        topology: &Topology,
        material: &Material,
    ) -> Result<Self, BusError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Bus::connect(valid, topology, material, TRY).await {
                Ok(bus) => {
                    let made_with = made_with(material);
                    return Ok(Self { bus, made_with });
                }
                Err(BusError::Connect(_)) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// In the system account.
    pub fn system(&self) -> &Client {
        &self.bus.system
    }

    /// In the JetStream account.
    pub fn jetstream(&self) -> &Client {
        &self.bus.jetstream
    }

    /// Whether what they show and trust is what is there now.
    pub fn fit(&self, material: &Material) -> bool {
        self.made_with == made_with(material)
    }
}

fn made_with(material: &Material) -> (String, Option<String>) {
    let trust = material.authorities.get(&AuthorityName::Clients);
    let shown = material.leaves.get(&LeafName::Operator);
    (
        trust
            .map(|authority| authority.trust_pem.clone())
            .unwrap_or_default(),
        shown.map(|leaf| leaf.chain_pem.clone()),
    )
}
