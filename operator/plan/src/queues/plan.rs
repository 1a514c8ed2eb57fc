//! The steps from what is there to what is wanted.
//!
//! The order is a decision. What takes away goes first: consumers, then streams, whose room others
//! may need. Streams come before the consumers that read them; those that grow least come first, so
//! that room is given back before it is taken. What is not ours is never touched.

use std::collections::BTreeSet;

use super::guard::{Limit, LimitChange, Limited, limit_change, unread_words};
use super::{
    ConsumerConfig, ConsumerId, ObservedConsumer, ObservedQueues, ObservedStream, QueuePlan,
    QueueStep, StreamConfig, consumers, streams,
};
use crate::UnixSeconds;
use crate::change::words::{count, list};
use crate::change::{Change, Effect, domain_path, durable_path};
use crate::names::stream as stream_name;
use crate::valid::{DomainName, MayLose, OnDelete, Valid};

/// The steps that bring streams and consumers to what the resource wants, and what is held back or
/// kept instead. Empty steps: everything is as wanted. A server may refuse a step while the one
/// before it is still under way (a consumer cannot follow its stream to more servers before the
/// stream is there): the next look asks for it again.
pub fn queue_plan(valid: &Valid, observed: &ObservedQueues, now: UnixSeconds) -> QueuePlan {
    let mut held = Vec::new();
    let deleted = streams_to_delete(valid, observed, &mut held);
    let mut steps = consumers_to_delete(valid, observed, &deleted, &mut held);
    steps.extend(
        deleted
            .into_iter()
            .map(|stream| QueueStep::DeleteStream { stream }),
    );
    steps.extend(streams_to_make(valid, observed, now, &mut held));
    steps.extend(consumers_to_make(valid, observed, &mut held));
    held.sort();
    QueuePlan { steps, held }
}

/// Streams of domains that the resource no longer names and that were to go with their domain.
fn streams_to_delete(
    valid: &Valid,
    observed: &ObservedQueues,
    held: &mut Vec<Change>,
) -> BTreeSet<String> {
    let mut deleted = BTreeSet::new();
    for (name, stream) in &observed.streams {
        let Some(domain) = stream.config.domain() else {
            continue;
        };
        if valid.domains.contains_key(&domain) {
            continue;
        }
        match stream.config.on_delete() {
            OnDelete::Delete => {
                deleted.insert(name.clone());
            }
            OnDelete::Retain => held.push(Change::new(
                domain_path(&domain),
                Effect::Nothing,
                format!(
                    "not in the resource; stream {name} is kept with its {}",
                    count(stream.messages, "message")
                ),
                "its onDelete is Retain: nobody has rights on it, and a domain of the same name takes it up again; \
                 to delete it, name the domain with onDelete: Delete once more and then remove it",
            )),
        }
    }
    deleted
}

/// Consumers of durable subscriptions that the resource no longer names. Those that still have
/// something for their readers are kept: they cost no more than their position, nobody has access,
/// and the same durable takes them up again.
fn consumers_to_delete(
    valid: &Valid,
    observed: &ObservedQueues,
    deleted_streams: &BTreeSet<String>,
    held: &mut Vec<Change>,
) -> Vec<QueueStep> {
    let wanted = consumers(valid);
    let mut steps = Vec::new();
    for (id, consumer) in &observed.consumers {
        let Some((user, durable)) = consumer.config.durable() else {
            continue;
        };
        if wanted.contains_key(id) {
            continue;
        }
        let permitted = valid
            .may_lose
            .contains(&MayLose::Durable(user.clone(), durable.clone()));
        match unread_words(consumer) {
            Some(unread) if !permitted && !deleted_streams.contains(&id.stream) => held.push(Change::new(
                durable_path(&user, &durable),
                Effect::Nothing,
                format!(
                    "not in the resource; consumer {} of stream {} is kept with {unread}",
                    id.consumer, id.stream
                ),
                format!(
                    "nobody has access to it, and the same durable on the same domain takes it up again; to delete it, write the \
                     annotation {}: durable/{user}.{durable}",
                    svom_crds::ALLOW_LOSS
                ),
            )),
            _ => steps.push(QueueStep::DeleteConsumer { id: id.clone() }),
        }
    }
    steps
}

/// Streams to update, those that grow least first, then streams to make.
fn streams_to_make(
    valid: &Valid,
    observed: &ObservedQueues,
    now: UnixSeconds,
    held: &mut Vec<Change>,
) -> Vec<QueueStep> {
    let mut updates = Vec::new();
    let mut creations = Vec::new();
    for (name, wanted) in streams(valid) {
        match observed.streams.get(&name) {
            None => creations.push(QueueStep::CreateStream(wanted)),
            Some(there) => {
                let growth = wanted.max_bytes.saturating_sub(there.config.max_bytes);
                let sides = StreamSides {
                    valid,
                    observed,
                    there,
                    now,
                };
                if let Some(update) = stream_to_update(sides, wanted, held) {
                    updates.push((growth, update));
                }
            }
        }
    }
    updates.sort_by_key(|(growth, update)| (*growth, update.name.clone()));
    updates
        .into_iter()
        .map(|(_, update)| QueueStep::UpdateStream(update))
        .chain(creations)
        .collect()
}

#[derive(Clone, Copy)]
struct StreamSides<'a> {
    valid: &'a Valid,
    observed: &'a ObservedQueues,
    there: &'a ObservedStream,
    now: UnixSeconds,
}

/// What a stream that is there is to be updated to: what is wanted, with each limit that would
/// delete messages as it is.
fn stream_to_update(
    sides: StreamSides<'_>,
    wanted: StreamConfig,
    held: &mut Vec<Change>,
) -> Option<StreamConfig> {
    let there = sides.there;
    if !there.config.is_ours() {
        held.push(foreign_stream(&wanted));
        return None;
    }
    let wanted = match wanted.domain() {
        Some(domain) => {
            held.extend(kept_messages(&domain, &wanted, there));
            hold_limits(sides, &domain, wanted, held)
        }
        None => wanted,
    };
    if wanted.is_in_force(&there.config) {
        return None;
    }
    let immutable = wanted.immutable_differences(&there.config);
    if !immutable.is_empty() {
        held.push(Change::refused(
            stream_path(&wanted),
            format!(
                "stream {} was made or changed by somebody else: {}",
                wanted.name,
                list(immutable)
            ),
            "the server never changes this on a stream that exists",
            "make a copy of its messages and delete the stream; it is then made anew",
        ));
        return None;
    }
    Some(wanted)
}

/// The wanted stream with each limit as it is that would delete messages.
fn hold_limits(
    sides: StreamSides<'_>,
    domain: &DomainName,
    mut wanted: StreamConfig,
    held: &mut Vec<Change>,
) -> StreamConfig {
    let StreamSides {
        valid,
        observed,
        there,
        now,
    } = sides;
    let Some(to) = valid.domains.get(domain).map(Limited::from) else {
        return wanted;
    };
    let permitted = valid.may_lose.contains(&MayLose::Domain(domain.clone()));
    for limit in Limit::ALL {
        let change = limit_change(&LimitChange {
            domain,
            limit,
            from: Limited::from(there),
            to,
            observed: Some(observed),
            permitted,
            now,
        });
        let Some(change) = change.filter(|change| change.effect == Effect::Refuse) else {
            continue;
        };
        held.push(change);
        match limit {
            Limit::MaxAge => wanted.max_age = there.config.max_age,
            Limit::MaxBytes => wanted.max_bytes = there.config.max_bytes,
            Limit::MaxMessagesPerQueue => {
                wanted.max_msgs_per_subject = there.config.max_msgs_per_subject;
            }
            Limit::Discard => {
                wanted.discard.clone_from(&there.config.discard);
                wanted.discard_new_per_subject = there.config.discard_new_per_subject;
            }
        }
    }
    wanted
}

/// Messages of programs that the domain no longer names. The subject leaves the stream at once, so
/// that what the stream takes is what the resource declares; its messages stay in the stream
/// (measured), grow old like all others, and are read again when the program is back.
fn kept_messages(
    domain: &DomainName,
    wanted: &StreamConfig,
    there: &ObservedStream,
) -> Vec<Change> {
    there
        .subjects
        .iter()
        .filter(|(subject, messages)| **messages > 0 && !wanted.subjects.contains(*subject))
        .map(|(subject, messages)| {
            let program = subject.split_once('.').map_or(subject.as_str(), |(_, program)| program);
            Change::new(
                format!("{}.programs[{program}]", domain_path(domain)),
                Effect::Nothing,
                format!(
                    "not in the resource; stream {} keeps its {}",
                    wanted.name,
                    count(*messages, "message")
                ),
                "nobody has rights on them; they go with the domain's limits, and are there again when the program is \
                 named again",
            )
        })
        .collect()
}

fn stream_path(config: &StreamConfig) -> String {
    config.domain().map_or_else(
        || format!("streams[{}]", config.name),
        |domain| domain_path(&domain),
    )
}

fn foreign_stream(wanted: &StreamConfig) -> Change {
    Change::refused(
        stream_path(wanted),
        format!(
            "stream {} is there and was not made for this resource",
            wanted.name
        ),
        "what somebody else made is never touched: it does not carry the metadata svom.eu/domain or svom.eu/probe",
        "delete that stream, or give the domain another name",
    )
}

fn consumers_to_make(
    valid: &Valid,
    observed: &ObservedQueues,
    held: &mut Vec<Change>,
) -> Vec<QueueStep> {
    let foreign: BTreeSet<String> = valid
        .domains
        .keys()
        .map(stream_name)
        .filter(|name| {
            observed
                .streams
                .get(name)
                .is_some_and(|stream| !stream.config.is_ours())
        })
        .collect();
    consumers(valid)
        .into_iter()
        .filter(|(id, _)| !foreign.contains(&id.stream))
        .filter_map(|(id, wanted)| match observed.consumers.get(&id) {
            None => Some(QueueStep::CreateConsumer { id, config: wanted }),
            Some(there) => consumer_to_update(valid, id, wanted, there, held),
        })
        .collect()
}

/// What a consumer that is there needs. Where the server refuses a part of it, the rest is done all
/// the same: a narrower filter takes rights away and does not wait.
fn consumer_to_update(
    valid: &Valid,
    id: ConsumerId,
    wanted: ConsumerConfig,
    there: &ObservedConsumer,
    held: &mut Vec<Change>,
) -> Option<QueueStep> {
    let (user, durable) = wanted.durable()?;
    let path = durable_path(&user, &durable);
    if there.config.durable().is_none() {
        held.push(Change::refused(
            path,
            format!("consumer {} of stream {} is there and was not made for this resource", id.consumer, id.stream),
            "what somebody else made is never touched: it does not carry the metadata svom.eu/durable",
            "delete that consumer, or give the durable another name",
        ));
        return None;
    }
    if wanted.is_in_force(&there.config) {
        return None;
    }
    let immutable = wanted.immutable_differences(&there.config);
    if immutable.is_empty() {
        return Some(QueueStep::UpdateConsumer { id, config: wanted });
    }
    if valid
        .may_lose
        .contains(&MayLose::Durable(user.clone(), durable.clone()))
    {
        return Some(QueueStep::ReplaceConsumer { id, config: wanted });
    }
    let field = if immutable == ["deliver_policy"] {
        ".deliver"
    } else {
        ""
    };
    held.push(Change::refused(
        format!("{path}{field}"),
        format!("consumer {} of stream {} has another {}", id.consumer, id.stream, list(immutable)),
        "the server never changes this on a consumer that exists, and a new one has lost the reader's position",
        format!(
            "give up its position with the annotation {}: durable/{user}.{durable}, or take another name for the durable",
            svom_crds::ALLOW_LOSS
        ),
    ));
    let config = wanted.with_immutable_fields_of(&there.config);
    (!config.is_in_force(&there.config)).then_some(QueueStep::UpdateConsumer { id, config })
}
