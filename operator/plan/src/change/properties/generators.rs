//! Buses out of a few names, so that two of them have much in common, and servers in use.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::queues::ObservedQueues;
use crate::queues::fixtures::{NOW, queue, reported};
use crate::valid::{
    Authentication, Deliver, Discard, Domain, DomainName, Durable, DurableName, Issuer, MayLose,
    OnDelete, Pattern, Queue, Sync, Tls, User, UserName, Valid,
};

const QUEUES: [&str; 5] = [
    "data.mdb",
    "data.vhf",
    "data.xband",
    "science.too",
    "activity.too",
];

fn hours() -> impl Strategy<Value = Duration> {
    (1_u64..200).prop_map(|hours| Duration::from_secs(hours * 3600))
}

fn some_queues() -> impl Strategy<Value = BTreeSet<Queue>> {
    subsequence(QUEUES.to_vec(), 0..=5).prop_map(|names| names.into_iter().map(queue).collect())
}

fn on_delete() -> impl Strategy<Value = OnDelete> {
    select(vec![OnDelete::Retain, OnDelete::Delete])
}

fn a_domain() -> impl Strategy<Value = Domain> {
    (
        btree_set(
            select(vec!["mdb", "vhf", "xband", "too"]).prop_map(str::to_owned),
            1..4,
        ),
        select(vec![1_u8, 3, 5]),
        hours(),
        1_u64..2_000,
        1_u64..200,
        select(vec![Discard::Old, Discard::New]),
        (1_u64..60).prop_map(Duration::from_secs),
        on_delete(),
    )
        .prop_map(
            |(
                programs,
                replicas,
                max_age,
                max_bytes,
                max_messages_per_queue,
                discard,
                duplicate_window,
                on_delete,
            )| {
                Domain {
                    programs,
                    replicas,
                    max_age,
                    max_bytes,
                    max_messages_per_queue,
                    discard,
                    duplicate_window,
                    on_delete,
                }
            },
        )
}

fn a_durable() -> impl Strategy<Value = Durable> {
    (
        select(QUEUES.to_vec()).prop_map(queue),
        (1_u64..60).prop_map(Duration::from_secs),
        1_u32..9,
        1_u32..9,
        select(vec![Deliver::All, Deliver::Last, Deliver::New]),
    )
        .prop_map(
            |(queue, ack_wait, max_deliver, max_ack_pending, deliver)| Durable {
                domain: queue.domain.clone(),
                queues: BTreeSet::from([queue]),
                ack_wait,
                max_deliver,
                max_ack_pending,
                deliver,
            },
        )
}

/// A user whose durables read what it may subscribe to, as in every valid resource.
fn a_user() -> impl Strategy<Value = User> {
    (
        some_queues(),
        some_queues(),
        any::<bool>(),
        btree_map(
            select(vec!["a", "b"]).prop_map(DurableName::new),
            a_durable(),
            0..3,
        ),
        select(vec![Authentication::Password, Authentication::Nkey]),
        proptest::option::of(select(vec!["x", "y"]).prop_map(str::to_owned)),
    )
        .prop_map(
            |(publish, mut subscribe, wildcards, durables, authentication, secret)| {
                subscribe.extend(durables.values().flat_map(|durable| durable.queues.clone()));
                let data = subscribe
                    .iter()
                    .filter(|queue| queue.domain.as_str() == "data")
                    .count();
                let subscribe_patterns = subscribe
                    .iter()
                    .map(|queue| {
                        let whole = wildcards && data == 3 && queue.domain.as_str() == "data";
                        Pattern(if whole {
                            "data.*".to_owned()
                        } else {
                            queue.to_string()
                        })
                    })
                    .collect();
                User {
                    publish,
                    subscribe,
                    subscribe_patterns,
                    durables,
                    authentication,
                    secret,
                }
            },
        )
}

fn users() -> impl Strategy<Value = BTreeMap<UserName, User>> {
    btree_map(
        select(vec!["u", "v", "w"]).prop_map(UserName::new),
        a_user(),
        0..4,
    )
}

fn domains() -> impl Strategy<Value = BTreeMap<DomainName, Domain>> {
    btree_map(
        select(vec!["data", "science", "activity"]).prop_map(DomainName::new),
        a_domain(),
        1..4,
    )
}

fn may_lose() -> impl Strategy<Value = BTreeSet<MayLose>> {
    let domain =
        select(vec!["data", "science"]).prop_map(|name| MayLose::Domain(DomainName::new(name)));
    let durable = select(vec!["u", "v"])
        .prop_map(|user| MayLose::Durable(UserName::new(user), DurableName::new("a")));
    btree_set(prop_oneof![domain, durable], 0..3)
}

fn tls() -> impl Strategy<Value = Tls> {
    let managed = hours().prop_map(|ca_validity| Issuer::Managed { ca_validity });
    let brought = select(vec!["x", "y"]).prop_map(|name| Issuer::Brought {
        secret: name.to_owned(),
    });
    (
        prop_oneof![managed, brought],
        hours(),
        hours(),
        btree_set(
            select(vec!["a.example", "b.example"]).prop_map(str::to_owned),
            0..3,
        ),
        any::<bool>(),
    )
        .prop_map(
            |(issuer, validity, renew_before, extra_dns_names, client_certificates)| Tls {
                issuer,
                validity,
                renew_before,
                extra_dns_names,
                client_certificates,
            },
        )
}

pub(super) fn a_bus() -> impl Strategy<Value = Valid> {
    let settings = (
        select(vec!["fsc", "other"]).prop_map(str::to_owned),
        proptest::option::of(select(vec!["2.15.1", "2.15.2"]).prop_map(str::to_owned)),
        select(vec![1_u8, 3, 5]),
        1_u64..9,
        prop_oneof![Just(Sync::Always), hours().prop_map(Sync::Every)],
        on_delete(),
        tls(),
        hours(),
        any::<bool>(),
        subsequence(vec!["spec.pod".to_owned(), "spec.image".to_owned()], 0..=2),
    );
    let settings = (settings, any::<bool>());
    (settings, domains(), users(), may_lose()).prop_map(|(settings, domains, users, may_lose)| {
        let (settings, websocket) = settings;
        let (
            name,
            version,
            replicas,
            storage_size,
            sync,
            on_delete,
            tls,
            max_wait_per_server,
            paused,
            kubernetes_only,
        ) = settings;
        let mut valid = Valid {
            name,
            generation: 1,
            version,
            replicas,
            storage_size,
            sync,
            on_delete,
            tls,
            websocket,
            domains,
            users,
            max_wait_per_server,
            paused,
            may_lose,
            kubernetes_only,
        };
        for domain in valid.domains.values_mut() {
            domain.replicas = domain.replicas.min(replicas);
        }
        valid
    })
}

/// What servers report of a bus that is in use.
pub(super) fn in_use(valid: &Valid, seed: u64) -> ObservedQueues {
    let mut observed = reported(valid);
    for (index, stream) in (0_u64..).zip(observed.streams.values_mut()) {
        let each = (seed >> index) % 100;
        stream.subjects = stream
            .config
            .subjects
            .iter()
            .map(|subject| (subject.clone(), each))
            .collect();
        stream.messages = stream.subjects.values().sum();
        stream.bytes = stream.messages * 10;
        let age = i64::try_from((seed >> index) % 200).unwrap();
        stream.oldest = (stream.messages > 0).then_some(NOW - age * 3600);
    }
    for (index, consumer) in (0_u64..).zip(observed.consumers.values_mut()) {
        consumer.unread = (seed >> index) % 3;
        consumer.unacknowledged = (seed >> index) % 2;
    }
    observed
}
