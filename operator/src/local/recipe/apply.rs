//! From what is in force to what is wanted: by reload where that does, else server by server.

use std::collections::BTreeMap;
use std::time::Duration;

use svom_plan::material::Material;
use svom_plan::server_config::{ServerConfig, server_configs};
use svom_plan::topology::{Server, Topology};
use svom_plan::valid::Sync;
use svom_plan::{Problem, Valid};
use tokio::time::Instant;

use super::clients::Clients;
use super::standing::{LOOK, Standing};
use super::{BusError, Say, files, now};
use crate::local::process::{LAME_DUCK_BOUND, Servers};
use crate::nats::observe::{Seen, observe};
use crate::nats::system::{self, Accounts};
use crate::store::Store;

/// How long a server may take to read its configuration again; it takes milliseconds.
const RELOAD: Duration = Duration::from_secs(10);
/// How long all servers may take until the new configuration is in force.
const IN_FORCE: Duration = Duration::from_secs(20);

/// What each server was started with and reads only then, by the server's name. Each server's
/// configuration holds its own until it is restarted, so that a reload always does for the rest, also
/// while a restart of all of them is under way or has stopped.
pub type StartedWith = BTreeMap<String, Sync>;

/// The configuration of every server.
///
/// # Errors
/// Something of the resource cannot be written down or does not fit.
pub fn configs(
    valid: &Valid,
    topology: &Topology,
    material: &Material,
    started: &StartedWith,
) -> Result<Vec<ServerConfig>, Vec<Problem>> {
    let configs = server_configs(valid, topology, material)?;
    let with_own = |config: ServerConfig| match started.get(&config.server) {
        Some(sync) if *sync != valid.sync => {
            let as_started = Valid {
                sync: *sync,
                ..valid.clone()
            };
            let own = server_configs(&as_started, topology, material)?;
            Ok(own
                .into_iter()
                .find(|own| own.server == config.server)
                .unwrap_or(config))
        }
        _ => Ok(config),
    };
    configs.into_iter().map(with_own).collect()
}

/// Another state, with all that it takes to put it in force.
pub struct Next {
    valid: Valid,
    material: Material,
    configs: Vec<ServerConfig>,
}

impl Standing {
    /// Another state; what is missing for it is made.
    ///
    /// # Errors
    /// Something of it cannot be had.
    pub fn next(&self, wanted: &Valid, store: &Store) -> Result<Next, BusError> {
        let material = store.complete(wanted, &self.topology, now())?;
        self.next_with(wanted, material)
    }

    /// The state in force less something. It takes the secrets that are in force and looks for no
    /// others, so that no Secret that is gone and no authority at its end holds it up.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn less(&self, less: &Valid) -> Result<Next, BusError> {
        self.next_with(less, self.material.clone())
    }

    fn next_with(&self, valid: &Valid, material: Material) -> Result<Next, BusError> {
        let configs =
            configs(valid, &self.topology, &material, &self.started).map_err(BusError::Problems)?;
        Ok(Next {
            valid: valid.clone(),
            material,
            configs,
        })
    }

    /// Puts another state in force. What a reload can do is done first, so that what takes rights away
    /// waits for no restart.
    ///
    /// # Errors
    /// The system or the servers refused; what was reached by then is in the findings.
    pub async fn bring_to(
        &mut self,
        next: Next,
        store: &Store,
        servers: &Servers,
        say: Say<'_>,
    ) -> Result<(), BusError> {
        let known = |user| self.valid.users.contains_key(user);
        let accounts = if next.valid.users.keys().all(known) {
            Accounts::Known
        } else {
            Accounts::Added
        };
        self.failures.clear();
        self.valid = next.valid;
        self.material = next.material;
        self.configs = next.configs;
        self.reload(accounts, store, say).await?;
        store.hand_out(&self.valid, &self.topology, &self.material)?;
        if !self.clients.fit(&self.material) {
            self.clients = Clients::connect(&self.valid, &self.topology, &self.material).await?;
        }
        self.restart_one_by_one(store, servers, say).await
    }

    async fn reload(
        &mut self,
        accounts: Accounts,
        store: &Store,
        say: Say<'_>,
    ) -> Result<(), BusError> {
        let different = files::write_servers(store, &self.topology, &self.material, &self.configs)?;
        self.unread.extend(different);
        let seen = observe(self.clients.system(), &self.names(), Instant::now() + LOOK)
            .await
            .map_err(|error| BusError::Failed(error.to_string()))?;
        for found in seen.servers.values() {
            let server = &found.server;
            let is_behind = self.digest(&server.name) != Some(&found.config_digest);
            if !is_behind && !self.unread.contains(&server.name) {
                continue;
            }
            say(&format!(
                "server {} reads its configuration again",
                server.name
            ));
            match system::reload(self.clients.system(), server, accounts, RELOAD).await {
                Ok(()) => {
                    self.unread.remove(&server.name);
                }
                Err(error) => self.failures.push(error.to_string()),
            }
        }
        self.wait_for_reloaded(&seen, say).await;
        Ok(())
    }

    /// Servers that are down read their configuration when they start; those that answered have it
    /// soon. Who has it not is found, and told, by the next look.
    async fn wait_for_reloaded(&self, seen: &Seen, say: Say<'_>) {
        let all_answered = self
            .configs
            .iter()
            .all(|config| seen.servers.contains_key(&config.server));
        if all_answered && self.failures.is_empty() {
            self.wait_for(&self.expected(), IN_FORCE, say).await;
        }
    }

    fn digest(&self, server: &str) -> Option<&String> {
        let config = self.configs.iter().find(|config| config.server == server);
        config.map(|config| &config.digest)
    }

    /// The servers that were started with something else than what is wanted now.
    pub(super) fn waits_for_restart(&self) -> Vec<Server> {
        let waits = |server: &&Server| self.started.get(&server.name) != Some(&self.valid.sync);
        self.topology
            .servers
            .iter()
            .filter(waits)
            .cloned()
            .collect()
    }

    /// One server after another: the bus is whole before a server is stopped, and whole again before
    /// the next one is. Where it does not get whole in time, the rest stays as it was.
    async fn restart_one_by_one(
        &mut self,
        store: &Store,
        servers: &Servers,
        say: Say<'_>,
    ) -> Result<(), BusError> {
        let waiting = self.waits_for_restart();
        if waiting.is_empty() {
            return Ok(());
        }
        for server in waiting {
            let patience = self.valid.max_wait_per_server;
            if let Some(first) = self.wait_until_whole(patience, say).await.first() {
                self.failures.push(format!(
                    "server {} is not restarted, since the bus was not whole within \
                     spec.rollout.maxWaitPerServer: {first}; mend that and apply the resource again",
                    server.name
                ));
                return Ok(());
            }
            say(&format!("server {} is restarted", server.name));
            let failed =
                |error: crate::local::process::ServersError| BusError::Failed(error.to_string());
            servers
                .stop(&server.name, LAME_DUCK_BOUND)
                .await
                .map_err(failed)?;
            self.started.insert(server.name.clone(), self.valid.sync);
            self.configs = configs(&self.valid, &self.topology, &self.material, &self.started)
                .map_err(BusError::Problems)?;
            files::write_servers(store, &self.topology, &self.material, &self.configs)?;
            servers.start(&server.name).await.map_err(failed)?;
        }
        // The last one's, so that the proof finds a whole bus.
        self.wait_until_whole(self.valid.max_wait_per_server, say)
            .await;
        Ok(())
    }
}
