//! A bus that stands on this machine: what it was made with, and how it came about.

use std::time::Duration;

use svom_crds::SvomMessagingStatus;
use svom_plan::material::Material;
use svom_plan::server_config::ServerConfig;
use svom_plan::status::Findings;
use svom_plan::topology::{Server, Topology};
use svom_plan::{UnixSeconds, Valid, handout};

use super::apply::{configs, digests};
use super::at_start::{AtStart, StartedWith};
use super::{BusError, Place, Say, now};
use crate::bus::{Clients, Live, PATIENCE, Presence, Presences};
use crate::local::ports;
use crate::local::process::{Servers, State, States, Why};
use crate::local::topology::{Place as LocalPlace, topology};
use crate::nats::bus::BusError as ConnectionError;
use crate::nats::system::Accounts;
use crate::store::Store;

/// How long the cluster may take to form, streams and all.
const FORMING: Duration = Duration::from_secs(60);

/// A bus that stands.
pub struct Standing {
    /// The bus, through the operator's connections.
    pub live: Live,
    pub(super) configs: Vec<ServerConfig>,
    pub(super) started: StartedWith,
    /// Whether what is still to be written for servers holds accounts that they do not know.
    pub(super) unwritten: Accounts,
    /// The restart of a server that was not done when it was last to be, in words.
    pub(super) not_restarted: Option<String>,
}

impl Standing {
    /// Makes what is missing, starts the servers and waits until they form a cluster. Returned with it is
    /// what is missing of that then; an error is what keeps them from being started at all.
    pub async fn bring_up(
        place: &Place,
        store: &Store,
        servers: &Servers,
        wanted: &Valid,
        say: Say<'_>,
    ) -> Result<(Self, Vec<String>), BusError> {
        let topology = topology(LocalPlace {
            name: &wanted.name,
            replicas: wanted.replicas,
            port: place.port,
            folder: &place.folder,
        })
        .map_err(|error| BusError::Failed(error.to_string()))?;
        ports::all_free(&topology, wanted.websocket, place.after_crash)
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
        let clients = connect_to_started(wanted, &topology, &material, servers, say)
            .await
            .map_err(|error| BusError::Failed(format!("{error}{}", ended(servers))))?;
        let started = topology
            .servers
            .iter()
            .map(|server| (server.name.clone(), AtStart::of(wanted)));
        let standing = Self {
            started: started.collect(),
            live: Live::new(
                wanted.clone(),
                topology,
                material,
                digests(&configs),
                clients,
            ),
            configs,
            unwritten: Accounts::Known,
            not_restarted: None,
        };
        let missing = standing.live.wait_until_whole(FORMING, say).await;
        Ok((standing, missing))
    }

    /// Looks at everything.
    pub async fn find(&mut self, states: &States, now: UnixSeconds) -> Findings {
        let mut findings = self.live.find(&presences(states), now).await;
        let waiting = self.waits_for_restart().into_iter().map(|server| {
            let started = self.started.get(&server.name);
            let fields = started.map(|started| started.waiting(&self.live.valid));
            format!(
                "server {} waits to be restarted for {}",
                server.name,
                fields.unwrap_or_default().join(" and ")
            )
        });
        findings.failures.extend(self.not_restarted.clone());
        findings.failures.extend(waiting);
        findings
    }

    /// The servers that were started with something else than what is wanted now.
    pub(super) fn waits_for_restart(&self) -> Vec<Server> {
        let Live {
            valid, topology, ..
        } = &self.live;
        let wanted = AtStart::of(valid);
        let waits = |server: &&Server| self.started.get(&server.name) != Some(&wanted);
        topology.servers.iter().filter(waits).cloned().collect()
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        handout::url(&self.live.topology)
    }

    /// Where clients connect by websocket, where they may.
    pub fn websocket_url(&self) -> Option<String> {
        handout::websocket_url(&self.live.valid, &self.live.topology)
    }

    /// What `local up` says when the bus is up.
    pub fn summary(&self, status: &SvomMessagingStatus, store: &Store) -> String {
        super::summary::summary(self, status, store)
    }
}

/// Whether a server's process runs.
pub(super) fn runs(state: &State) -> bool {
    matches!(state, State::Running { .. })
}

/// Whether the process of any server runs.
pub(super) fn any_runs(states: &States) -> bool {
    states.values().any(runs)
}

/// What is known of servers by their processes.
pub(super) fn presences(states: &States) -> Presences {
    let presence = |state: &State| Presence {
        down: down(state),
        node: None,
    };
    let one = |(name, state): (&String, &State)| (name.clone(), presence(state));
    states.iter().map(one).collect()
}

fn down(state: &State) -> Option<String> {
    match state {
        State::Running { .. } => None,
        State::Ending { .. } => Some("is ending".to_owned()),
        State::Down(why @ (Why::Killed | Why::Stopped)) => Some(format!(
            "is down: {why}; start it with `svom-messaging local start`"
        )),
        State::Down(why) => Some(format!("is down: {why}")),
        State::Restarting { ended, .. } => Some(format!("ended and is started again: {ended}")),
    }
}

/// Connects to servers that were just started. One alone listens only when it has read its whole
/// store, which takes minutes where that is large and was not closed in order: it is waited for while
/// its process runs, as long as for a restart.
async fn connect_to_started(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
    servers: &Servers,
    say: Say<'_>,
) -> Result<Clients, ConnectionError> {
    let longest = PATIENCE.max(valid.max_wait_per_server);
    let mut told = false;
    let goes_on = |why: &ConnectionError, waited| {
        if !told && waited > PATIENCE {
            told = true;
            say(&format!(
                "waiting: {why}; the servers run, and read what they have stored"
            ));
        }
        waited < PATIENCE || waited < longest && servers.states().values().all(runs)
    };
    Clients::keep_trying(valid, topology, material, goes_on).await
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
