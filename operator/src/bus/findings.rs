//! What is found of a live bus at one moment.

use std::collections::BTreeMap;

use svom_crds::status::CertificateStatus;
use svom_plan::change::Effect;
use svom_plan::queues::{ConsumerId, ObservedQueues, QueuePlan, QueueStep, queue_plan};
use svom_plan::status::{Findings, ServerFinding, StreamFinding, rfc3339};
use svom_plan::valid::{DurableName, UserName};
use svom_plan::{UnixSeconds, names, pki};

use super::{LOOK, Live};
use crate::nats::observe::{Group, Seen};

/// What is known of a server by who runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Why it cannot answer; absent where it should.
    pub down: Option<String>,
    /// The node that it runs on.
    pub node: Option<String>,
}

/// What was looked at just now.
#[derive(Debug, Default)]
pub struct Looked {
    /// What the servers said of themselves.
    pub seen: Option<Seen>,
    /// Streams and consumers.
    pub queues: Option<ObservedQueues>,
}

/// What is known of the servers by who runs them, by their names.
pub type Presences = BTreeMap<String, Presence>;

impl Live {
    /// Looks at servers, streams and consumers, and sends a message through, each with a bound.
    pub async fn find(&mut self, presences: &Presences, now: UnixSeconds) -> Findings {
        self.find_beside(Looked::default(), presences, now).await
    }

    /// The same, where something was looked at just now and nothing was done since.
    pub async fn find_beside(
        &mut self,
        Looked { seen, queues }: Looked,
        presences: &Presences,
        now: UnixSeconds,
    ) -> Findings {
        let anyone_runs = presences.values().any(|one| one.down.is_none());
        let (seen, queues) = tokio::join!(
            async {
                match seen {
                    Some(seen) => Ok(seen),
                    None => self.seen(anyone_runs).await,
                }
            },
            async {
                match queues {
                    Some(queues) => Ok(queues),
                    None => self.observe_queues().await,
                }
            },
        );
        // After the look: a message under way makes its followers look late for a moment.
        self.prove_data_path(LOOK).await;
        let mut failures = self.failures.words();
        let seen = seen.unwrap_or_else(|error| {
            failures.push(error.to_string());
            Seen::default()
        });
        let plan = queues.map(|observed| {
            let plan = queue_plan(&self.valid, &observed, now);
            self.measured.queues = observed;
            plan
        });
        let certificates = pki::certificates(&self.valid, &self.topology, &self.material);
        Findings {
            now,
            changing: None,
            servers: self
                .topology
                .servers
                .iter()
                .map(|server| self.server(&server.name, presences, &seen))
                .collect(),
            meta_leader: self.meta_leader(&seen),
            cluster_size: self.cluster_size(&seen),
            streams: self.streams(&seen, plan.as_ref()),
            durables: self.durables(&seen, plan.as_ref()),
            access: self.access.clone(),
            data_path: self.data_path.clone(),
            certificates: certificates_told(certificates),
            authority_warnings: pki::warnings(&self.valid, &self.material, now),
            refused: refused(plan.as_ref().ok()),
            problems: Vec::new(),
            failures,
            waiting: Vec::new(),
            in_the_way: Vec::new(),
            is_first: false,
        }
    }

    fn server(&self, name: &str, presences: &Presences, seen: &Seen) -> ServerFinding {
        let found = seen.servers.get(name);
        let Presence { down, node } = presences.get(name).cloned().unwrap_or_default();
        let trouble = match (down, found) {
            (Some(down), _) => Some(down),
            (None, None) => Some("does not answer".to_owned()),
            (None, Some(found)) => found.unhealthy.clone(),
        };
        let certificate_trouble = found
            .filter(|found| !self.serves_wanted_certificate(name, found))
            .map(|_| "serves another certificate than the one that is wanted".to_owned());
        ServerFinding {
            name: name.to_owned(),
            trouble,
            version: found.map(|found| found.server.version.clone()),
            node,
            config_digest: found.map(|found| found.config_digest.clone()),
            wanted_digest: self.digests.get(name).cloned().unwrap_or_default(),
            certificate_trouble,
            leader_of: found
                .map(|found| found.leads.iter().cloned().collect())
                .unwrap_or_default(),
            behind: behind(name, seen),
        }
    }

    /// One server alone leads itself.
    fn meta_leader(&self, seen: &Seen) -> Option<String> {
        match self.topology.servers.as_slice() {
            [only] => seen
                .servers
                .contains_key(&only.name)
                .then(|| only.name.clone()),
            _ => seen.meta_leader().map(str::to_owned),
        }
    }

    fn cluster_size(&self, seen: &Seen) -> Option<usize> {
        match self.topology.servers.as_slice() {
            [only] => seen.servers.contains_key(&only.name).then_some(1),
            _ => seen
                .servers
                .values()
                .filter_map(|server| server.meta.as_ref())
                .map(|meta| meta.size)
                .max(),
        }
    }

    fn streams(
        &self,
        seen: &Seen,
        plan: Result<&QueuePlan, &String>,
    ) -> BTreeMap<String, StreamFinding> {
        let stream = |domain| {
            let name = names::stream(domain);
            let group = seen.streams.get(&name);
            let trouble = group_trouble(group).or_else(|| match plan {
                Ok(plan) => plan.steps.iter().find_map(|step| stream_step(step, &name)),
                Err(why) => Some(why.clone()),
            });
            let finding = StreamFinding {
                leader: group.and_then(|group| group.leader.clone()),
                replicas_current: group
                    .and_then(|group| u8::try_from(group.current()).ok())
                    .unwrap_or(0),
                trouble,
            };
            (name, finding)
        };
        self.valid.domains.keys().map(stream).collect()
    }

    fn durables(
        &self,
        seen: &Seen,
        plan: Result<&QueuePlan, &String>,
    ) -> BTreeMap<(UserName, DurableName), Option<String>> {
        let mut found = BTreeMap::new();
        for (user, of) in &self.valid.users {
            for (name, durable) in &of.durables {
                let id = ConsumerId::new(&durable.domain, user, name);
                let trouble = group_trouble(seen.consumers.get(&id)).or_else(|| match plan {
                    Ok(plan) => plan.steps.iter().find_map(|step| consumer_step(step, &id)),
                    Err(why) => Some(why.clone()),
                });
                found.insert((user.clone(), name.clone()), trouble);
            }
        }
        found
    }
}

/// Marks the servers that are known to be down.
pub fn mark_down(servers: &mut [ServerFinding], presences: &Presences) {
    for server in servers {
        if let Some(presence) = presences.get(&server.name).filter(|one| one.down.is_some()) {
            server.trouble.clone_from(&presence.down);
        }
    }
}

fn behind(server: &str, seen: &Seen) -> Vec<String> {
    let is_behind = |group: &Group| group.followers.get(server) == Some(&false);
    let streams = seen
        .streams
        .iter()
        .filter(|(_, group)| is_behind(group))
        .map(|(name, _)| name.clone());
    let consumers = seen
        .consumers
        .iter()
        .filter(|(_, group)| is_behind(group))
        .map(|(id, _)| format!("{}/{}", id.stream, id.consumer));
    streams.chain(consumers).collect()
}

fn group_trouble(group: Option<&Group>) -> Option<String> {
    match group {
        None => Some("is not there".to_owned()),
        Some(group) if group.leader.is_none() => Some("has no leader".to_owned()),
        Some(_) => None,
    }
}

fn stream_step(step: &QueueStep, name: &str) -> Option<String> {
    match step {
        QueueStep::CreateStream(config) if config.name == name => Some("is not there".to_owned()),
        QueueStep::UpdateStream(config) if config.name == name => {
            Some("is configured in another way than wanted".to_owned())
        }
        _ => None,
    }
}

fn consumer_step(step: &QueueStep, wanted: &ConsumerId) -> Option<String> {
    match step {
        QueueStep::CreateConsumer { id, .. } if id == wanted => Some("is not there".to_owned()),
        QueueStep::UpdateConsumer { id, .. } | QueueStep::ReplaceConsumer { id, .. }
            if id == wanted =>
        {
            Some("is configured in another way than wanted".to_owned())
        }
        _ => None,
    }
}

fn refused(plan: Option<&QueuePlan>) -> Vec<svom_plan::change::Change> {
    let held = plan.into_iter().flat_map(|plan| &plan.held);
    held.filter(|change| change.effect == Effect::Refuse)
        .cloned()
        .collect()
}

/// Certificates, as the status tells them.
pub fn certificates_told(certificates: Vec<pki::Listed>) -> Vec<CertificateStatus> {
    let told = |certificate: pki::Listed| CertificateStatus {
        name: certificate.name,
        not_after: rfc3339(certificate.not_after),
        renew_at: certificate.renew_at.map(rfc3339),
    };
    certificates.into_iter().map(told).collect()
}
