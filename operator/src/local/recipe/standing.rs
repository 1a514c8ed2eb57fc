//! A bus that stands: what is in force, what it was made with, and the connections to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use svom_crds::SvomMessagingStatus;
use svom_plan::material::Material;
use svom_plan::server_config::ServerConfig;
use svom_plan::status::ProofFinding;
use svom_plan::topology::Topology;
use svom_plan::{Valid, handout};
use tokio::time::Instant;

use super::apply::{StartedWith, configs};
use super::clients::Clients;
use super::{BusError, Place, Say, now};
use crate::local::ports;
use crate::local::process::{Servers, State, States};
use crate::local::topology::{Place as LocalPlace, topology};
use crate::nats::observe::{Seen, observe};
use crate::nats::system::{Accounts, SystemError};
use crate::nats::whole::{Expected, wait_until_whole};
use crate::store::Store;

/// How long the cluster may take to form, streams and all.
const FORMING: Duration = Duration::from_secs(60);
/// How long one look at servers, or at streams and consumers, may take.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// A bus that stands.
pub struct Standing {
    /// What is in force.
    pub valid: Valid,
    /// Where the servers stand.
    pub topology: Topology,
    /// Its secrets.
    pub material: Material,
    pub(super) configs: Vec<ServerConfig>,
    pub(super) started: StartedWith,
    /// Servers whose files were written and that have not read them since, each with whether the files
    /// hold accounts that it does not know. A certificate that is renewed changes no digest, so nothing
    /// else tells.
    pub(super) unread: BTreeMap<String, Accounts>,
    /// Whether what is still to be written for servers holds accounts that they do not know.
    pub(super) unwritten: Accounts,
    pub(super) clients: Clients,
    pub(super) access: ProofFinding,
    pub(super) data_path: ProofFinding,
    pub(super) failures: Failures,
}

/// What failed when it was last tried, in words. Each kind of work says anew what of it failed, so
/// that nothing is told as failed that has since been done.
#[derive(Default)]
pub(super) struct Failures {
    /// Servers that did not read their configuration again.
    pub(super) reload: Vec<String>,
    /// The restart of a server.
    pub(super) restart: Option<String>,
    /// Steps on streams and durable subscriptions.
    pub(super) queues: Option<String>,
    /// The proof of rights, where it could not be tried at all.
    pub(super) proof: Option<String>,
}

impl Failures {
    /// All of them.
    pub(super) fn words(&self) -> Vec<String> {
        let Self {
            reload,
            restart,
            queues,
            proof,
        } = self;
        let one_each = [restart, queues, proof].into_iter().flatten();
        reload.iter().chain(one_each).cloned().collect()
    }
}

impl Standing {
    /// Makes what is missing, starts the servers and waits until they form a cluster. Whether they do
    /// is told by the findings; an error is what keeps them from being started at all.
    pub async fn bring_up(
        place: &Place,
        store: &Store,
        servers: &Servers,
        wanted: &Valid,
        say: Say<'_>,
    ) -> Result<Self, BusError> {
        let topology = topology(LocalPlace {
            name: &wanted.name,
            replicas: wanted.replicas,
            port: place.port,
            folder: &place.folder,
        })
        .map_err(|error| BusError::Failed(error.to_string()))?;
        ports::all_free(&topology, place.after_crash)
            .await
            .map_err(|error| BusError::Failed(error.to_string()))?;
        say("making what is missing of keys, certificates and passwords");
        let material = store.complete(wanted, &topology, now())?;
        let started = StartedWith::new();
        let configs =
            configs(wanted, &topology, &material, &started).map_err(BusError::Problems)?;
        // They read everything when they start.
        super::files::write_servers(store, &topology, &material, &configs, |_| ())?;
        store.hand_out(wanted, &topology, &material)?;
        say(&format!("starting {} server(s)", topology.servers.len()));
        for server in &topology.servers {
            let started = async {
                servers.add(&server.name).await?;
                servers.start(&server.name).await
            };
            started
                .await
                .map_err(|error| BusError::Failed(error.to_string()))?;
        }
        let clients = Clients::connect_to_started(wanted, &topology, &material, servers, say)
            .await
            .map_err(|error| BusError::Failed(format!("{error}{}", ended(servers))))?;
        let started = topology
            .servers
            .iter()
            .map(|server| (server.name.clone(), wanted.sync));
        let standing = Self {
            valid: wanted.clone(),
            started: started.collect(),
            topology,
            material,
            configs,
            unread: BTreeMap::new(),
            unwritten: Accounts::Known,
            clients,
            access: ProofFinding::default(),
            data_path: ProofFinding::default(),
            failures: Failures::default(),
        };
        // What is missing then is found, and told, by the next look.
        standing.wait_until_whole(FORMING, say).await;
        Ok(standing)
    }

    /// Waits until every server has its configuration and every replica is current; what is missing
    /// at the end.
    pub async fn wait_until_whole(&self, patience: Duration, say: Say<'_>) -> Vec<String> {
        let expected = self.expected();
        self.wait_for(&expected, patience, say).await
    }

    pub(super) async fn wait_for(
        &self,
        expected: &Expected,
        patience: Duration,
        say: Say<'_>,
    ) -> Vec<String> {
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

    /// What the servers say of themselves. Where none answers, the one that the operator is connected to
    /// may hang while the others are well: then the operator leaves it and asks again.
    ///
    /// # Errors
    /// The connection was closed for good.
    pub(super) async fn seen(&self, states: &States) -> Result<Seen, SystemError> {
        let names = self.names();
        let look = || observe(self.clients.system(), &names, Instant::now() + LOOK);
        let seen = look().await?;
        let nobody_runs = !states.values().any(runs);
        if nobody_runs || !seen.servers.is_empty() {
            return Ok(seen);
        }
        self.clients.leave_system_server().await;
        look().await
    }

    /// The servers, each with its configuration.
    pub(super) fn expected(&self) -> Expected {
        let server = |config: &ServerConfig| (config.server.clone(), Some(config.digest.clone()));
        Expected {
            servers: self.configs.iter().map(server).collect(),
            ..Expected::default()
        }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        handout::url(&self.topology)
    }

    /// What `local up` says when the bus is up.
    pub fn summary(&self, status: &SvomMessagingStatus, store: &Store) -> String {
        super::summary::summary(self, status, store)
    }

    pub(super) fn names(&self) -> BTreeSet<String> {
        self.topology
            .servers
            .iter()
            .map(|server| server.name.clone())
            .collect()
    }
}

/// Whether a server's process runs.
pub(super) fn runs(state: &State) -> bool {
    matches!(state, State::Running { .. })
}

/// How servers that are not running ended, for an error that says that none answers.
fn ended(servers: &Servers) -> String {
    let words: Vec<String> = servers
        .states()
        .iter()
        .filter_map(|(name, state)| match state {
            State::Restarting { ended, .. } => Some(format!("; server {name} ended: {ended}")),
            State::Down(why) => Some(format!("; server {name} is down: {why}")),
            State::Running { .. } | State::Ending { .. } => None,
        })
        .collect();
    words.concat()
}
