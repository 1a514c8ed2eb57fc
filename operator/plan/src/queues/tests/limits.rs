//! Limits of streams: what would delete messages is held.

use super::*;

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
