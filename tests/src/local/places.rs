//! Where everything of a bus on this machine is: files, ports, processes.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::LocalBus;
use crate::processes::{Server, servers_of};

impl LocalBus {
    /// Folder of the bus's state, `DIR` of the command line.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join(&self.state)
    }

    /// Folder of brought secrets; not there unless a test makes it.
    pub fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    /// Lays a Secret with these keys where the bus looks for brought ones, in place of one that is
    /// there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn bring(&self, secret: &str, keys: &[(&str, &[u8])]) -> Result<()> {
        let folder = self.secrets().join(secret);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for (key, value) in keys {
            fs::write(folder.join(key), value)?;
        }
        Ok(())
    }

    /// Folder of a server: its configuration, certificates, log and messages.
    pub fn store(&self, server: &str) -> PathBuf {
        self.state().join("servers").join(server)
    }

    /// Address of the server's port for other servers.
    pub(super) fn route_address(&self, server: &str) -> Result<String> {
        let index = self.servers.iter().position(|name| name == server);
        let index = index.with_context(|| format!("there is no server {server}"))?;
        let port = usize::from(self.ports.first) + 2_000 + index;
        Ok(format!("127.0.0.1:{port}"))
    }

    /// The nats-servers that run.
    pub fn processes(&self) -> Vec<Server> {
        servers_of(&self.state())
    }

    /// The process of one server.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&self, server: &str) -> Result<Server> {
        let folder = self.store(server);
        self.processes()
            .into_iter()
            .find(|process| process.runs_in(&folder))
            .with_context(|| format!("{server} does not run"))
    }

    /// File of the resource.
    pub fn resource(&self) -> PathBuf {
        self.folder.path().join("resource.yaml")
    }

    /// Where the runner's output goes.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("runner.log")
    }

    /// The first port of its clients.
    pub fn port(&self) -> u16 {
        self.ports.first
    }
}
