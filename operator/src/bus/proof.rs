//! The proof of a live bus: every right of every user, and the way of a message.

use std::collections::BTreeMap;
use std::time::Duration;

use svom_plan::access::matrix;
use svom_plan::material::Credential;
use svom_plan::status::ProofFinding;
use tokio::time::Instant;

use super::{Live, Say};
use crate::nats::bus::identities;
use crate::nats::data_path::data_path;
use crate::nats::prove::prove;
use crate::nats::system::Accounts;

/// How long rights may take until they hold.
const PROVING: Duration = Duration::from_secs(20);

impl Live {
    /// Proves every right of every user, and the way of a message, against the live servers.
    ///
    /// Where a right does not hold though every server has its configuration, whoever put that in force
    /// may have come to an end between the two times that a server reads new accounts. So all read it once
    /// more, and it is tried again.
    pub async fn prove(&mut self, say: Say<'_>) {
        let all_hold = self.prove_once(say).await;
        if all_hold || self.read_again == self.digests || self.valid.paused {
            return;
        }
        let Ok(seen) = self.seen(true).await else {
            return;
        };
        if seen.servers.len() < self.digests.len() || !self.behind(&seen).is_empty() {
            return;
        }
        self.read_again.clone_from(&self.digests);
        let servers = seen.servers.keys().cloned();
        self.unread
            .extend(servers.map(|name| (name, Accounts::Known)));
        self.tell_to_reload(&seen, say).await;
        self.prove_once(say).await;
    }

    /// Whether none of the rights that could be tried was otherwise than wanted.
    async fn prove_once(&mut self, say: Say<'_>) -> bool {
        let cells = matrix::matrix(&self.valid);
        let count: usize = cells.values().map(Vec::len).sum();
        say(&format!(
            "proving {count} cells of the rights matrix and the way of a message"
        ));
        let identities = match identities(&self.valid, &self.topology, &self.material) {
            Ok(identities) => identities,
            Err(error) => {
                self.failures.proof = Some(error.to_string());
                return true;
            }
        };
        self.failures.proof = None;
        let deadline = Instant::now() + PROVING;
        let proof = prove(&identities, &cells, deadline).await;
        let all_hold = proof.failed.is_empty();
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
        all_hold
    }

    /// Proves the way of a message again, which says whether messages can be stored now.
    pub async fn prove_data_path(&mut self, patience: Duration) {
        let queues: BTreeMap<String, String> = self
            .valid
            .queues()
            .map(|queue| (svom_plan::names::stream(&queue.domain), queue.to_string()))
            .collect();
        let found = data_path(self.clients.jetstream(), &queues, Instant::now() + patience).await;
        self.measured.answered = found
            .streams
            .iter()
            .filter_map(|(name, result)| Some((name.clone(), *result.as_ref().ok()?)))
            .collect();
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

    /// Whether streams and durable subscriptions were as wanted, and rights and data path held, when
    /// they were last tried.
    pub fn is_proven(&self) -> bool {
        let holds = |proof: &ProofFinding| proof.tried > 0 && proof.failed.is_empty();
        self.failures.queues.is_none() && holds(&self.access) && holds(&self.data_path)
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
}
