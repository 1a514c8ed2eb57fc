//! The steps, and the words for what is held.

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
fn limits_that_would_delete_messages_are_held_and_the_rest_goes_on() {
    check(
        &two_gibibytes(|valid| {
            let data = domain_of(valid, "data");
            data.max_age = HOUR * 48;
            data.max_bytes = 1 << 30;
            data.max_messages_per_queue = 1_000;
            data.duplicate_window = HOUR;
            data.programs.insert("new".to_owned());
        }),
        &in_use(),
        expect![[r#"
            update stream DATA: duplicate_window 120000000000 -> 3600000000000, subjects ["data.mdb","data.vhf","data.xband"] -> ["data.mdb","data.new","data.vhf","data.xband"]
            refuse spec.domains[data].maxAge: 168h -> 48h
              stream DATA holds 3,000 messages, the oldest for 100h; those older than 48h would be deleted at once
              wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
            refuse spec.domains[data].maxBytes: 2Gi -> 1Gi
              stream DATA holds 1.5Gi in 3,000 messages; the oldest 512.0Mi above 1Gi would be deleted at once
              wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
            refuse spec.domains[data].maxMessagesPerQueue: 100,000 -> 1,000
              1,400 messages above 1,000 in 1 queue of stream DATA (most in data.vhf, which holds 2,400) would be deleted at once
              wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
        "#]],
    );
}

#[test]
fn limits_that_delete_nothing_go_on() {
    let lower = two_gibibytes(|valid| {
        let data = domain_of(valid, "data");
        data.max_age = HOUR * 101;
        data.max_bytes = (1 << 30) + (1 << 29);
        data.max_messages_per_queue = 2_400;
    });
    check(
        &lower,
        &in_use(),
        expect![[r#"
        update stream DATA: max_age 604800000000000 -> 363600000000000, max_bytes 2147483648 -> 1610612736, max_msgs_per_subject 100000 -> 2400
    "#]],
    );
    // A stream that refuses when it is full deletes nothing for a lower limit of bytes.
    let refusing = edited(|valid| domain_of(valid, "data").discard = Discard::New);
    check(
        &refusing,
        &in_use(),
        expect![[r#"
        update stream DATA: discard "old" -> "new", discard_new_per_subject false -> true, max_bytes 2147483648 -> 1073741824
    "#]],
    );
}

#[test]
fn limits_that_delete_messages_go_on_where_that_is_permitted() {
    check(
        &edited(|valid| {
            domain_of(valid, "data").max_age = HOUR * 48;
            may_lose_domain(valid, "data");
        }),
        &in_use(),
        expect![[r#"
            update stream DATA: max_age 604800000000000 -> 172800000000000, max_bytes 2147483648 -> 1073741824
        "#]],
    );
}

#[test]
fn a_stream_that_is_above_its_limit_does_not_begin_to_delete_unasked() {
    let mut observed = in_use();
    let data = observed.streams.get_mut("DATA").unwrap();
    data.config.discard = "new".to_owned();
    data.config.discard_new_per_subject = true;
    data.config.max_bytes = 1 << 30;
    check(
        &bus(),
        &observed,
        expect![[r#"
        refuse spec.domains[data].discard: New -> Old
          stream DATA holds 1.5Gi in 3,000 messages; the oldest 512.0Mi above 1Gi would be deleted at once
          wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
    "#]],
    );
}

#[test]
fn room_is_given_back_before_it_is_taken() {
    let observed = reported(&bus());
    let valid = edited(|valid| {
        domain_of(valid, "data").max_bytes = 2 << 30;
        domain_of(valid, "science").max_bytes = 1 << 20;
        valid
            .domains
            .insert(DomainName::new("activity"), domain(&["too"]));
    });
    check(
        &valid,
        &observed,
        expect![[r#"
        update stream SCIENCE: max_bytes 1073741824 -> 1048576
        update stream DATA: max_bytes 1073741824 -> 2147483648
        create stream ACTIVITY
    "#]],
    );
}

#[test]
fn a_removed_domain_is_kept_or_goes_as_its_stream_says() {
    let without_data = edited(|valid| {
        valid.domains.remove(&DomainName::new("data"));
        user_of(valid, "pipeline").durables.clear();
    });
    check(
        &without_data,
        &in_use(),
        expect![[r#"
        nothing spec.domains[data]: not in the resource; stream DATA is kept with its 3,000 messages
          its onDelete is Retain: nobody has rights on it, and a domain of the same name takes it up again; to delete it, name the domain with onDelete: Delete once more and then remove it
        nothing spec.users[pipeline].durables[ingest]: not in the resource; consumer pipeline_ingest of stream DATA is kept with 12 unread and 3 unacknowledged messages
          nobody has access to it, and the same durable on the same domain takes it up again; to delete it, write the annotation messaging.svom.eu/allow-loss: durable/pipeline.ingest
    "#]],
    );
    let mut to_be_deleted = in_use();
    let data = to_be_deleted.streams.get_mut("DATA").unwrap();
    data.config
        .metadata
        .insert("svom.eu/on-delete".to_owned(), "Delete".to_owned());
    check(
        &without_data,
        &to_be_deleted,
        expect![[r#"
        delete consumer pipeline_ingest of DATA
        delete stream DATA
    "#]],
    );
}

#[test]
fn a_removed_program_leaves_its_messages() {
    check(
        &two_gibibytes(|valid| {
            domain_of(valid, "data").programs.remove("xband");
            ingest(valid).queues = queues(&["data.vhf"]);
        }),
        &in_use(),
        expect![[r#"
            update stream DATA: subjects ["data.mdb","data.vhf","data.xband"] -> ["data.mdb","data.vhf"]
            update consumer pipeline_ingest of DATA: filter_subject "" -> "data.vhf", filter_subjects ["data.vhf","data.xband"] -> null
            nothing spec.domains[data].programs[xband]: not in the resource; stream DATA keeps its 500 messages
              nobody has rights on them; they go with the domain's limits, and are there again when the program is named again
        "#]],
    );
}

#[test]
fn a_removed_durable_is_kept_while_it_has_unread_messages() {
    let removed = two_gibibytes(|valid| user_of(valid, "pipeline").durables.clear());
    check(
        &removed,
        &in_use(),
        expect![[r#"
        nothing spec.users[pipeline].durables[ingest]: not in the resource; consumer pipeline_ingest of stream DATA is kept with 12 unread and 3 unacknowledged messages
          nobody has access to it, and the same durable on the same domain takes it up again; to delete it, write the annotation messaging.svom.eu/allow-loss: durable/pipeline.ingest
    "#]],
    );
    let removed_user = two_gibibytes(|valid| {
        valid.users.remove(&UserName::new("pipeline"));
        may_lose_ingest(valid);
    });
    check(
        &removed_user,
        &in_use(),
        expect![[r#"
        delete consumer pipeline_ingest of DATA
    "#]],
    );
    let mut read = in_use();
    let consumer = read.consumers.get_mut(&ingest_id()).unwrap();
    (consumer.unread, consumer.unacknowledged) = (0, 0);
    check(
        &removed,
        &read,
        expect![[r#"
        delete consumer pipeline_ingest of DATA
    "#]],
    );
}

#[test]
fn a_durable_that_moves_leaves_its_consumer() {
    let moved = two_gibibytes(|valid| *ingest(valid) = durable("science", &["science.too"]));
    check(
        &moved,
        &in_use(),
        expect![[r#"
        create consumer pipeline_ingest of SCIENCE
        nothing spec.users[pipeline].durables[ingest]: not in the resource; consumer pipeline_ingest of stream DATA is kept with 12 unread and 3 unacknowledged messages
          nobody has access to it, and the same durable on the same domain takes it up again; to delete it, write the annotation messaging.svom.eu/allow-loss: durable/pipeline.ingest
    "#]],
    );
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
