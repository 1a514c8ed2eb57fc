//! One user's account: its imports, its mappings and its permissions, from its rights alone.

use crate::access::config::{AccountConfig, Import, Permissions, Source, SubjectRules, UserConfig};
use crate::names;
use crate::valid::{DomainName, DurableName, Queue, User, UserName};

/// The account of a user.
pub(super) fn account(name: &UserName, user: &User, users: Vec<UserConfig>) -> AccountConfig {
    let publishes = user.publish.iter().map(|queue| Import::Service {
        service: from_jetstream(queue.to_string()),
        to: heard(user, queue).then(|| names::mapped_publish_subject(queue)),
    });
    let listens = user.subscribe.iter().map(|queue| Import::Stream {
        stream: from_jetstream(names::live_subject(queue)),
        to: Some(queue.to_string()),
    });
    let reads = user.durables.iter().flat_map(|(durable_name, durable)| {
        let consumer = Consumer {
            stream: names::stream(&durable.domain),
            consumer: names::consumer(name, durable_name),
        };
        [
            Import::Service {
                service: from_jetstream(consumer.info("$JS.API")),
                to: Some(consumer.info(names::CLIENT_API_PREFIX)),
            },
            Import::Service {
                service: from_jetstream(consumer.acknowledgements()),
                to: None,
            },
            Import::Stream {
                stream: from_jetstream(names::deliver_subject(&durable.domain, name, durable_name)),
                to: None,
            },
        ]
    });
    AccountConfig {
        imports: publishes.chain(listens).chain(reads).collect(),
        mappings: user
            .publish
            .iter()
            .filter(|queue| heard(user, queue))
            .map(|queue| (queue.to_string(), names::mapped_publish_subject(queue)))
            .collect(),
        users,
        ..AccountConfig::default()
    }
}

/// What a connection of the user may do.
///
/// `_INBOX.>` is granted to all: inside an account of one's own nothing arrives there but answers to
/// one's own requests.
pub(super) fn permissions(name: &UserName, user: &User) -> Permissions {
    let publishes = user.publish.iter().map(|queue| {
        if heard(user, queue) {
            names::mapped_publish_subject(queue)
        } else {
            queue.to_string()
        }
    });
    let asks = user.durables.iter().flat_map(|(durable_name, durable)| {
        let consumer = Consumer {
            stream: names::stream(&durable.domain),
            consumer: names::consumer(name, durable_name),
        };
        [
            consumer.info(names::CLIENT_API_PREFIX),
            consumer.acknowledgements(),
        ]
    });
    let listens = user.subscribe_patterns.iter().flat_map(|pattern| {
        [
            pattern.0.clone(),
            format!("{} {}", pattern.0, own_groups(name)),
        ]
    });
    let reads = user
        .durables
        .iter()
        .map(|(durable, of)| delivery_within_group(&of.domain, name, durable));
    Permissions {
        publish: SubjectRules::exactly(publishes.chain(asks)),
        subscribe: SubjectRules::exactly(
            ["_INBOX.>".to_owned()]
                .into_iter()
                .chain(listens)
                .chain(reads),
        ),
    }
}

/// Whether the user hears what it publishes to the queue. Its publishes are then renamed inside its
/// account: else it would hear each of them twice, once straight and once after it was stored.
fn heard(user: &User, queue: &Queue) -> bool {
    user.subscribe.contains(queue)
}

/// Groups are shared across accounts by their name, so a user's hold its own.
fn own_groups(name: &UserName) -> String {
    format!("{name}.*")
}

/// Only in the group: a plain subscription would see everything that goes to the other readers.
fn delivery_within_group(domain: &DomainName, name: &UserName, durable: &DurableName) -> String {
    format!(
        "{} {}",
        names::deliver_subject(domain, name, durable),
        names::deliver_group(name, durable)
    )
}

fn from_jetstream(subject: String) -> Source {
    Source {
        account: names::JETSTREAM_ACCOUNT,
        subject,
    }
}

/// Subjects of a consumer. The longer form of an acknowledgement's subject, with domain and account
/// hash before the stream, is never granted: with wildcards in their place a user would acknowledge,
/// and be sent, messages of any stream.
struct Consumer {
    stream: String,
    consumer: String,
}

impl Consumer {
    fn info(&self, prefix: &str) -> String {
        format!("{prefix}.CONSUMER.INFO.{}.{}", self.stream, self.consumer)
    }

    fn acknowledgements(&self) -> String {
        format!("$JS.ACK.{}.{}.>", self.stream, self.consumer)
    }
}
