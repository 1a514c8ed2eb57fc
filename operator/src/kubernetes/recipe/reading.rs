//! What was measured of a bus, for the metrics.

use std::collections::BTreeMap;

use svom_plan::pki;
use svom_plan::queues::ConsumerId;
use svom_plan::status::Findings;

use crate::bus::Live;
use crate::kubernetes::metrics::{BusReading, Durable, DurableReading, StreamReading};

/// What was measured and found in one look.
pub(super) fn reading(live: &Live, found: &Findings) -> BusReading {
    let certificates = pki::certificates(&live.valid, &live.topology, &live.material);
    let stream = |(name, finding): (&String, &svom_plan::status::StreamFinding)| {
        let stored = live.measured.queues.streams.get(name);
        let replicas = stored.map_or(0, |stored| stored.config.num_replicas);
        let reading = StreamReading {
            led: finding.leader.is_some(),
            quorum: usize::from(finding.replicas_current) * 2 > usize::from(replicas),
            bytes: stored.map_or(0, |stored| stored.bytes),
            probe: live.measured.answered.get(name).copied(),
        };
        (name.clone(), reading)
    };
    BusReading {
        certificates: certificates
            .into_iter()
            .map(|one| (one.name, one.not_after))
            .collect(),
        streams: found.streams.iter().map(stream).collect(),
        queues: queues(live),
        durables: durables(live),
    }
}

/// A queue without a message is one that holds none.
fn queues(live: &Live) -> BTreeMap<String, u64> {
    let streams = &live.measured.queues.streams;
    let messages = |queue: &str| {
        let of = |stored: &svom_plan::queues::ObservedStream| stored.subjects.get(queue).copied();
        streams.values().find_map(of).unwrap_or(0)
    };
    live.valid
        .queues()
        .map(|queue| (queue.to_string(), messages(&queue.to_string())))
        .collect()
}

fn durables(live: &Live) -> BTreeMap<Durable, DurableReading> {
    let mut durables = BTreeMap::new();
    for (user, of) in &live.valid.users {
        for (name, durable) in &of.durables {
            let id = ConsumerId::new(&durable.domain, user, name);
            if let Some(found) = live.measured.queues.consumers.get(&id) {
                let durable = Durable {
                    user: user.to_string(),
                    name: name.to_string(),
                };
                let reading = DurableReading {
                    pending: found.unread,
                    unacknowledged: found.unacknowledged,
                    given_up: live.clients.given_up().of(&id),
                };
                durables.insert(durable, reading);
            }
        }
    }
    durables
}
