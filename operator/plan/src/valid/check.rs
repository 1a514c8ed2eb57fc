//! Rules that concern two lists or two fields. What concerns one value stands in the schema and was
//! checked before; where it is met again here (a resource that came past the schema) it is a problem
//! too, never a panic.

mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use svom_crds::spec::{ClientCertificates, Domain as RawDomain, mission_domains};
use svom_crds::units::{SIZE_HINT, SPAN_HINT, Size, Span};
use svom_crds::{ALLOW_LOSS, SvomMessaging, SvomMessagingSpec};

use super::{Domain, DomainName, DurableName, Issuer, MayLose, Queue, Sync, Tls, UserName, Valid};
use crate::change::words::measured_size;
use crate::{Problem, names};

/// Longest time that a certificate may be asked for: beyond it lie years that X.509 writes another
/// way.
const LONGEST_VALIDITY: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// Shortest time that a certificate may be asked for.
const SHORTEST_VALIDITY: Duration = Duration::from_secs(3600);

type Domains = BTreeMap<DomainName, Domain>;

/// Checks every rule and gives the resource in types that cannot say anything else.
///
/// # Errors
/// Every problem, with its path, in the order of the resource. Never empty.
pub fn validate(resource: &SvomMessaging) -> Result<Valid, Vec<Problem>> {
    let mut problems = Problems::default();
    let spec = &resource.spec;
    let replicas = problems.count("spec.replicas", spec.replicas);
    let storage_size = problems.size("spec.storage.size", &spec.storage.size);
    let domains = domains(spec, replicas, &mut problems);
    check_room(&domains, storage_size, replicas, &mut problems);
    let users = users::users(spec, &domains, &mut problems);
    let valid = Valid {
        name: resource.metadata.name.clone().unwrap_or_default(),
        generation: resource.metadata.generation.unwrap_or_default(),
        version: spec.version.clone(),
        replicas,
        storage_size,
        sync: sync(&spec.storage.sync, &mut problems),
        on_delete: spec.storage.on_delete,
        tls: tls(spec, &mut problems),
        websocket: spec
            .websocket
            .as_ref()
            .is_some_and(|websocket| websocket.enabled),
        users,
        max_wait_per_server: problems.span(
            "spec.rollout.maxWaitPerServer",
            &spec.rollout.max_wait_per_server,
        ),
        paused: spec.paused,
        may_lose: may_lose(resource, &mut problems),
        kubernetes_only: kubernetes_only(spec),
        domains,
    };
    if problems.0.is_empty() {
        Ok(valid)
    } else {
        Err(problems.0)
    }
}

/// The queues that a right's text names among those declared: `data.vhf`, `data.*` or `*.too`.
/// Empty where it names none.
pub fn expand<'a>(text: &str, declared: impl Iterator<Item = &'a Queue>) -> BTreeSet<Queue> {
    let Some((domain, program)) = text.split_once('.') else {
        return BTreeSet::new();
    };
    let fits = |wanted: &str, name: &str| wanted == "*" || wanted == name;
    declared
        .filter(|queue| fits(domain, queue.domain.as_str()) && fits(program, &queue.program))
        .cloned()
        .collect()
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(path, message));
    }

    fn span(&mut self, path: &str, span: &Span) -> Duration {
        span.duration().unwrap_or_else(|| {
            self.add(path, SPAN_HINT);
            Duration::ZERO
        })
    }

    fn size(&mut self, path: &str, size: &Size) -> u64 {
        size.bytes().unwrap_or_else(|| {
            self.add(path, SIZE_HINT);
            0
        })
    }

    fn count(&mut self, path: &str, count: i32) -> u8 {
        match count {
            1 => 1,
            3 => 3,
            5 => 5,
            _ => {
                self.add(path, "write 1, 3 or 5");
                1
            }
        }
    }

    fn positive<T: TryFrom<i64> + Default>(&mut self, path: &str, number: i64) -> T {
        T::try_from(number)
            .ok()
            .filter(|_| number > 0)
            .unwrap_or_else(|| {
                self.add(path, "write a number above 0");
                T::default()
            })
    }
}

fn domains(spec: &SvomMessagingSpec, servers: u8, problems: &mut Problems) -> Domains {
    let raw = spec.domains.clone().unwrap_or_else(mission_domains);
    let mut domains = Domains::new();
    for (index, raw) in raw.iter().enumerate() {
        let path = format!("spec.domains[{index}]");
        let name = DomainName::new(&raw.name);
        if let Some(other) = domains
            .keys()
            .find(|other| names::stream(other) == names::stream(&name))
        {
            problems.add(
                format!("{path}.name"),
                format!("{} stands here twice", other),
            );
        }
        let domain = domain(raw, &path, servers, problems);
        domains.insert(name, domain);
    }
    domains
}

fn domain(raw: &RawDomain, path: &str, servers: u8, problems: &mut Problems) -> Domain {
    let replicas = match raw.replicas {
        None => servers.min(3),
        Some(count) => problems.count(&format!("{path}.replicas"), count),
    };
    if replicas > servers {
        let message = format!(
            "{replicas} replicas do not fit on {servers} server(s): write at most spec.replicas, or leave it out"
        );
        problems.add(format!("{path}.replicas"), message);
    }
    let max_age = problems.span(&format!("{path}.maxAge"), &raw.max_age);
    let duplicate_window = problems.span(&format!("{path}.duplicateWindow"), &raw.duplicate_window);
    if duplicate_window > max_age {
        let message = format!(
            "{} is longer than maxAge ({}): an id cannot be remembered longer than its message is kept",
            raw.duplicate_window.0, raw.max_age.0
        );
        problems.add(format!("{path}.duplicateWindow"), message);
    }
    Domain {
        programs: raw.programs.iter().cloned().collect(),
        replicas,
        max_age,
        max_bytes: problems.size(&format!("{path}.maxBytes"), &raw.max_bytes),
        max_messages_per_queue: problems.positive(
            &format!("{path}.maxMessagesPerQueue"),
            raw.max_messages_per_queue,
        ),
        discard: raw.discard,
        duplicate_window,
        on_delete: raw.on_delete,
    }
}

/// A server reserves `maxBytes` for each stream of which it keeps a replica; what is promised must
/// fit into what all servers have for messages.
fn check_room(domains: &Domains, storage_size: u64, servers: u8, problems: &mut Problems) {
    let promised: u128 = domains
        .values()
        .map(|domain| u128::from(domain.max_bytes) * u128::from(domain.replicas))
        .sum();
    let room = u128::from(room_for_messages(storage_size)) * u128::from(servers);
    let least = u128::from(servers) * 1_048_576;
    if storage_size > 0 && (promised + least > room) {
        let size = |bytes: u128| measured_size(u64::try_from(bytes).unwrap_or(u64::MAX));
        let message = format!(
            "the domains may take {} on all servers together (maxBytes times replicas), but {servers} server(s) with storage.size {} have {} for messages (three quarters): raise spec.storage.size or lower maxBytes",
            size(promised),
            measured_size(storage_size),
            size(room),
        );
        problems.add("spec.domains", message);
    }
}

/// How much of a volume may hold messages: three quarters. The rest is room for the servers' own
/// logs (which the limit does not count) and for compaction.
pub fn room_for_messages(storage_size: u64) -> u64 {
    storage_size / 4 * 3
}

fn sync(text: &str, problems: &mut Problems) -> Sync {
    if text == "Always" {
        return Sync::Always;
    }
    Sync::Every(problems.span("spec.storage.sync", &Span::from(text)))
}

fn tls(spec: &SvomMessagingSpec, problems: &mut Problems) -> Tls {
    let raw = &spec.tls;
    let managed = raw.issuer.managed.clone().unwrap_or_default();
    let path = "spec.tls.issuer.managed";
    let validity = problems.span(&format!("{path}.validity"), &managed.validity);
    let renew_before = problems.span(&format!("{path}.renewBefore"), &managed.renew_before);
    let ca_validity = problems.span(&format!("{path}.caValidity"), &managed.ca_validity);
    for (field, value) in [("validity", validity), ("caValidity", ca_validity)] {
        if !(SHORTEST_VALIDITY..=LONGEST_VALIDITY).contains(&value) {
            problems.add(
                format!("{path}.{field}"),
                "write between 1h and 175200h (20 years)",
            );
        }
    }
    if renew_before >= validity {
        let message = format!(
            "{} is not less than validity ({}): a certificate would be renewed for ever",
            managed.renew_before.0, managed.validity.0
        );
        problems.add(format!("{path}.renewBefore"), message);
    }
    if ca_validity < validity {
        let message = format!(
            "{} is less than validity ({})",
            managed.ca_validity.0, managed.validity.0
        );
        problems.add(format!("{path}.caValidity"), message);
    }
    Tls {
        issuer: match &raw.issuer.secret_ref {
            Some(secret) => Issuer::Brought {
                secret: secret.name.clone(),
            },
            None => Issuer::Managed { ca_validity },
        },
        validity,
        renew_before,
        extra_dns_names: raw.extra_dns_names.iter().cloned().collect(),
        client_certificates: raw.client_certificates == ClientCertificates::Required,
    }
}

fn may_lose(resource: &SvomMessaging, problems: &mut Problems) -> BTreeSet<MayLose> {
    let annotations = resource.metadata.annotations.as_ref();
    let text = annotations.and_then(|annotations| annotations.get(ALLOW_LOSS));
    let words = text.into_iter().flat_map(|text| text.split(','));
    let mut may_lose = BTreeSet::new();
    for word in words.map(str::trim).filter(|word| !word.is_empty()) {
        let token = match word.split_once('/') {
            Some(("domain", name)) => Some(MayLose::Domain(DomainName::new(name))),
            Some(("durable", name)) => name.split_once('.').map(|(user, durable)| {
                MayLose::Durable(UserName::new(user), DurableName::new(durable))
            }),
            _ => None,
        };
        match token {
            Some(token) => {
                may_lose.insert(token);
            }
            None => problems.add(
                format!("metadata.annotations[\"{ALLOW_LOSS}\"]"),
                format!("{word} is not understood: write domain/NAME or durable/USER.NAME, separated by commas"),
            ),
        }
    }
    may_lose
}

fn kubernetes_only(spec: &SvomMessagingSpec) -> Vec<String> {
    let set = [
        ("spec.image", spec.image.is_some()),
        (
            "spec.storage.storageClassName",
            spec.storage.storage_class_name.is_some(),
        ),
        ("spec.external", spec.external.is_some()),
        ("spec.pod", spec.pod.is_some()),
    ];
    set.iter()
        .filter(|(_, set)| *set)
        .map(|(path, _)| (*path).to_owned())
        .collect()
}

#[cfg(test)]
mod tests;
