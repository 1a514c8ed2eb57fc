//! The bus on a cluster as the suites know a bus: by what a person has who has kubectl, and by the faults
//! of the testbed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use svom_cluster::fault::Fault;
use svom_cluster::forward::Way;
use svom_cluster::wait::eventually;
use svom_crds::SvomMessagingStatus;

use super::{CONTAINER, ClusterBus, way_in};
use crate::bus::{Bus, Credentials, RouteDoor, digest_of};
use crate::processes::Server;

/// How a server's own configuration names the accounts, which all servers share.
const ACCOUNTS: &str = "accounts.json";

impl Bus for ClusterBus {
    fn apply(&self, resource: &str) -> Result<()> {
        self.ask_for(resource)?;
        self.wait_until_ready()
    }

    fn status(&self) -> Result<SvomMessagingStatus> {
        let found = self.scene.get(&["svm", &self.name])?;
        let status = found.get("status").context("nothing is told yet")?;
        Ok(serde_json::from_value(status.clone())?)
    }

    fn servers(&self) -> Vec<String> {
        self.servers.clone()
    }

    fn credentials(&self, user: &str) -> Result<Credentials> {
        let folder = self.folder.path().join("users").join(user);
        fs::create_dir_all(&folder)?;
        let mut secret = self.secret(&format!("{}-user-{user}", self.name))?;
        // The servers' own names are of the cluster's network: here each is reached by another.
        for (key, scheme, ways) in [
            ("url", "tls", &self.ways.clients),
            ("websocket-url", "wss", &self.ways.websockets),
        ] {
            let url = |way: &Way| format!("{scheme}://127.0.0.1:{}", way.port());
            let urls: Vec<String> = ways.iter().map(url).collect();
            if secret.contains_key(key) {
                secret.insert(key.to_owned(), urls.join(",").into_bytes());
            }
        }
        for (key, value) in &secret {
            write(&folder.join(key), value)?;
        }
        Credentials::read(&folder)
    }

    /// With its node's kubelet, which would start it again.
    fn kill(&self, server: &str) -> Result<()> {
        self.bring_down(server, |pod| Fault::KubeletKilled {
            node: pod.node.clone(),
        })?;
        self.provoke(Fault::ContainerKilled {
            pod: self.place(server),
            container: CONTAINER.to_owned(),
        })?;
        self.wait_until_told_down(server)
    }

    /// By draining its node: the pod is evicted, and the next one waits for its volume.
    fn stop(&self, server: &str) -> Result<()> {
        self.bring_down(server, |pod| Fault::NodeDrained {
            node: pod.node.clone(),
        })?;
        self.wait_until_told_down(server)
    }

    fn start(&self, server: &str) -> Result<()> {
        let down = self.down().remove(server);
        let down = down.with_context(|| format!("{server} is not down"))?;
        self.faults.mend(&down.by)?;
        eventually(&format!("{server} to run again"), || {
            let pod = self.pod(server)?;
            let is_another = pod.uid != down.pod.uid || pod.containers != down.pod.containers;
            ensure!(is_another && pod.ready, "{pod:?}");
            Ok(())
        })?;
        self.have_looked_at()?;
        self.wait_until_ready()
    }

    fn memory(&self, server: &str) -> Result<u64> {
        let mut processes = self
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = processes.get(server).copied();
        if let Some(memory) = known.and_then(|pid| Server::running(pid)?.memory().ok()) {
            return Ok(memory);
        }
        let pod = self.pod(server)?;
        let container = pod.containers.iter().find(|(name, _)| name == CONTAINER);
        let (_, id) = container.with_context(|| format!("{server} does not run"))?;
        let process = Server::in_container(id);
        let process = process.with_context(|| {
            format!("no process of this machine is {server}: its memory cannot be seen from here")
        })?;
        processes.insert(server.to_owned(), process.pid);
        process.memory()
    }

    fn given_digest(&self, server: &str) -> Result<String> {
        digest_of(&self.configuration(server)?)
    }

    fn route_door(&self, server: &str) -> Result<RouteDoor> {
        way_in::route_door(self, server)
    }

    /// As kubectl waits.
    fn wait_until_ready(&self) -> Result<()> {
        self.scene.ready(&self.name)
    }
}

impl ClusterBus {
    /// What a Secret holds.
    pub(super) fn secret(&self, name: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        let secret = self.scene.get(&["secret", name])?;
        let data = secret.get("data").and_then(Value::as_object);
        let decoded = |(key, value): (&String, &Value)| {
            let text = value.as_str().unwrap_or_default();
            let value = STANDARD.decode(text);
            let value = value.with_context(|| format!("Secret {name}: {key} is damaged"))?;
            Ok((key.clone(), value))
        };
        data.into_iter().flatten().map(decoded).collect()
    }

    /// What a server reads, put together: its own configuration with the accounts.
    pub(super) fn configuration(&self, server: &str) -> Result<String> {
        let mut secret = self.secret(&format!("{}-servers", self.name))?;
        let mut text = |key: &str| {
            let value = secret.remove(key);
            let value = value.with_context(|| format!("the servers have no {key}"))?;
            anyhow::Ok(String::from_utf8(value)?)
        };
        let (own, accounts) = (text(&format!("{server}.conf"))?, text(ACCOUNTS)?);
        let include = format!("{{include {ACCOUNTS:?}}}");
        Ok(own.replacen(&include, &accounts, 1))
    }
}

/// A file that nobody else reads; its path.
pub(super) fn write(path: &Path, value: &[u8]) -> Result<PathBuf> {
    let mut options = File::options();
    let file = options.create(true).write(true).truncate(true).mode(0o600);
    let file = file.open(path);
    file.and_then(|mut file| file.write_all(value))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
