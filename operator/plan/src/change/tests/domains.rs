//! Domains and their limits.

use super::*;

#[test]
fn domains_come_and_go() {
    check(
        |valid| {
            valid
                .domains
                .insert(DomainName::new("activity"), domain(&["calibration", "too"]));
            valid.domains.remove(&DomainName::new("science"));
            user_of(valid, "pipeline").publish.clear();
            let data = domain_of(valid, "data");
            data.programs.insert("sband".to_owned());
            data.programs.remove("xband");
            data.on_delete = OnDelete::Delete;
            data.duplicate_window = HOUR;
            data.replicas = 1;
        },
        expect![[r#"
            reload spec.domains[activity]: added with activity.calibration and activity.too
              stream ACTIVITY is made while everything runs
            reload spec.domains[data].duplicateWindow: 2m -> 1h
              the stream is updated while it runs; no message is touched
            reload spec.domains[data].onDelete: Retain -> Delete
              noted at the stream: when the domain is removed, its messages go
            reload spec.domains[data].programs[sband]: queue data.sband added
              stream DATA takes it while everything runs
            reload spec.domains[data].programs[xband]: queue data.xband removed
              its 500 messages stay in stream DATA as long as the domain's limits keep them, and nobody has rights on them
            reload spec.domains[data].replicas: 3 -> 1
              the stream leaves 2 servers while it runs; it then survives the fall of no servers at a time
            reload spec.domains[science]: removed with science.too
              its onDelete is Retain: stream SCIENCE is kept with its no messages, nobody has rights on it, and a domain of the same name takes it up again
            reload spec.users[pipeline].publish: loses science.too
              in force on open connections; what it may no longer publish to is refused
        "#]],
    );
    let mut to_be_deleted = in_use();
    let science = to_be_deleted.streams.get_mut("SCIENCE").unwrap();
    science.messages = 1;
    science
        .config
        .metadata
        .insert("svom.eu/on-delete".to_owned(), "Delete".to_owned());
    check_with(
        Some(&to_be_deleted),
        |valid| {
            valid.domains.remove(&DomainName::new("science"));
        },
        expect![[r#"
            reload spec.domains[science]: removed with science.too
              its onDelete is Delete: stream SCIENCE is deleted with its 1 message
        "#]],
    );
}

#[test]
fn limits() {
    let lower = |valid: &mut Valid| {
        let data = domain_of(valid, "data");
        data.max_age = HOUR * 48;
        data.max_bytes = 1 << 30;
        data.max_messages_per_queue = 200;
    };
    check(
        lower,
        expect![[r#"
        refuse spec.domains[data].maxAge: 168h -> 48h
          stream DATA holds 3,000 messages, the oldest for 100h; those older than 48h would be deleted at once
          wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
        refuse spec.domains[data].maxBytes: 2Gi -> 1Gi
          stream DATA holds 1.5Gi in 3,000 messages; the oldest 512.0Mi above 1Gi would be deleted at once
          wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
        refuse spec.domains[data].maxMessagesPerQueue: 100,000 -> 200
          2,500 messages above 200 in 2 queues of stream DATA (most in data.vhf, which holds 2,400) would be deleted at once
          wait until the messages are gone, or give them up with the annotation messaging.svom.eu/allow-loss: domain/data
    "#]],
    );
    check_with(
        None,
        lower,
        expect![[r#"
        reload spec.domains[data].maxAge: 168h -> 48h
          the stream is updated while it runs; where it holds messages above the new limit the change is held until the annotation messaging.svom.eu/allow-loss names domain/data
        reload spec.domains[data].maxBytes: 2Gi -> 1Gi
          the stream is updated while it runs; where it holds messages above the new limit the change is held until the annotation messaging.svom.eu/allow-loss names domain/data
        reload spec.domains[data].maxMessagesPerQueue: 100,000 -> 200
          the stream is updated while it runs; where it holds messages above the new limit the change is held until the annotation messaging.svom.eu/allow-loss names domain/data
    "#]],
    );
    check(
        |valid| {
            lower(valid);
            may_lose_domain(valid, "data");
        },
        expect![[r#"
            nothing metadata.annotations[messaging.svom.eu/allow-loss]: none -> domain/data
              it permits losses and causes none; remove it once they are done
            replace spec.domains[data].maxAge: 168h -> 48h
              stream DATA holds 3,000 messages, the oldest for 100h; those older than 48h are deleted at once, which domain/data in the annotation messaging.svom.eu/allow-loss permits
            replace spec.domains[data].maxBytes: 2Gi -> 1Gi
              stream DATA holds 1.5Gi in 3,000 messages; the oldest 512.0Mi above 1Gi are deleted at once, which domain/data in the annotation messaging.svom.eu/allow-loss permits
            replace spec.domains[data].maxMessagesPerQueue: 100,000 -> 200
              2,500 messages above 200 in 2 queues of stream DATA (most in data.vhf, which holds 2,400) are deleted at once, which domain/data in the annotation messaging.svom.eu/allow-loss permits
        "#]],
    );
    check(
        |valid| {
            let data = domain_of(valid, "data");
            data.max_age = HOUR * 101;
            data.max_bytes = 4 << 30;
            data.max_messages_per_queue = 1_000_000;
            data.discard = Discard::New;
        },
        expect![[r#"
            reload spec.domains[data].discard: Old -> New
              the stream is updated while it runs; it deletes nothing for it
            reload spec.domains[data].maxAge: 168h -> 101h
              the stream is updated while it runs; it holds nothing above the new limit
            reload spec.domains[data].maxBytes: 2Gi -> 4Gi
              the stream is updated while it runs; it deletes nothing for it
            reload spec.domains[data].maxMessagesPerQueue: 100,000 -> 1,000,000
              the stream is updated while it runs; it deletes nothing for it
        "#]],
    );
}
