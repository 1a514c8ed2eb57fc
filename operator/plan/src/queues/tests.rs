//! The steps, and the words for what is held.

mod limits;
mod removed;

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::fixtures::{
    HOUR, NOW, after, bus, domain, domain_of, durable, edited, in_use, ingest, ingest_id,
    may_lose_domain, may_lose_ingest, queues, reported, user_of,
};
use super::{ConsumerId, ObservedQueues, QueueStep, queue_plan};
use crate::valid::{Deliver, Discard, DomainName, DurableName, OnDelete, UserName, Valid};

/// A plan as text: each step with what differs from what is there, then what is held.
fn told(valid: &Valid, observed: &ObservedQueues) -> String {
    let plan = queue_plan(valid, observed, NOW);
    let mut text = String::new();
    for step in &plan.steps {
        match step {
            QueueStep::CreateStream(config) => writeln!(text, "create stream {}", config.name),
            QueueStep::UpdateStream(config) => {
                let from = &observed.streams[&config.name].config;
                writeln!(
                    text,
                    "update stream {}: {}",
                    config.name,
                    difference(from, config)
                )
            }
            QueueStep::DeleteStream { stream } => writeln!(text, "delete stream {stream}"),
            QueueStep::CreateConsumer { id, .. } => writeln!(text, "create consumer {}", name(id)),
            QueueStep::UpdateConsumer { id, config } => {
                let from = &observed.consumers[id].config;
                writeln!(
                    text,
                    "update consumer {}: {}",
                    name(id),
                    difference(from, config)
                )
            }
            QueueStep::ReplaceConsumer { id, config } => {
                let from = &observed.consumers[id].config;
                writeln!(
                    text,
                    "replace consumer {}: {}",
                    name(id),
                    difference(from, config)
                )
            }
            QueueStep::DeleteConsumer { id } => writeln!(text, "delete consumer {}", name(id)),
        }
        .unwrap();
    }
    for change in &plan.held {
        let instead = change
            .instead
            .as_deref()
            .map_or_else(String::new, |instead| format!("\n  {instead}"));
        let effect = change.effect.as_str();
        writeln!(
            text,
            "{effect} {}: {}\n  {}{instead}",
            change.path, change.what, change.why
        )
        .unwrap();
    }
    text
}

fn name(id: &ConsumerId) -> String {
    format!("{} of {}", id.consumer, id.stream)
}

fn difference<T: serde::Serialize>(from: &T, to: &T) -> String {
    let (from, to) = (
        serde_json::to_value(from).unwrap(),
        serde_json::to_value(to).unwrap(),
    );
    let fields: Vec<String> = to
        .as_object()
        .unwrap()
        .iter()
        .filter(|(field, value)| *field != "metadata" && from[field.as_str()] != **value)
        .map(|(field, value)| format!("{field} {} -> {value}", from[field]))
        .collect();
    fields.join(", ")
}

fn check(valid: &Valid, observed: &ObservedQueues, wanted: Expect) {
    wanted.assert_eq(&told(valid, observed));
    // What the steps lead to needs no further steps.
    let again = queue_plan(valid, &after(valid, observed), NOW);
    assert_eq!(again.steps, Vec::new());
}

fn two_gibibytes(edit: impl FnOnce(&mut Valid)) -> Valid {
    edited(|valid| {
        domain_of(valid, "data").max_bytes = 2 << 30;
        edit(valid);
    })
}

#[test]
fn from_nothing_streams_come_before_consumers() {
    check(
        &bus(),
        &ObservedQueues::default(),
        expect![[r#"
        create stream DATA
        create stream SCIENCE
        create stream svom-probe
        create consumer pipeline_ingest of DATA
    "#]],
    );
}

#[test]
fn what_is_as_wanted_needs_nothing() {
    check(&bus(), &reported(&bus()), expect![[""]]);
    check(&two_gibibytes(|_| {}), &in_use(), expect![[""]]);
}

#[test]
fn what_the_server_never_changes_is_held_and_the_rest_goes_on() {
    let edit = |valid: &mut Valid| {
        ingest(valid).deliver = Deliver::New;
        ingest(valid).queues = queues(&["data.vhf"]);
    };
    check(
        &two_gibibytes(edit),
        &in_use(),
        expect![[r#"
        update consumer pipeline_ingest of DATA: filter_subject "" -> "data.vhf", filter_subjects ["data.vhf","data.xband"] -> null
        refuse spec.users[pipeline].durables[ingest].deliver: consumer pipeline_ingest of stream DATA has another deliver_policy
          the server never changes this on a consumer that exists, and a new one has lost the reader's position
          give up its position with the annotation messaging.svom.eu/allow-loss: durable/pipeline.ingest, or take another name for the durable
    "#]],
    );
    let permitted = two_gibibytes(|valid| {
        edit(valid);
        may_lose_ingest(valid);
    });
    check(
        &permitted,
        &in_use(),
        expect![[r#"
        replace consumer pipeline_ingest of DATA: deliver_policy "all" -> "new", filter_subject "" -> "data.vhf", filter_subjects ["data.vhf","data.xband"] -> null
    "#]],
    );
}

#[test]
fn replicas_follow() {
    let mut observed = reported(&bus());
    for stream in observed.streams.values_mut() {
        stream.config.num_replicas = 1;
    }
    for consumer in observed.consumers.values_mut() {
        consumer.config.num_replicas = 1;
    }
    check(
        &bus(),
        &observed,
        expect![[r#"
        update stream DATA: num_replicas 1 -> 3
        update stream SCIENCE: num_replicas 1 -> 3
        update stream svom-probe: num_replicas 1 -> 3
        update consumer pipeline_ingest of DATA: num_replicas 1 -> 3
    "#]],
    );
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let mut observed = in_use();
    // A copy under another name, with the metadata of what it was copied from.
    let mut copy = observed.streams["DATA"].clone();
    copy.config.name = "BACKUP".to_owned();
    copy.config
        .metadata
        .insert("svom.eu/on-delete".to_owned(), "Delete".to_owned());
    observed.streams.insert("BACKUP".to_owned(), copy);
    let mut consumer = observed.consumers[&ingest_id()].clone();
    consumer.config.name = "mine".to_owned();
    consumer.config.durable_name = "mine".to_owned();
    let id = ConsumerId {
        stream: "DATA".to_owned(),
        consumer: "mine".to_owned(),
    };
    observed.consumers.insert(id, consumer);
    check(&two_gibibytes(|_| {}), &observed, expect![[""]]);
    // Under our names.
    observed
        .streams
        .get_mut("SCIENCE")
        .unwrap()
        .config
        .metadata
        .clear();
    observed
        .consumers
        .get_mut(&ingest_id())
        .unwrap()
        .config
        .metadata
        .clear();
    let valid = two_gibibytes(|valid| {
        user_of(valid, "gateway").durables.insert(
            DurableName::new("own"),
            durable("science", &["science.too"]),
        );
    });
    check(
        &valid,
        &observed,
        expect![[r#"
        refuse spec.domains[science]: stream SCIENCE is there and was not made for this resource
          what somebody else made is never touched: it does not carry the metadata svom.eu/domain or svom.eu/probe
          delete that stream, or give the domain another name
        refuse spec.users[pipeline].durables[ingest]: consumer pipeline_ingest of stream DATA is there and was not made for this resource
          what somebody else made is never touched: it does not carry the metadata svom.eu/durable
          delete that consumer, or give the durable another name
    "#]],
    );
}

#[test]
fn a_stream_that_somebody_sealed_is_held() {
    let mut observed = in_use();
    observed.streams.get_mut("DATA").unwrap().config.sealed = true;
    check(
        &two_gibibytes(|_| {}),
        &observed,
        expect![[r#"
        refuse spec.domains[data]: stream DATA was made or changed by somebody else: sealed
          the server never changes this on a stream that exists
          make a copy of its messages and delete the stream; it is then made anew
    "#]],
    );
}

#[test]
fn the_stream_knows_what_becomes_of_it() {
    let valid = two_gibibytes(|valid| domain_of(valid, "data").on_delete = OnDelete::Delete);
    let plan = queue_plan(&valid, &in_use(), NOW);
    let [QueueStep::UpdateStream(config)] = plan.steps.as_slice() else {
        panic!("{plan:?}");
    };
    assert_eq!(config.on_delete(), OnDelete::Delete);
}
