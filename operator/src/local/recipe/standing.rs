//! A bus that stands: what is in force, what it was made with, and the connections to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use svom_crds::SvomMessagingStatus;
use svom_plan::access::matrix;
use svom_plan::material::{Credential, Material};
use svom_plan::queues::{ObservedQueues, consumers, queue_plan, streams};
use svom_plan::server_config::ServerConfig;
use svom_plan::status::ProofFinding;
use svom_plan::topology::Topology;
use svom_plan::{Valid, handout};
use tokio::time::{Instant, sleep_until};

use super::apply::{StartedWith, configs};
use super::clients::Clients;
use super::{BusError, Place, Say, now};
use crate::local::ports;
use crate::local::process::{Servers, State, States};
use crate::local::topology::{Place as LocalPlace, topology};
use crate::nats::bus::identities;
use crate::nats::data_path::data_path;
use crate::nats::prove::prove;
use crate::nats::queues;
use crate::nats::whole::{Expected, wait_until_whole};
use crate::store::Store;

/// How long the cluster may take to form, streams and all.
const FORMING: Duration = Duration::from_secs(60);
/// How long all steps on streams and consumers may take.
const QUEUES: Duration = Duration::from_secs(30);
/// Pauses between looks at streams and consumers on which steps failed.
const STEPS_AGAIN: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// How long rights may take until they hold.
const PROVING: Duration = Duration::from_secs(20);
/// How long one look at streams and consumers may take.
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
    /// Servers whose files were written and that have not read them since. A certificate that is
    /// renewed changes no digest, so nothing else tells.
    pub(super) unread: BTreeSet<String>,
    pub(super) clients: Clients,
    pub(super) access: ProofFinding,
    pub(super) data_path: ProofFinding,
    /// What failed since the last change, in words.
    pub(super) failures: Vec<String>,
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
        super::files::write_servers(store, &topology, &material, &configs)?;
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
        let clients = Clients::connect(wanted, &topology, &material)
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
            unread: BTreeSet::new(),
            clients,
            access: ProofFinding::default(),
            data_path: ProofFinding::default(),
            failures: Vec::new(),
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

    /// The servers, each with its configuration.
    pub(super) fn expected(&self) -> Expected {
        let server = |config: &ServerConfig| (config.server.clone(), Some(config.digest.clone()));
        Expected {
            servers: self.configs.iter().map(server).collect(),
            ..Expected::default()
        }
    }

    /// What streams and consumers there are.
    ///
    /// # Errors
    /// They cannot be read, in words.
    pub async fn observe_queues(&self) -> Result<ObservedQueues, String> {
        let deadline = Instant::now() + LOOK;
        queues::observe(self.clients.jetstream(), deadline)
            .await
            .map_err(|error| error.to_string())
    }

    /// Brings streams and consumers about and, where all servers run, waits until every replica is
    /// current: for one that is down nobody waits.
    pub async fn sync_queues(&mut self, states: &States, say: Say<'_>) {
        if self.valid.paused {
            return;
        }
        let deadline = Instant::now() + QUEUES;
        if let Err(failure) = self.queue_steps(deadline, say).await {
            self.failures.push(failure);
        }
        let runs = |state: &State| matches!(state, State::Running { .. });
        if !states.values().all(runs) {
            return;
        }
        let mut expected = self.expected();
        expected.streams = streams(&self.valid)
            .into_iter()
            .map(|(name, stream)| (name, stream.num_replicas.into()))
            .collect();
        expected.consumers = consumers(&self.valid)
            .into_iter()
            .map(|(id, consumer)| (id, consumer.num_replicas.into()))
            .collect();
        let left = deadline.saturating_duration_since(Instant::now());
        // What is still missing is found again, and told, by the next look.
        self.wait_for(&expected, left, say).await;
    }

    /// Looks and acts until nothing is left to do: right after one step the servers may refuse
    /// another for a moment (a consumer's update after its stream got more replicas: error 10126).
    async fn queue_steps(&self, deadline: Instant, say: Say<'_>) -> Result<(), String> {
        let mut failures = Vec::new();
        for pause in STEPS_AGAIN {
            let observed = queues::observe(self.clients.jetstream(), deadline)
                .await
                .map_err(|error| error.to_string())?;
            let plan = queue_plan(&self.valid, &observed, now());
            if plan.steps.is_empty() {
                return Ok(());
            }
            let count = plan.steps.len();
            say(&format!(
                "{count} step(s) on streams and durable subscriptions"
            ));
            let applied = queues::apply(self.clients.jetstream(), &plan.steps, deadline).await;
            failures = applied.failed;
            if failures.is_empty() && applied.left == 0 {
                return Ok(());
            }
            sleep_until(deadline.min(Instant::now() + pause)).await;
        }
        Err(failures
            .first()
            .map(ToString::to_string)
            .unwrap_or_default())
    }

    /// Proves every right of every user, and the way of a message, against the live servers.
    pub async fn prove(&mut self, say: Say<'_>) {
        let cells = matrix::matrix(&self.valid);
        let count: usize = cells.values().map(Vec::len).sum();
        say(&format!(
            "proving {count} cells of the rights matrix and the way of a message"
        ));
        let identities = match identities(&self.valid, &self.topology, &self.material) {
            Ok(identities) => identities,
            Err(error) => return self.failures.push(error.to_string()),
        };
        let deadline = Instant::now() + PROVING;
        let proof = prove(&identities, &cells, deadline).await;
        let failed = proof.failed.iter().flat_map(|(user, failures)| {
            failures
                .iter()
                .map(|failure| (user.to_string(), failure.to_string()))
        });
        let untried = proof
            .untried
            .iter()
            .map(|(user, why)| (user.to_string(), format!("could not be tried: {why}")));
        self.access = ProofFinding {
            tried: count,
            failed: failed.chain(untried).collect(),
            unproven: self.unproven(),
        };
        self.prove_data_path(PROVING).await;
    }

    /// Proves the way of a message again, which says whether messages can be stored now.
    pub(super) async fn prove_data_path(&mut self, patience: Duration) {
        let queues: BTreeMap<String, String> = self
            .valid
            .queues()
            .map(|queue| (svom_plan::names::stream(&queue.domain), queue.to_string()))
            .collect();
        let found = data_path(self.clients.jetstream(), &queues, Instant::now() + patience).await;
        let streams = found
            .streams
            .iter()
            .filter_map(|(name, result)| Some((name.clone(), result.as_ref().err()?.clone())));
        let probe = found
            .probe
            .as_ref()
            .err()
            .map(|why| ("probe".to_owned(), why.clone()));
        self.data_path = ProofFinding {
            tried: queues.len() + 1,
            failed: streams.chain(probe).collect(),
            unproven: Vec::new(),
        };
    }

    /// Whether rights and data path held when they were last tried.
    pub fn is_proven(&self) -> bool {
        [&self.access, &self.data_path]
            .iter()
            .all(|proof| proof.tried > 0 && proof.failed.is_empty())
    }

    fn unproven(&self) -> Vec<(String, String)> {
        let stand_in = |credential: &Credential| matches!(credential, Credential::Nkey { own, .. } if own.seed.is_none());
        self.valid
            .users
            .keys()
            .filter(|user| self.material.users.get(user).is_some_and(stand_in))
            .map(|user| {
                let words = "its rights are proven by a stand-in with the same rights; its own key is not, since \
                             the seed stays with its owner";
                (user.to_string(), words.to_owned())
            })
            .collect()
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
