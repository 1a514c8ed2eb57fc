//! A server as many people set it up: one account, users with the permissions that they need. Attacks
//! must succeed here, or their failure elsewhere would prove nothing.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::poll;
use crate::ports::Ports;
use crate::raw::Raw;

/// The password of every user of a bare server, which is no secret.
pub const PASSWORD: &str = "not-a-secret";

/// One bare server; it ends when dropped.
#[derive(Debug)]
pub struct BareServer {
    process: Child,
    address: String,
    _folder: TempDir,
    _ports: Ports,
}

impl BareServer {
    /// Starts the program with these entries of the only account's `users`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &Path, users: &serde_json::Value) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("svom-bare-").tempdir()?;
        let ports = Ports::take()?;
        let config = serde_json::json!({
            "host": "127.0.0.1", "port": ports.first,
            "jetstream": {"store_dir": folder.path().join("store")},
            "authorization": {"users": users},
        });
        let path = folder.path().join("server.json");
        fs::write(&path, config.to_string())?;
        let process = Command::new(program)
            .arg("--config")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let server = Self {
            process,
            address: format!("127.0.0.1:{}", ports.first),
            _folder: folder,
            _ports: ports,
        };
        poll::until("the bare server", Duration::from_secs(20), || {
            Ok(server.connect("admin").ok().map(|_| ()))
        })?;
        Ok(server)
    }

    /// Connects as one of its users.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn connect(&self, user: &str) -> Result<Raw> {
        Raw::connect_plainly(&self.address, user, PASSWORD)
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        // A server that has ended already is no error.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
