//! Users, their rights and their durable subscriptions.

use super::*;

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
