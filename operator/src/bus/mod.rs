//! A bus that runs somewhere, as the operator has it through its own connections: what is in force,
//! what the servers say, what is proven. The same on one machine and on Kubernetes.
//!
//! In: a resource, where its servers stand, its secrets, and what is known of the servers by who runs
//! them. Out: acts on the servers that need no hand on their processes (reload, streams, durable
//! subscriptions), and findings, from which the plan makes the status.

mod clients;
mod findings;
mod given_up;
mod proof;
mod queues;
mod reload;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use svom_plan::Valid;
use svom_plan::material::Material;
use svom_plan::queues::ObservedQueues;
use svom_plan::status::ProofFinding;
use svom_plan::topology::Topology;
use tokio::time::Instant;

use crate::nats::observe::{Seen, observe};
use crate::nats::system::{Accounts, SystemError};
use crate::nats::whole::{Expected, wait_until_whole};

pub use clients::{Clients, PATIENCE};
pub use findings::{Looked, Presence, Presences, certificates_told, mark_down};

/// How long one look at servers, or at streams and consumers, may take.
const LOOK: Duration = Duration::from_secs(2);

/// Where a piece of work says what it is doing.
pub type Say<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A bus that runs.
pub struct Live {
    /// What is in force.
    pub valid: Valid,
    /// Where the servers stand.
    pub topology: Topology,
    /// Its secrets.
    pub material: Material,
    /// What each server reports as digest once it has the configuration that is wanted, by its name.
    pub digests: BTreeMap<String, String>,
    /// The operator's own connections.
    pub clients: Clients,
    /// Servers for which something was written that they have not read since, each with whether it
    /// holds accounts that they do not know.
    pub unread: BTreeMap<String, Accounts>,
    /// The configuration that every server was told to read once more, since a right did not hold.
    read_again: BTreeMap<String, String>,
    /// What was proven of users' rights.
    pub access: ProofFinding,
    /// What was proven of the way of a message.
    pub data_path: ProofFinding,
    /// What was measured when it was last looked at.
    pub measured: Measured,
    /// What failed.
    pub failures: Failures,
}

/// What was measured of a bus: numbers that change all the time, and stand in no status.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Streams and consumers with what they hold.
    pub queues: ObservedQueues,
    /// How long each stream's leader took to answer a publish.
    pub answered: BTreeMap<String, Duration>,
}

/// What failed when it was last tried, in words. Each kind of work says anew what of it failed, so
/// that nothing is told as failed that has since been done.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    /// Servers that did not read their configuration again.
    pub reload: Vec<String>,
    /// Steps on streams and durable subscriptions.
    pub queues: Option<String>,
    /// The proof of rights, where it could not be tried at all.
    pub proof: Option<String>,
}

impl Failures {
    /// All of them.
    fn words(&self) -> Vec<String> {
        let Self {
            reload,
            queues,
            proof,
        } = self;
        let one_each = [queues, proof].into_iter().flatten();
        reload.iter().chain(one_each).cloned().collect()
    }
}

impl Live {
    /// A bus to which there are connections, and of which nothing was proven yet.
    pub fn new(
        valid: Valid,
        topology: Topology,
        material: Material,
        digests: BTreeMap<String, String>,
        clients: Clients,
    ) -> Self {
        Self {
            valid,
            topology,
            material,
            digests,
            clients,
            unread: BTreeMap::new(),
            read_again: BTreeMap::new(),
            access: ProofFinding::default(),
            data_path: ProofFinding::default(),
            measured: Measured::default(),
            failures: Failures::default(),
        }
    }

    /// Waits until every server has its configuration and every replica is current; what is missing
    /// at the end.
    pub async fn wait_until_whole(&self, patience: Duration, say: Say<'_>) -> Vec<String> {
        let expected = self.expected();
        self.wait_for(&expected, patience, say).await
    }

    async fn wait_for(&self, expected: &Expected, patience: Duration, say: Say<'_>) -> Vec<String> {
        let deadline = Instant::now() + patience;
        let mut told = |missing: &[String]| {
            if let Some(first) = missing.first() {
                say(&format!("waiting: {first}"));
            }
        };
        match wait_until_whole(self.clients.system(), expected, deadline, &mut told).await {
            Ok(waited) => waited.missing,
            Err(error) => vec![error.to_string()],
        }
    }

    /// What the servers say of themselves. Where none answers though one should, the one that the
    /// operator is connected to may hang while the others are well: then the operator leaves it and
    /// asks again.
    ///
    /// # Errors
    /// The connection was closed for good.
    pub async fn seen(&self, anyone_runs: bool) -> Result<Seen, SystemError> {
        let names = self.names();
        let look = || observe(self.clients.system(), &names, Instant::now() + LOOK);
        let seen = look().await?;
        if !anyone_runs || !seen.servers.is_empty() {
            return Ok(seen);
        }
        self.clients.leave_system_server().await;
        look().await
    }

    /// The servers, each with its configuration.
    fn expected(&self) -> Expected {
        let server = |(name, digest): (&String, &String)| (name.clone(), Some(digest.clone()));
        Expected {
            servers: self.digests.iter().map(server).collect(),
            ..Expected::default()
        }
    }

    fn names(&self) -> BTreeSet<String> {
        let servers = self.topology.servers.iter();
        servers.map(|server| server.name.clone()).collect()
    }
}
