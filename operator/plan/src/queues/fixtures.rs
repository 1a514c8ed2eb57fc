//! A small bus, what servers report of it, and the hands that change both.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ConsumerId, ObservedConsumer, ObservedQueues, ObservedStream, QueueStep, consumers, queue_plan,
    streams,
};
use crate::UnixSeconds;
use crate::valid::fixtures::{self, bare};
use crate::valid::{
    Domain, DomainName, Durable, DurableName, MayLose, Pattern, Queue, User, UserName, Valid,
};

pub(crate) use crate::valid::fixtures::{HOUR, domain, user};

/// The time of every test.
pub(crate) const NOW: UnixSeconds = 1_795_000_000;

/// Three servers; `data` with three programs and `science` with one; `pipeline`, which reads data
/// durably, and `gateway`, which publishes it.
pub(crate) fn bus() -> Valid {
    Valid {
        domains: BTreeMap::from([
            (DomainName::new("data"), domain(&["mdb", "vhf", "xband"])),
            (DomainName::new("science"), domain(&["too"])),
        ]),
        users: BTreeMap::from([
            (
                UserName::new("gateway"),
                User {
                    publish: queues(&["data.vhf"]),
                    ..user()
                },
            ),
            (
                UserName::new("pipeline"),
                User {
                    publish: queues(&["science.too"]),
                    subscribe: queues(&["data.mdb", "data.vhf", "data.xband"]),
                    subscribe_patterns: BTreeSet::from([Pattern("data.*".to_owned())]),
                    durables: BTreeMap::from([(
                        DurableName::new("ingest"),
                        durable("data", &["data.vhf", "data.xband"]),
                    )]),
                    ..user()
                },
            ),
        ]),
        ..bare()
    }
}

pub(crate) fn durable(domain: &str, names: &[&str]) -> Durable {
    fixtures::durable(DomainName::new(domain), queues(names))
}

pub(crate) fn queue(name: &str) -> Queue {
    let (domain, program) = name.split_once('.').unwrap();
    Queue {
        domain: DomainName::new(domain),
        program: program.to_owned(),
    }
}

pub(crate) fn queues(names: &[&str]) -> BTreeSet<Queue> {
    names.iter().map(|name| queue(name)).collect()
}

/// The bus after an edit.
pub(crate) fn edited(edit: impl FnOnce(&mut Valid)) -> Valid {
    let mut valid = bus();
    edit(&mut valid);
    valid
}

pub(crate) fn domain_of<'a>(valid: &'a mut Valid, name: &str) -> &'a mut Domain {
    valid.domains.get_mut(&DomainName::new(name)).unwrap()
}

pub(crate) fn user_of<'a>(valid: &'a mut Valid, name: &str) -> &'a mut User {
    valid.users.get_mut(&UserName::new(name)).unwrap()
}

pub(crate) fn ingest(valid: &mut Valid) -> &mut Durable {
    user_of(valid, "pipeline")
        .durables
        .get_mut(&DurableName::new("ingest"))
        .unwrap()
}

pub(crate) fn may_lose_ingest(valid: &mut Valid) {
    valid.may_lose.insert(MayLose::Durable(
        UserName::new("pipeline"),
        DurableName::new("ingest"),
    ));
}

pub(crate) fn may_lose_domain(valid: &mut Valid, name: &str) {
    valid
        .may_lose
        .insert(MayLose::Domain(DomainName::new(name)));
}

pub(crate) fn ingest_id() -> ConsumerId {
    ConsumerId {
        stream: "DATA".to_owned(),
        consumer: "pipeline_ingest".to_owned(),
    }
}

/// What servers report that have everything as wanted, and no message.
pub(crate) fn reported(valid: &Valid) -> ObservedQueues {
    let added = || ("_nats.ver".to_owned(), "2.15.2".to_owned());
    ObservedQueues {
        streams: streams(valid)
            .into_iter()
            .map(|(name, mut config)| {
                config.metadata.extend([added()]);
                let stream = ObservedStream {
                    config,
                    messages: 0,
                    bytes: 0,
                    oldest: None,
                    subjects: BTreeMap::new(),
                };
                (name, stream)
            })
            .collect(),
        consumers: consumers(valid)
            .into_iter()
            .map(|(id, mut config)| {
                config.metadata.extend([added()]);
                let consumer = ObservedConsumer {
                    config,
                    unread: 0,
                    unacknowledged: 0,
                };
                (id, consumer)
            })
            .collect(),
    }
}

/// The same bus in use: `data` holds 3,000 messages in 1.5 GiB, the oldest for 100 hours, and
/// `pipeline` has not read all of them.
pub(crate) fn in_use() -> ObservedQueues {
    let mut observed = reported(&edited(|valid| {
        domain_of(valid, "data").max_bytes = 2 << 30
    }));
    let data = observed.streams.get_mut("DATA").unwrap();
    data.messages = 3_000;
    data.bytes = (1 << 30) + (1 << 29);
    data.oldest = Some(NOW - 100 * 3600);
    data.subjects = BTreeMap::from([
        ("data.mdb".to_owned(), 100),
        ("data.vhf".to_owned(), 2_400),
        ("data.xband".to_owned(), 500),
    ]);
    let ingest = observed.consumers.get_mut(&ingest_id()).unwrap();
    ingest.unread = 12;
    ingest.unacknowledged = 3;
    observed
}

/// What servers report after the steps.
pub(crate) fn after(valid: &Valid, observed: &ObservedQueues) -> ObservedQueues {
    let mut observed = observed.clone();
    let empty = reported(valid);
    for step in queue_plan(valid, &observed, NOW).steps {
        match step {
            QueueStep::CreateStream(config) => {
                let stream = empty.streams[&config.name].clone();
                observed.streams.insert(config.name, stream);
            }
            QueueStep::UpdateStream(config) => {
                let name = config.name.clone();
                observed.streams.get_mut(&name).unwrap().config = config;
            }
            QueueStep::DeleteStream { stream } => {
                observed.streams.remove(&stream).unwrap();
                observed.consumers.retain(|id, _| id.stream != stream);
            }
            QueueStep::CreateConsumer { id, .. } => {
                let consumer = empty.consumers[&id].clone();
                observed.consumers.insert(id, consumer);
            }
            QueueStep::UpdateConsumer { id, config }
            | QueueStep::ReplaceConsumer { id, config } => {
                observed.consumers.get_mut(&id).unwrap().config = config;
            }
            QueueStep::DeleteConsumer { id } => {
                observed.consumers.remove(&id).unwrap();
            }
        }
    }
    observed
}
