//! The bus on this machine as the suites know a bus: by the commands that a person has.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use svom_crds::SvomMessagingStatus;

use super::{ENDS_WITHIN, LOG_TAIL, LocalBus, tail};
use crate::bus::{Bus, Credentials, RouteDoor, digest_of};
use crate::command::{Ended, ended};
use crate::poll;
use crate::program::{outcome, run};

const APPLIED_WITHIN: Duration = Duration::from_secs(300);
const LAME_DUCK_WITHIN: Duration = Duration::from_secs(120);

impl Bus for LocalBus {
    fn apply(&self, resource: &str) -> Result<()> {
        let Ended { code, said, .. } = self.try_apply(resource)?;
        ensure!(
            code == Some(0),
            "`local apply` ended with {code:?}:\n{said}"
        );
        Ok(())
    }

    fn status(&self) -> Result<SvomMessagingStatus> {
        self.is_running()?;
        let mut status = self.local(&["status", "--output", "json"])?;
        let output = outcome(&mut status, ENDS_WITHIN)?;
        let status: SvomMessagingStatus = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("no status: {}", String::from_utf8_lossy(&output.stderr)))?;
        let ready = crate::bus::is_ready(&status);
        if ready != output.status.success() {
            bail!(
                "`local status` ended with {} and says Ready={ready}",
                output.status
            );
        }
        Ok(status)
    }

    fn servers(&self) -> Vec<String> {
        self.servers.clone()
    }

    fn credentials(&self, user: &str) -> Result<Credentials> {
        Credentials::read(&self.state().join("users").join(user))
    }

    fn kill(&self, server: &str) -> Result<()> {
        run(&mut self.local(&["kill", server])?)?;
        self.wait_until_gone(server, ENDS_WITHIN)
    }

    fn stop(&self, server: &str) -> Result<()> {
        run(&mut self.local(&["stop", server])?)?;
        self.wait_until_gone(server, LAME_DUCK_WITHIN)
    }

    fn start(&self, server: &str) -> Result<()> {
        run(&mut self.local(&["start", server])?)?;
        self.wait_until_ready()
    }

    fn memory(&self, server: &str) -> Result<u64> {
        self.process(server)?.memory()
    }

    fn given_digest(&self, server: &str) -> Result<String> {
        digest_of(&self.configuration(server)?)
    }

    fn route_door(&self, server: &str) -> Result<RouteDoor> {
        let files = self.store(server);
        Ok(RouteDoor {
            address: self.route_address(server)?,
            host: "127.0.0.1".to_owned(),
            authority: files.join("route-ca.crt"),
            certificate: files.join("route.pem"),
            shown_to_clients: files.join("client.pem"),
            configuration: serde_json::from_str(&self.configuration(server)?)?,
            way: None,
        })
    }
}

impl LocalBus {
    /// That its runner has not ended.
    ///
    /// # Errors
    /// When it has; with its last words.
    pub fn is_running(&self) -> Result<()> {
        if let Some(runner) = self.runner().as_mut()
            && let Some(ended) = runner.try_wait()?
        {
            bail!(
                "svom-messaging local up has ended ({ended}):\n{}",
                tail(&self.log(), LOG_TAIL)
            );
        }
        Ok(())
    }

    /// Asks for a resource, and says what came of it.
    ///
    /// # Errors
    /// When the command does not end.
    pub fn try_apply(&self, resource: &str) -> Result<Ended> {
        fs::write(self.resource(), resource)?;
        let mut apply = self.local(&["apply"])?;
        ended(apply.arg("--file").arg(self.resource()), APPLIED_WITHIN)
    }

    /// What the server reads.
    fn configuration(&self, server: &str) -> Result<String> {
        let path = self.store(server).join("server.json");
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn wait_until_gone(&self, server: &str, limit: Duration) -> Result<()> {
        poll::until(&format!("{server} to be gone"), limit, || {
            Ok(self.process(server).is_err().then_some(()))
        })
    }
}
