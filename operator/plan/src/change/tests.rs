//! The words for every kind of difference, and what is put in force.

use expect_test::{Expect, expect};

use super::{Change, Effect, changes, in_force};
use crate::queues::ObservedQueues;
use crate::queues::fixtures::{
    HOUR, NOW, domain, domain_of, durable, edited, in_use, ingest, ingest_id, may_lose_domain,
    may_lose_ingest, queues, user, user_of,
};
use crate::valid::{
    Authentication, Deliver, Discard, DomainName, DurableName, Issuer, OnDelete, Pattern, Sync,
    UserName, Valid,
};

fn told(changes: &[Change]) -> String {
    changes
        .iter()
        .map(|change| {
            let Change {
                path,
                effect,
                what,
                why,
                instead,
            } = change;
            let instead = instead
                .as_deref()
                .map_or_else(String::new, |instead| format!("\n  {instead}"));
            format!("{} {path}: {what}\n  {why}{instead}\n", effect.as_str())
        })
        .collect()
}

/// The bus as `in_use` has it.
fn start() -> Valid {
    edited(|valid| domain_of(valid, "data").max_bytes = 2 << 30)
}

fn after(edit: impl FnOnce(&mut Valid)) -> Valid {
    let mut valid = start();
    edit(&mut valid);
    valid
}

fn check_with(observed: Option<&ObservedQueues>, edit: impl FnOnce(&mut Valid), wanted: Expect) {
    let new = after(edit);
    let found = changes(&start(), &new, observed, NOW);
    wanted.assert_eq(&told(&found));
    let refused = found.iter().any(|change| change.effect == Effect::Refuse);
    assert_eq!(in_force(&start(), &new, &found) != new, refused);
}

fn check(edit: impl FnOnce(&mut Valid), wanted: Expect) {
    check_with(Some(&in_use()), edit, wanted);
}

#[test]
fn the_bus() {
    check(
        |valid| {
            valid.name = "other".to_owned();
            valid.generation = 2;
            valid.replicas = 5;
            valid.storage_size = 5 << 30;
            valid.version = Some("2.15.9".to_owned());
            valid.tls.issuer = Issuer::Brought {
                secret: "our-ca".to_owned(),
            };
        },
        expect![[r#"
            refuse metadata.name: fsc -> other
              servers, Secrets and the cluster itself are named like the resource
              make a second resource with the new name and move the clients to it
            refuse spec.replicas: 3 -> 5
              this release does not add servers to a bus that runs, nor take any from it
              write replicas: 3, or make a second resource and move the clients to it
            refuse spec.storage.size: 10Gi -> 5Gi
              volumes do not shrink, and the servers refuse a smaller limit while they run
              write size: 10Gi, and lower maxBytes of the domains to keep less
            refuse spec.tls.issuer: managed -> secretRef our-ca
              every client trusts the authority in the ca.crt that it was handed; under another one none could connect until it was handed the new one
              make a second resource with the new authority and move the clients to it
            refuse spec.version: left out -> 2.15.9
              this release does not exchange the nats-server of a bus that runs
              leave version out: the bus keeps the one it was made with
        "#]],
    );
    check(
        |valid| {
            valid.storage_size = 20 << 30;
            valid.sync = Sync::Every(HOUR / 60);
            valid.on_delete = OnDelete::Delete;
            valid.max_wait_per_server = HOUR;
            valid.paused = true;
            valid.kubernetes_only = vec!["spec.pod".to_owned()];
            may_lose_domain(valid, "science");
            may_lose_ingest(valid);
        },
        expect![[r#"
            nothing metadata.annotations[messaging.svom.eu/allow-loss]: none -> domain/science and durable/pipeline.ingest
              it permits losses and causes none; remove it once they are done
            nothing spec: fields for Kubernetes alone: none -> spec.pod
              they do not reach the servers' configuration
            nothing spec.paused: false -> true
              from now on the bus is watched and reported on, and nothing is changed
            nothing spec.rollout.maxWaitPerServer: 10m -> 1h
              it holds from the next restart of a server on
            nothing spec.storage.onDelete: Retain -> Delete
              it says what becomes of volumes and credentials when the resource itself is deleted
            reload spec.storage.size: 10Gi -> 20Gi
              the servers take a larger limit while they run
            restart spec.storage.sync: Always -> 1m
              the servers read it only when they start; from then on a power cut of all servers at once loses up to 1m of acknowledged messages
        "#]],
    );
}

#[test]
fn certificates() {
    check(
        |valid| {
            valid.tls.issuer = Issuer::Managed { ca_validity: HOUR };
            valid.tls.validity = HOUR * 24;
            valid.tls.renew_before = HOUR * 8;
            valid
                .tls
                .extra_dns_names
                .insert("bus.example.org".to_owned());
            valid.tls.client_certificates = true;
        },
        expect![[r#"
            reload spec.tls.clientCertificates: None -> Required
              every user's credentials get a certificate; who is connected stays, who connects without one is refused
            reload spec.tls.extraDnsNames: none -> bus.example.org
              the servers' certificates are renewed with these names; connections stay
            nothing spec.tls.issuer.managed.caValidity: 87600h -> 1h
              it holds for the next authority; the one at hand keeps its end
            reload spec.tls.issuer.managed.renewBefore: 720h -> 8h
              certificates that are due by it are renewed; connections stay
            reload spec.tls.issuer.managed.validity: 2160h -> 24h
              certificates of servers and users are renewed at once; connections stay
        "#]],
    );
}

#[test]
fn a_version_that_is_left_out_stays_what_it_was() {
    let old = after(|valid| valid.version = Some("2.15.1".to_owned()));
    let new = start();
    let found = changes(&old, &new, None, NOW);
    expect![[r#"
        nothing spec.version: 2.15.1 -> left out
          a version that is left out stays what it was
    "#]]
    .assert_eq(&told(&found));
    assert_eq!(in_force(&old, &new, &found), old);
}

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

#[test]
fn users_and_rights() {
    check(
        |valid| {
            valid.users.remove(&UserName::new("gateway"));
            let desk = crate::valid::User {
                subscribe: queues(&["science.too"]),
                subscribe_patterns: [Pattern("*.too".to_owned())].into(),
                secret: Some("desk-key".to_owned()),
                ..user()
            };
            valid.users.insert(UserName::new("alert-desk"), desk);
            let pipeline = user_of(valid, "pipeline");
            pipeline.publish = queues(&["data.mdb", "data.vhf"]);
            pipeline.subscribe = queues(&["data.vhf", "data.xband"]);
            pipeline.subscribe_patterns = ["data.vhf", "data.xband"]
                .map(|queue| Pattern(queue.to_owned()))
                .into();
            pipeline.authentication = Authentication::Nkey;
            pipeline.secret = Some("pipeline-key".to_owned());
        },
        expect![[r#"
            reload spec.users[alert-desk]: added: publishes to nothing; subscribes to *.too
              it proves itself with what is in desk-key; nobody else is touched
            reload spec.users[gateway]: removed: published to data.vhf; subscribed to nothing
              its connections are closed at once and it cannot connect again; nobody else is touched
            reload spec.users[pipeline].authentication: Password -> NKey
              it gets new credentials; its connections are closed until it uses them; nobody else is touched
            reload spec.users[pipeline].publish: gains data.mdb and data.vhf; loses science.too
              in force on open connections; what it may no longer publish to is refused
            reload spec.users[pipeline].secretRef: generated -> pipeline-key
              where its credentials are others, its connections are closed until it uses them; nobody else is touched
            reload spec.users[pipeline].subscribe: loses data.mdb
              in force on open connections; a subscription that it may no longer have ends
        "#]],
    );
    check(
        |valid| {
            user_of(valid, "pipeline").subscribe_patterns = ["data.mdb", "data.vhf", "data.xband"]
                .map(|queue| Pattern(queue.to_owned()))
                .into();
        },
        expect![[r#"
            reload spec.users[pipeline].subscribe: data.* -> data.mdb, data.vhf and data.xband
              the same queues; a subscription in a form that is no longer written ends
        "#]],
    );
}

#[test]
fn durables() {
    check(
        |valid| {
            let ingest = ingest(valid);
            ingest.queues = queues(&["data.mdb", "data.vhf"]);
            ingest.ack_wait = HOUR / 60;
            ingest.max_deliver = 7;
            ingest.max_ack_pending = 2_000;
            ingest.deliver = Deliver::Last;
            let archive = durable("science", &["science.too"]);
            user_of(valid, "gateway")
                .durables
                .insert(DurableName::new("archive"), archive);
        },
        expect![[r#"
            reload spec.users[gateway].durables[archive]: added: reads science.too
              its consumer is made while everything runs
            reload spec.users[pipeline].durables[ingest].ackWait: 30s -> 1m
              the consumer is updated while it runs; it keeps its position
            refuse spec.users[pipeline].durables[ingest].deliver: All -> Last
              it says where a new consumer begins, and the server never changes it on one that exists
              write deliver: All, take another name for the durable, or give up its position with the annotation messaging.svom.eu/allow-loss: durable/pipeline.ingest
            reload spec.users[pipeline].durables[ingest].maxAckPending: 1,000 -> 2,000
              the consumer is updated while it runs; it keeps its position
            reload spec.users[pipeline].durables[ingest].maxDeliver: 5 -> 7
              the consumer is updated while it runs; it keeps its position
            reload spec.users[pipeline].durables[ingest].queues: gains data.mdb; loses data.xband
              the consumer is updated while it runs and keeps its position; of a queue it gains it reads what comes after that position
        "#]],
    );
    let gone = |valid: &mut Valid| user_of(valid, "pipeline").durables.clear();
    check(
        gone,
        expect![[r#"
        reload spec.users[pipeline].durables[ingest]: removed: read data.vhf and data.xband
          its readers lose access at once; consumer pipeline_ingest of stream DATA is kept with 12 unread and 3 unacknowledged messages until durable/pipeline.ingest in the annotation messaging.svom.eu/allow-loss gives them up
    "#]],
    );
    check_with(
        None,
        gone,
        expect![[r#"
        reload spec.users[pipeline].durables[ingest]: removed: read data.vhf and data.xband
          its readers lose access at once; consumer pipeline_ingest of stream DATA is deleted, or, where messages are unread, kept until durable/pipeline.ingest in the annotation messaging.svom.eu/allow-loss gives them up
    "#]],
    );
    check(
        |valid| {
            valid.users.remove(&UserName::new("pipeline"));
            may_lose_ingest(valid);
        },
        expect![[r#"
            nothing metadata.annotations[messaging.svom.eu/allow-loss]: none -> durable/pipeline.ingest
              it permits losses and causes none; remove it once they are done
            reload spec.users[pipeline]: removed: published to science.too; subscribed to data.*
              its connections are closed at once and it cannot connect again; nobody else is touched
            reload spec.users[pipeline].durables[ingest]: removed: read data.vhf and data.xband
              its readers lose access at once; consumer pipeline_ingest of stream DATA is deleted with 12 unread and 3 unacknowledged messages, which durable/pipeline.ingest in the annotation messaging.svom.eu/allow-loss permits
        "#]],
    );
    check(
        |valid| {
            *ingest(valid) = crate::valid::Durable {
                deliver: Deliver::New,
                ..durable("science", &["science.too"])
            };
        },
        expect![[r#"
            reload spec.users[pipeline].durables[ingest].deliver: All -> New
              its consumer is made with it while everything runs
            reload spec.users[pipeline].durables[ingest].queues: data.vhf and data.xband -> science.too
              it reads another stream with a consumer of its own; consumer pipeline_ingest of stream DATA is kept with 12 unread and 3 unacknowledged messages until durable/pipeline.ingest in the annotation messaging.svom.eu/allow-loss gives them up
        "#]],
    );
    check(
        |valid| {
            ingest(valid).deliver = Deliver::New;
            may_lose_ingest(valid);
        },
        expect![[r#"
            nothing metadata.annotations[messaging.svom.eu/allow-loss]: none -> durable/pipeline.ingest
              it permits losses and causes none; remove it once they are done
            replace spec.users[pipeline].durables[ingest].deliver: All -> New
              its consumer is deleted and made anew; its position is lost, which messaging.svom.eu/allow-loss: durable/pipeline.ingest permits
        "#]],
    );
    let mut not_made = in_use();
    not_made.consumers.remove(&ingest_id());
    check_with(
        Some(&not_made),
        |valid| ingest(valid).deliver = Deliver::New,
        expect![[r#"
        reload spec.users[pipeline].durables[ingest].deliver: All -> New
          its consumer is made with it while everything runs
    "#]],
    );
}

#[test]
fn what_goes_with_a_refused_number_of_servers_is_held_with_it() {
    check(
        |valid| {
            valid.replicas = 5;
            domain_of(valid, "data").replicas = 5;
            let wide = crate::valid::Domain {
                replicas: 5,
                ..domain(&["too"])
            };
            valid.domains.insert(DomainName::new("activity"), wide);
        },
        expect![[r#"
            reload spec.domains[activity]: added with activity.too
              stream ACTIVITY is made while everything runs
            refuse spec.domains[activity].replicas: 3 -> 5
              it goes with the number of servers, which stays 3
              write replicas: 3
            refuse spec.domains[data].replicas: 3 -> 5
              it goes with the number of servers, which stays 3
              write replicas: 3
            refuse spec.replicas: 3 -> 5
              this release does not add servers to a bus that runs, nor take any from it
              write replicas: 3, or make a second resource and move the clients to it
        "#]],
    );
}

#[test]
fn what_is_refused_is_held_and_revocations_of_the_same_edit_are_not() {
    let new = after(|valid| {
        valid.replicas = 1;
        valid.storage_size = 1 << 30;
        let data = domain_of(valid, "data");
        data.replicas = 1;
        data.max_age = HOUR * 48;
        valid.users.remove(&UserName::new("gateway"));
        ingest(valid).deliver = Deliver::New;
        ingest(valid).queues = queues(&["data.vhf"]);
    });
    let found = changes(&start(), &new, Some(&in_use()), NOW);
    let wanted = after(|valid| {
        valid.users.remove(&UserName::new("gateway"));
        ingest(valid).queues = queues(&["data.vhf"]);
    });
    assert_eq!(in_force(&start(), &new, &found), wanted);
}
