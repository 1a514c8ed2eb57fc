//! What holds of every two states, not only of those that somebody thought of.

mod generators;

use std::collections::BTreeSet;

use proptest::prelude::*;
use svom_crds::SvomMessagingSpec;

use self::generators::{a_bus, in_use};
use super::{Change, Effect, changes, in_force, only_revocations};
use crate::queues::fixtures::{NOW, after, bus, queue};
use crate::queues::{QueueStep, queue_plan};
use crate::valid::{MayLose, OnDelete, Pattern, Queue, Valid};

/// Every state that differs from `old` by one field, which it has from `new`.
fn one_by_one(old: &Valid, new: &Valid) -> Vec<Valid> {
    let mut states = vec![old.clone(); 12];
    if let [a, b, c, d, e, f, g, h, i, j, k, l] = states.as_mut_slice() {
        a.name.clone_from(&new.name);
        b.version.clone_from(&new.version);
        c.replicas = new.replicas;
        d.storage_size = new.storage_size;
        e.sync = new.sync;
        f.on_delete = new.on_delete;
        g.tls = new.tls.clone();
        h.domains = new.domains.clone();
        i.users = new.users.clone();
        j.max_wait_per_server = new.max_wait_per_server;
        k.paused = new.paused;
        l.may_lose = new.may_lose.clone();
    }
    states.push(Valid {
        kubernetes_only: new.kubernetes_only.clone(),
        ..old.clone()
    });
    for (name, domain) in &new.domains {
        let mut state = old.clone();
        state.domains.insert(name.clone(), domain.clone());
        states.push(state);
    }
    for (name, user) in &new.users {
        let mut state = old.clone();
        state.users.insert(name.clone(), user.clone());
        states.push(state);
    }
    states
}

fn refused(changes: &[Change]) -> BTreeSet<String> {
    changes
        .iter()
        .filter(|change| change.effect == Effect::Refuse)
        .map(|change| change.path.clone())
        .collect()
}

/// Whether every right of `less` is one of `more`. A literal queue lies within a wildcard.
fn rights_within(less: &Valid, more: &Valid) -> bool {
    less.users.iter().all(|(name, user)| {
        let Some(wide) = more.users.get(name) else {
            return false;
        };
        let written = |pattern: &Pattern| {
            wide.subscribe_patterns.contains(pattern)
                || (!pattern.0.contains('*') && wide.subscribe.contains(&queue(&pattern.0)))
        };
        user.publish.is_subset(&wide.publish)
            && user.subscribe.is_subset(&wide.subscribe)
            && user.subscribe_patterns.iter().all(written)
            && user.durables.iter().all(|(name, durable)| {
                wide.durables.get(name).is_some_and(|wide| {
                    durable.domain == wide.domain && durable.queues.is_subset(&wide.queues)
                })
            })
    })
}

/// Whether every right of `left` is named by `new`, whose wildcards name whole domains.
fn named(left: &Valid, new: &Valid) -> bool {
    left.users.iter().all(|(name, user)| {
        let Some(wide) = new.users.get(name) else {
            return false;
        };
        let subscribes = |queue: &Queue| {
            let whole = Pattern(format!("{}.*", queue.domain));
            wide.subscribe.contains(queue) || wide.subscribe_patterns.contains(&whole)
        };
        user.publish.is_subset(&wide.publish)
            && user.subscribe.iter().all(subscribes)
            && user.durables.iter().all(|(name, durable)| {
                wide.durables
                    .get(name)
                    .is_some_and(|wide| durable.queues.is_subset(&wide.queues))
            })
    })
}

/// The users of a state as a resource writes them, with a mistake beside them.
fn written(valid: &Valid) -> SvomMessagingSpec {
    let users: Vec<serde_json::Value> = valid
        .users
        .iter()
        .map(|(name, user)| {
            let texts = |queues: &BTreeSet<Queue>| queues.iter().map(ToString::to_string).collect::<Vec<_>>();
            let durables: Vec<serde_json::Value> = user
                .durables
                .iter()
                .map(|(name, durable)| {
                    serde_json::json!({"name": name.as_str(), "queues": texts(&durable.queues)})
                })
                .collect();
            let mut publish = texts(&user.publish);
            publish.push("no.such-queue".to_owned());
            let subscribe: Vec<&str> = user.subscribe_patterns.iter().map(|pattern| pattern.0.as_str()).collect();
            serde_json::json!({"name": name.as_str(), "publish": publish, "subscribe": subscribe, "durables": durables})
        })
        .collect();
    serde_json::from_value(serde_json::json!({"users": users})).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_state_does_not_differ_from_itself(valid in a_bus(), seed: u64) {
        prop_assert_eq!(changes(&valid, &valid, Some(&in_use(&valid, seed)), NOW), vec![]);
    }

    #[test]
    fn every_difference_is_told(old in a_bus(), new in a_bus(), seed: u64) {
        let observed = in_use(&old, seed);
        for new in one_by_one(&old, &new) {
            for observed in [None, Some(&observed)] {
                let found = changes(&old, &new, observed, NOW);
                prop_assert_eq!(found.is_empty(), old == new);
                let paths: BTreeSet<&String> = found.iter().map(|change| &change.path).collect();
                prop_assert_eq!(paths.len(), found.len(), "each path once, in order");
                prop_assert!(found.is_sorted());
                for change in &found {
                    prop_assert_eq!(change.instead.is_some(), change.effect == Effect::Refuse, "{:?}", change);
                }
            }
        }
    }

    #[test]
    fn what_is_refused_is_held_and_what_is_held_adds_no_right(old in a_bus(), new in a_bus(), seed: u64) {
        let observed = in_use(&old, seed);
        let found = changes(&old, &new, Some(&observed), NOW);
        let held = in_force(&old, &new, &found);
        let again = changes(&old, &held, Some(&observed), NOW);
        prop_assert_eq!(refused(&again), BTreeSet::new());
        let paths = refused(&found);
        prop_assert!(again.iter().all(|change| !paths.contains(&change.path)));
        prop_assert!(rights_within(&held, &new) && rights_within(&new, &held));
        prop_assert_eq!(held.domains.keys().collect::<Vec<_>>(), new.domains.keys().collect::<Vec<_>>());
        // What was not refused is in force.
        let rest = changes(&held, &new, Some(&observed), NOW);
        let kept_version = super::path::VERSION.to_owned();
        prop_assert!(rest.iter().all(|change| paths.contains(&change.path) || change.path == kept_version), "{:?}", rest);
        prop_assert!(held.domains.values().all(|domain| domain.replicas <= held.replicas));
    }

    #[test]
    fn an_invalid_resource_only_takes_away(old in a_bus(), new in a_bus()) {
        let left = only_revocations(&old, &written(&new));
        prop_assert!(rights_within(&left, &old));
        prop_assert!(named(&left, &new));
        prop_assert_eq!(Valid { users: old.users.clone(), ..left }, old);
    }

    #[test]
    fn taking_nothing_away_changes_nothing(old in a_bus()) {
        prop_assert_eq!(only_revocations(&old, &written(&old)), old);
    }

    #[test]
    fn the_steps_lead_there_and_lose_nothing_unasked(old in a_bus(), new in a_bus(), seed: u64) {
        let observed = in_use(&old, seed);
        let plan = queue_plan(&new, &observed, NOW);
        let again = queue_plan(&new, &after(&new, &observed), NOW);
        prop_assert_eq!(again.steps, vec![]);
        for step in plan.steps {
            match step {
                QueueStep::DeleteStream { stream } => {
                    let config = &observed.streams[&stream].config;
                    prop_assert_eq!(config.on_delete(), OnDelete::Delete);
                    prop_assert!(!new.domains.contains_key(&config.domain().unwrap()));
                }
                QueueStep::UpdateStream(config) => {
                    let there = &observed.streams[&config.name];
                    let permitted = config.domain().is_none_or(|domain| new.may_lose.contains(&MayLose::Domain(domain)));
                    let newest_lost = NOW - config.max_age / 1_000_000_000;
                    let loses = there.oldest.is_some_and(|oldest| oldest < newest_lost && config.max_age < there.config.max_age)
                        || (config.discard == "old" && i64::try_from(there.bytes).unwrap() > config.max_bytes
                            && (config.max_bytes < there.config.max_bytes || there.config.discard == "new"))
                        || (config.max_msgs_per_subject < there.config.max_msgs_per_subject
                            && there.subjects.values().any(|held| i64::try_from(*held).unwrap() > config.max_msgs_per_subject));
                    prop_assert!(permitted || !loses, "{:?}", config);
                }
                QueueStep::DeleteConsumer { id } | QueueStep::ReplaceConsumer { id, .. } => {
                    let consumer = &observed.consumers[&id];
                    let (user, durable) = consumer.config.durable().unwrap();
                    let wanted = crate::queues::consumers(&new).contains_key(&id);
                    let read = consumer.unread == 0 && consumer.unacknowledged == 0 && !wanted;
                    let goes = observed.streams[&id.stream].config.on_delete() == OnDelete::Delete;
                    prop_assert!(read || goes || new.may_lose.contains(&MayLose::Durable(user, durable)));
                }
                QueueStep::CreateStream(_) | QueueStep::CreateConsumer { .. } | QueueStep::UpdateConsumer { .. } => {}
            }
        }
    }
}

#[test]
fn the_generation_alone_is_no_difference() {
    let edited = Valid {
        generation: 2,
        ..bus()
    };
    assert_eq!(changes(&bus(), &edited, None, NOW), vec![]);
}
