//! What is no longer named: kept, or gone.

use super::*;

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
