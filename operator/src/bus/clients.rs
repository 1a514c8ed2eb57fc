//! The operator's own connections to a bus, and what they were made with.

use std::time::Duration;

use async_nats::Client;
use svom_plan::Valid;
use svom_plan::material::{AuthorityName, LeafName, Material};
use svom_plan::topology::Topology;
use tokio::time::{Instant, sleep};

use super::given_up::GivenUp;
use crate::nats::bus::{Bus, BusError};
use crate::nats::connect::leave_server;

/// How long it may take until servers can be connected to, where one of them does not run or all ran
/// before.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long another server may take when the one that the operator is connected to hangs.
const ELSEWHERE: Duration = Duration::from_secs(5);
/// How long one try may take.
const TRY: Duration = Duration::from_secs(5);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections; both come back by themselves.
pub struct Clients {
    bus: Bus,
    given_up: GivenUp,
    made_with: (String, Option<String>),
}

impl Clients {
    /// Connects to servers that ran before.
    ///
    /// # Errors
    /// No server could be connected to in half a minute, and why the last try failed.
    pub async fn connect(
        valid: &Valid,
        topology: &Topology,
        material: &Material,
    ) -> Result<Self, BusError> {
        Self::keep_trying(valid, topology, material, |_, waited| waited < PATIENCE).await
    }

    /// Connects, and tries again while `goes_on` says so, which hears why the last try failed and for how
    /// long it has been tried.
    ///
    /// # Errors
    /// No server could be connected to by then, and why the last try failed.
    pub async fn keep_trying(
        valid: &Valid,
        topology: &Topology,
        material: &Material,
        mut goes_on: impl FnMut(&BusError, Duration) -> bool,
    ) -> Result<Self, BusError> {
        let begin = Instant::now();
        loop {
            match Bus::connect(valid, topology, material, TRY).await {
                Ok(bus) => {
                    let given_up = GivenUp::listen(&bus.jetstream).await?;
                    return Ok(Self {
                        bus,
                        given_up,
                        made_with: made_with(material),
                    });
                }
                Err(why @ BusError::Connect(_)) if goes_on(&why, begin.elapsed()) => {
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Leaves the server that the connection in the system account is to.
    pub async fn leave_system_server(&self) {
        leave_server(self.system(), ELSEWHERE).await;
    }

    /// Leaves the server that the connection in the JetStream account is to.
    pub async fn leave_jetstream_server(&self) {
        leave_server(self.jetstream(), ELSEWHERE).await;
    }

    /// In the system account.
    pub fn system(&self) -> &Client {
        &self.bus.system
    }

    /// In the JetStream account.
    pub fn jetstream(&self) -> &Client {
        &self.bus.jetstream
    }

    /// What durables gave up since these connections were made.
    pub fn given_up(&self) -> &GivenUp {
        &self.given_up
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
