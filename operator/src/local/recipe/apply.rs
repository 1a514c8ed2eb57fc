//! From what is in force to what is wanted: by reload where that does, else server by server.

use std::collections::BTreeMap;

use svom_plan::material::Material;
use svom_plan::server_config::{ServerConfig, server_configs};
use svom_plan::status::ProofFinding;
use svom_plan::topology::{Server, Topology};
use svom_plan::{Problem, Valid};

use super::at_start::{AtStart, StartedWith};
use super::standing::{Standing, any_runs};
use super::{BusError, Say, files, now};
use crate::bus::Clients;
use crate::local::ports;
use crate::local::process::{LAME_DUCK_BOUND, Servers, ServersError, States};
use crate::local::run::Further;
use crate::nats::system::Accounts;
use crate::store::Store;

/// The configuration of every server. Each holds what its server was started with, also while a restart
/// of all of them is under way or has stopped.
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
        Some(at_start) if *at_start != AtStart::of(valid) => {
            let own = server_configs(&at_start.instead(valid), topology, material)?;
            Ok(own
                .into_iter()
                .find(|own| own.server == config.server)
                .unwrap_or(config))
        }
        _ => Ok(config),
    };
    configs.into_iter().map(with_own).collect()
}

/// The digest of each configuration, by its server's name.
pub fn digests(configs: &[ServerConfig]) -> BTreeMap<String, String> {
    let digest = |config: &ServerConfig| (config.server.clone(), config.digest.clone());
    configs.iter().map(digest).collect()
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
        let material = store.complete(wanted, &self.live.topology, now())?;
        self.next_with(wanted, material)
    }

    /// The state in force less something. It takes the secrets that are in force and looks for no
    /// others, so that no Secret that is gone and no authority at its end holds it up.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn less(&self, less: &Valid) -> Result<Next, BusError> {
        self.next_with(less, self.live.material.clone())
    }

    fn next_with(&self, valid: &Valid, material: Material) -> Result<Next, BusError> {
        let configs = configs(valid, &self.live.topology, &material, &self.started)
            .map_err(BusError::Problems)?;
        Ok(Next {
            valid: valid.clone(),
            material,
            configs,
        })
    }

    /// Puts another state in force, as far as a reload can: what takes rights away waits for no restart.
    /// It may be dropped where it waits and begun anew.
    ///
    /// # Errors
    /// The system or the servers refused; what was reached by then is in the findings.
    pub async fn bring_to(
        &mut self,
        next: Next,
        store: &Store,
        states: &States,
        say: Say<'_>,
    ) -> Result<(), BusError> {
        let known = |user| self.live.valid.users.contains_key(user);
        if !next.valid.users.keys().all(known) {
            self.unwritten = Accounts::Added;
        }
        if next.valid != self.live.valid {
            // What was proven was another state.
            self.live.access = ProofFinding::default();
        }
        self.live.valid = next.valid;
        self.live.material = next.material;
        self.set_configs(next.configs);
        self.write(store)?;
        let reloaded = self.live.reload(any_runs(states), say).await;
        reloaded.map_err(|error| BusError::Failed(error.to_string()))?;
        store.hand_out(&self.live.valid, &self.live.topology, &self.live.material)?;
        if !self.live.clients.fit(&self.live.material) {
            self.live.clients =
                Clients::connect(&self.live.valid, &self.live.topology, &self.live.material)
                    .await?;
        }
        Ok(())
    }

    /// Takes these configurations as those that are wanted; gives those before them.
    fn set_configs(&mut self, configs: Vec<ServerConfig>) -> Vec<ServerConfig> {
        self.live.digests = digests(&configs);
        std::mem::replace(&mut self.configs, configs)
    }

    /// Writes what the servers read, and notes who has to read it.
    fn write(&mut self, store: &Store) -> Result<(), BusError> {
        let (unread, accounts) = (&mut self.live.unread, self.unwritten);
        let different = |server: &str| {
            let noted = unread.entry(server.to_owned()).or_insert(accounts);
            *noted = accounts.max(*noted);
        };
        files::write_servers(
            store,
            &self.live.topology,
            &self.live.material,
            &self.configs,
            different,
        )?;
        self.unwritten = Accounts::Known;
        Ok(())
    }

    /// One server after another: the bus is whole before a server is stopped, and whole again before
    /// the next one is. Where it does not get whole in time, or a further change is asked for, the rest
    /// stays as it was.
    ///
    /// # Errors
    /// The system refused.
    pub(super) async fn restart_one_by_one(
        &mut self,
        store: &Store,
        servers: &Servers,
        say: Say<'_>,
        further: &Further,
    ) -> Result<(), BusError> {
        self.not_restarted = None;
        let waiting = self.waits_for_restart();
        if waiting.is_empty() {
            return Ok(());
        }
        for server in waiting {
            if let Some(why) = self.may_not_restart(&server, say, further).await {
                self.not_restarted =
                    Some(format!("server {} is not restarted, {why}", server.name));
                return Ok(());
            }
            say(&format!("server {} is restarted", server.name));
            self.restart(&server, store, servers).await?;
        }
        // The last one's, so that the proof finds a whole bus.
        let patience = self.live.valid.max_wait_per_server;
        tokio::select! {
            _ = self.live.wait_until_whole(patience, say) => {}
            () = further.asked_for() => {}
        }
        Ok(())
    }

    /// Why this server may not be restarted now.
    async fn may_not_restart(
        &self,
        server: &Server,
        say: Say<'_>,
        further: &Further,
    ) -> Option<String> {
        let patience = self.live.valid.max_wait_per_server;
        let missing = tokio::select! {
            biased;
            () = further.asked_for() => {
                return Some("since a further change was asked for, which goes on with that".to_owned());
            }
            missing = self.live.wait_until_whole(patience, say) => missing,
        };
        if let Some(first) = missing.first() {
            return Some(format!(
                "since the bus was not whole within spec.rollout.maxWaitPerServer: {first}; mend that and apply the \
                 resource again"
            ));
        }
        // A server whose port is taken would not come back.
        let started = self.started.get(&server.name)?;
        let gets_websocket = started.gets_websocket(&self.live.valid);
        let taken = gets_websocket
            .then(|| ports::websocket_free(server))?
            .err()?;
        Some(format!("since {taken}; then apply the resource again"))
    }

    async fn restart(
        &mut self,
        server: &Server,
        store: &Store,
        servers: &Servers,
    ) -> Result<(), BusError> {
        let failed = |error: ServersError| BusError::Failed(error.to_string());
        servers
            .stop(&server.name, LAME_DUCK_BOUND)
            .await
            .map_err(failed)?;
        let written = self.start_with(&server.name, store);
        // Also where that failed: then it starts with what it had.
        servers.start(&server.name).await.map_err(failed)?;
        written?;
        // It read everything when it started.
        self.live.unread.remove(&server.name);
        Ok(())
    }

    /// Writes for a server that is down what it reads only when it starts.
    fn start_with(&mut self, server: &str, store: &Store) -> Result<(), BusError> {
        let mut started = self.started.clone();
        started.insert(server.to_owned(), AtStart::of(&self.live.valid));
        let configs = configs(
            &self.live.valid,
            &self.live.topology,
            &self.live.material,
            &started,
        )
        .map_err(BusError::Problems)?;
        let before = self.set_configs(configs);
        match self.write(store) {
            Ok(()) => {
                self.started = started;
                Ok(())
            }
            Err(error) => {
                self.set_configs(before);
                Err(error)
            }
        }
    }
}
