//! Servers read their configuration again.

use std::collections::BTreeSet;
use std::time::Duration;

use svom_plan::material::LeafName;

use super::{Live, Say};
use crate::nats::observe::{Seen, ServerSeen};
use crate::nats::system::{self, Accounts, SystemError};

/// How long a server may take to read its configuration again; it takes milliseconds.
const RELOAD: Duration = Duration::from_secs(10);
/// How long all servers may take until the new configuration is in force.
const IN_FORCE: Duration = Duration::from_secs(20);

impl Live {
    /// Has every server read its configuration again that has not got what was written for it, and
    /// waits until it is in force, where all servers answer. Who did not, is in the failures.
    ///
    /// # Errors
    /// The connection was closed for good.
    pub async fn reload(&mut self, anyone_runs: bool, say: Say<'_>) -> Result<(), SystemError> {
        let seen = self.seen(anyone_runs).await?;
        self.tell_to_reload(&seen, say).await;
        // Servers that are down read their configuration when they start; those that answered have it
        // soon. Who has it not is found, and told, by the next look.
        let answered = |name| seen.servers.contains_key(name);
        if self.digests.keys().all(answered) && self.failures.reload.is_empty() {
            self.wait_for(&self.expected(), IN_FORCE, say).await;
        }
        Ok(())
    }

    /// The same for the servers that were seen, without waiting.
    pub async fn tell_to_reload(&mut self, seen: &Seen, say: Say<'_>) {
        self.failures.reload.clear();
        for found in seen.servers.values() {
            let server = &found.server;
            let is_behind = self.digests.get(&server.name) != Some(&found.config_digest);
            let accounts = match self.unread.get(&server.name) {
                Some(accounts) => *accounts,
                // Nobody knows which of the accounts it has.
                None if is_behind => Accounts::Added,
                None => continue,
            };
            say(&format!(
                "server {} reads its configuration again",
                server.name
            ));
            match system::reload(self.clients.system(), server, accounts, RELOAD).await {
                Ok(()) => {
                    self.unread.remove(&server.name);
                }
                Err(error) => self.failures.reload.push(error.to_string()),
            }
        }
    }

    /// Of the servers that answered, those that have not in force what was written for them: another
    /// configuration, or another certificate.
    pub fn behind(&self, seen: &Seen) -> BTreeSet<String> {
        let servers = seen.servers.iter();
        servers
            .filter(|(name, found)| {
                self.digests.get(*name) != Some(&found.config_digest)
                    || !self.serves_wanted_certificate(name, found)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Told by its end: no two certificates of a server end at the same second.
    pub(super) fn serves_wanted_certificate(&self, server: &str, found: &ServerSeen) -> bool {
        let leaf = LeafName::Server(server.to_owned());
        let leaf = self.material.leaves.get(&leaf);
        found.certificate_ends == leaf.map(|leaf| leaf.facts.not_after)
    }
}
