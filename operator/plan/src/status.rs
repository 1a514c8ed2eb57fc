//! What is told about a bus: from what was found at one moment to the status contract.
//!
//! In: findings, and the status told before. Out: the status, with conditions that Kubernetes' own
//! tools (kstatus, `kubectl wait`) compute rightly. It tells only what was found; it never looks.

mod conditions;

use std::collections::BTreeMap;

use svom_crds::status::{
    CertificateStatus, Condition, DomainStatus, DurableStatus, Endpoints, Proof, ServerStatus,
    SvomMessagingStatus, Truth, UserStatus,
};

use crate::change::Change;
use crate::valid::{DomainName, DurableName, UserName, Valid};
use crate::{Problem, UnixSeconds, names};

/// What was found about one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFinding {
    /// Name of the server.
    pub name: String,
    /// Why it does not answer or is not healthy; absent where it is.
    pub trouble: Option<String>,
    /// Version that it runs.
    pub version: Option<String>,
    /// Node that it runs on.
    pub node: Option<String>,
    /// Digest of the configuration that it has in force.
    pub config_digest: Option<String>,
    /// Digest of the configuration that it should have in force.
    pub wanted_digest: String,
    /// Why it does not serve the certificate that is wanted; absent where it does.
    pub certificate_trouble: Option<String>,
    /// Streams that it leads.
    pub leader_of: Vec<String>,
    /// Streams and consumers whose replica on it does not hold everything yet.
    pub behind: Vec<String>,
}

impl ServerFinding {
    fn is_ready(&self) -> bool {
        self.trouble.is_none()
    }

    fn has_wanted_configuration(&self) -> bool {
        self.config_digest.as_ref() == Some(&self.wanted_digest)
    }
}

/// What was found about one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamFinding {
    /// Server that leads it.
    pub leader: Option<String>,
    /// Replicas that hold everything, the leader's with them.
    pub replicas_current: u8,
    /// Why it is not as wanted; absent where it is.
    pub trouble: Option<String>,
}

/// What a proof against the live servers found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProofFinding {
    /// How many things were tried; 0 before the first proof.
    pub tried: usize,
    /// What did not hold, in words, by user or stream.
    pub failed: Vec<(String, String)>,
    /// What could not be proven although nothing is wrong, in words, by user.
    pub unproven: Vec<(String, String)>,
}

impl ProofFinding {
    fn holds(&self) -> bool {
        self.tried > 0 && self.failed.is_empty()
    }
}

/// What was found about a bus at one moment.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// When it was found.
    pub now: UnixSeconds,
    /// What is being changed right now, in words.
    pub changing: Option<String>,
    /// The servers, in their order.
    pub servers: Vec<ServerFinding>,
    /// Server that leads the JetStream meta group.
    pub meta_leader: Option<String>,
    /// Members of the meta group, by the count of its leader.
    pub cluster_size: Option<usize>,
    /// The streams of the domains, by name.
    pub streams: BTreeMap<String, StreamFinding>,
    /// Why a durable subscription is not as wanted; a durable that is as wanted maps to `None`, and
    /// one that was not looked at is absent.
    pub durables: BTreeMap<(UserName, DurableName), Option<String>>,
    /// Rights.
    pub access: ProofFinding,
    /// The way of a message.
    pub data_path: ProofFinding,
    /// Certificates with their ends.
    pub certificates: Vec<CertificateStatus>,
    /// What a person should know about the authorities before it becomes a problem.
    pub authority_warnings: Vec<String>,
    /// Changes that were asked for and refused.
    pub refused: Vec<Change>,
    /// What is wrong with the resource that was asked for last.
    pub problems: Vec<Problem>,
    /// Anything that failed on the way, in words.
    pub failures: Vec<String>,
    /// Changes that wait because the resource is paused.
    pub waiting: Vec<Change>,
    /// Whether nothing was ever in force.
    pub is_first: bool,
    /// Objects of somebody else that stand in the way, in words that say what to do.
    pub in_the_way: Vec<String>,
}

/// What does not depend on the moment.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// The resource that is in force.
    pub valid: &'a Valid,
    /// The generation that was asked for last.
    pub generation: i64,
    /// What finds the servers, where something but the resource itself does.
    pub selector: Option<String>,
    /// Where clients connect from inside.
    pub internal: String,
    /// Where clients connect from outside, where that is known.
    pub external: Option<String>,
    /// Where clients connect by websocket from inside, where the servers listen for that.
    pub websocket: Option<String>,
    /// Where clients connect by websocket from outside, where that is known.
    pub websocket_external: Option<String>,
    /// Where the authority's certificate lies.
    pub ca: String,
    /// Where each user's credentials lie.
    pub credentials: BTreeMap<UserName, String>,
    /// The status told before, for the times of its changes.
    pub before: Option<&'a SvomMessagingStatus>,
}

/// The status.
pub fn status(setting: &Setting<'_>, findings: &Findings) -> SvomMessagingStatus {
    let ready = findings
        .servers
        .iter()
        .filter(|server| server.is_ready())
        .count();
    let before = setting.before;
    SvomMessagingStatus {
        observed_generation: setting.generation,
        conditions: conditions::conditions(setting, findings),
        replicas: Some(setting.valid.replicas.into()),
        ready_replicas: i32::try_from(ready).ok(),
        selector: setting.selector.clone(),
        version: lowest_version(&findings.servers),
        endpoints: Some(Endpoints {
            internal: Some(setting.internal.clone()),
            external: setting.external.clone(),
            websocket: setting.websocket.clone(),
            websocket_external: setting.websocket_external.clone(),
            ca_secret: Some(setting.ca.clone()),
        }),
        servers: findings.servers.iter().map(server).collect(),
        meta_leader: findings.meta_leader.clone(),
        domains: domains(setting.valid, findings),
        users: setting
            .valid
            .users
            .keys()
            .map(|name| user(setting, findings, name))
            .collect(),
        certificates: findings.certificates.clone(),
        access: Some(proof(
            &findings.access,
            before.and_then(|b| b.access.as_ref()),
            findings.now,
        )),
        data_path: Some(proof(
            &findings.data_path,
            before.and_then(|b| b.data_path.as_ref()),
            findings.now,
        )),
    }
}

/// The status of a resource that nothing can be made of, and of which nothing is in force.
pub fn unusable(
    problems: &[Problem],
    generation: i64,
    before: Option<&SvomMessagingStatus>,
    now: UnixSeconds,
) -> SvomMessagingStatus {
    SvomMessagingStatus {
        observed_generation: generation,
        conditions: conditions::unusable(problems, generation, before, now),
        ..SvomMessagingStatus::default()
    }
}

/// What is under way since a status was told.
#[derive(Clone, Copy, Debug)]
pub enum Underway<'a> {
    /// Something is being done for this generation.
    Change(&'a str),
    /// Work came to no end, and is tried again.
    Failure(&'a str),
}

/// The status told before, with what is under way since.
pub fn underway(
    before: SvomMessagingStatus,
    generation: i64,
    underway: Underway<'_>,
    now: UnixSeconds,
) -> SvomMessagingStatus {
    SvomMessagingStatus {
        observed_generation: generation,
        conditions: conditions::underway(&before, generation, &underway, now),
        ..before
    }
}

/// Whether everything is formed and proven: the condition `Ready` is true.
pub fn is_ready(status: &SvomMessagingStatus) -> bool {
    status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == Truth::True)
}

/// Whether all that is not as it should be waits for a person: nothing comes right by itself, or by
/// another try.
pub fn is_settled(status: &SvomMessagingStatus) -> bool {
    let parts = |condition: &&Condition| condition.type_ != "Ready";
    let mut parts = status.conditions.iter().filter(parts);
    parts.all(|part| part.status == Truth::True)
}

/// A moment as Kubernetes writes it: RFC 3339, UTC, whole seconds.
pub fn rfc3339(moment: UnixSeconds) -> String {
    jiff::Timestamp::from_second(moment)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}

fn lowest_version(servers: &[ServerFinding]) -> Option<String> {
    let numbers = |version: &String| -> Vec<u64> {
        let parts = version.split(['.', '-']);
        parts.map(|part| part.parse().unwrap_or(0)).collect()
    };
    let versions = servers.iter().filter_map(|server| server.version.clone());
    versions.min_by_key(numbers)
}

fn server(found: &ServerFinding) -> ServerStatus {
    ServerStatus {
        name: found.name.clone(),
        ready: found.is_ready(),
        version: found.version.clone(),
        node: found.node.clone(),
        config_digest: found.config_digest.clone(),
        leader_of: found.leader_of.clone(),
        current: found.is_ready() && found.behind.is_empty() && found.has_wanted_configuration(),
    }
}

fn domains(valid: &Valid, findings: &Findings) -> Vec<DomainStatus> {
    let domain = |name: &DomainName| {
        let stream = names::stream(name);
        let found = findings
            .streams
            .get(&stream)
            .cloned()
            .unwrap_or_else(|| StreamFinding {
                trouble: Some("its stream was not found".to_owned()),
                ..StreamFinding::default()
            });
        let failed = findings
            .data_path
            .failed
            .iter()
            .find(|(failed, _)| *failed == stream);
        let reason = found
            .trouble
            .or_else(|| failed.map(|(_, words)| words.clone()));
        DomainStatus {
            name: name.to_string(),
            stream,
            leader: found.leader,
            replicas_current: found.replicas_current.into(),
            ready: reason.is_none(),
            reason,
        }
    };
    valid.domains.keys().map(domain).collect()
}

fn user(setting: &Setting<'_>, findings: &Findings, name: &UserName) -> UserStatus {
    let told = |(user, words): &(String, String)| (user == name.as_str()).then(|| words.clone());
    let failed = findings.access.failed.iter().find_map(told);
    let unproven = findings.access.unproven.iter().find_map(told);
    let durables: Vec<DurableStatus> = setting
        .valid
        .users
        .get(name)
        .into_iter()
        .flat_map(|user| &user.durables)
        .map(|(durable, wanted)| {
            let found = findings.durables.get(&(name.clone(), durable.clone()));
            let reason = match found {
                Some(reason) => reason.clone(),
                None => Some("its consumer was not found".to_owned()),
            };
            DurableStatus {
                name: durable.to_string(),
                stream: names::stream(&wanted.domain),
                ready: reason.is_none(),
                reason,
            }
        })
        .collect();
    UserStatus {
        name: name.to_string(),
        secret_name: setting.credentials.get(name).cloned().unwrap_or_default(),
        ready: findings.access.holds()
            && failed.is_none()
            && durables.iter().all(|durable| durable.ready),
        rotated_at: None,
        reason: failed.or(unproven),
        durables,
    }
}

fn proof(found: &ProofFinding, before: Option<&Proof>, now: UnixSeconds) -> Proof {
    let verified = found.holds();
    let since = before
        .filter(|before| before.verified == verified)
        .and_then(|before| before.since.clone())
        .unwrap_or_else(|| rfc3339(now));
    Proof {
        verified,
        since: Some(since),
        refused: found
            .failed
            .iter()
            .map(|(whose, words)| format!("{whose}: {words}"))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
