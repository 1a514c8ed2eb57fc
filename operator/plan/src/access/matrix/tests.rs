use expect_test::{Expect, expect};

use super::*;
use crate::access::fixture::{bus, mission};

fn check(valid: &Valid, user: &str, expected: Expect) {
    let matrix = matrix(valid);
    let cells = matrix.get(&UserName::new(user)).expect("the user is there");
    let mut text = String::new();
    for Cell {
        queue,
        kind,
        attempt,
        allowed,
    } in cells
    {
        let queue = queue
            .as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string);
        let verdict = if *allowed { "allowed" } else { "refused" };
        let attempt = match attempt {
            Attempt::Publish { subject } => format!("publish {subject}"),
            Attempt::Subscribe {
                subject,
                group: None,
            } => format!("subscribe {subject}"),
            Attempt::Subscribe {
                subject,
                group: Some(group),
            } => {
                format!("subscribe {subject} in {group}")
            }
            Attempt::Request { subject, body } => format!("request {subject} '{body}'"),
        };
        text.push_str(&format!("{queue} {kind:?} {verdict}: {attempt}\n"));
    }
    expected.assert_eq(&text);
}

fn small_bus() -> Valid {
    bus(&[("data", &["mdb", "vhf"])])
        .with_user("analyst", &["data.mdb"], &["data.*"])
        .with_durable("analyst", "own", &["data.vhf"])
        .with_user("desk", &[], &["data.vhf"])
        .with_durable("desk", "alerts", &["data.vhf"])
        .with_user("gateway", &["data.vhf"], &[])
}

#[test]
fn a_reader() {
    check(
        &small_bus(),
        "analyst",
        expect![[r#"
            - Live allowed: subscribe data.*
            - Live allowed: subscribe data.* in analyst.svom_rights
            - Live refused: subscribe data.* in svom_rights.svom_rights
            - Outside refused: publish svom.probe
            - Outside refused: subscribe $JS.EVENT.ADVISORY.>
            - Outside refused: subscribe $SYS.>
            - Outside refused: subscribe >
            - Outside refused: request $JS.API.INFO ''
            - Outside refused: request $JS.svom.API.CONSUMER.CREATE.DATA.svom_rights_none 'rights'
            - Outside refused: request $JS.svom.API.CONSUMER.MSG.NEXT.DATA.analyst_own 'rights'
            - Outside refused: request $JS.svom.API.STREAM.INFO.DATA 'rights'
            - Outside refused: request $JS.svom.API.STREAM.MSG.GET.DATA 'rights'
            - Outside refused: request $SYS.REQ.ACCOUNT.PING.CONNZ ''
            - Outside refused: request $SYS.REQ.SERVER.PING.VARZ ''
            data.mdb Publish allowed: publish data.mdb
            data.mdb Live allowed: subscribe data.mdb
            data.mdb Durable refused: request $JS.svom.API.CONSUMER.CREATE.DATA.svom_rights_none 'rights'
            data.vhf Publish refused: publish data.vhf
            data.vhf Live allowed: subscribe data.vhf
            data.vhf Durable refused: subscribe deliver.data.analyst.own
            data.vhf Durable refused: subscribe deliver.data.desk.alerts
            data.vhf Durable allowed: request $JS.ACK.DATA.analyst_own.0.0.0.0.0 ''
            data.vhf Durable allowed: request $JS.svom.API.CONSUMER.INFO.DATA.analyst_own ''
            data.vhf Durable refused: request $JS.svom.API.CONSUMER.INFO.DATA.desk_alerts ''
        "#]],
    );
}

#[test]
fn a_publisher() {
    check(
        &small_bus(),
        "gateway",
        expect![[r#"
            - Outside refused: publish svom.probe
            - Outside refused: subscribe $JS.EVENT.ADVISORY.>
            - Outside refused: subscribe $SYS.>
            - Outside refused: subscribe >
            - Outside refused: request $JS.API.INFO ''
            - Outside refused: request $JS.svom.API.CONSUMER.CREATE.DATA.svom_rights_none 'rights'
            - Outside refused: request $JS.svom.API.CONSUMER.MSG.NEXT.DATA.svom_rights_none 'rights'
            - Outside refused: request $JS.svom.API.STREAM.INFO.DATA 'rights'
            - Outside refused: request $JS.svom.API.STREAM.MSG.GET.DATA 'rights'
            - Outside refused: request $SYS.REQ.ACCOUNT.PING.CONNZ ''
            - Outside refused: request $SYS.REQ.SERVER.PING.VARZ ''
            data.mdb Publish refused: publish data.mdb
            data.mdb Live refused: subscribe data.mdb
            data.mdb Durable refused: request $JS.svom.API.CONSUMER.CREATE.DATA.svom_rights_none 'rights'
            data.vhf Publish allowed: publish data.vhf
            data.vhf Live refused: subscribe data.vhf
            data.vhf Durable refused: subscribe deliver.data.analyst.own
            data.vhf Durable refused: request $JS.svom.API.CONSUMER.INFO.DATA.analyst_own ''
        "#]],
    );
}

#[test]
fn there_are_as_many_cells_as_the_module_says() {
    let mut valid = mission();
    for index in 0..10 {
        valid = valid.with_user(&format!("user-{index}"), &["data.vhf"], &[]);
    }
    let cells: usize = matrix(&valid).values().map(Vec::len).sum();
    assert_eq!(cells, 560);

    let cells = matrix(&small_bus());
    let counted = cells.get(&UserName::new("analyst")).map(Vec::len);
    let (queues, streams, patterns, durables, own_pairs, read_by_others) = (2, 1, 1, 1, 1, 1);
    let expected = 2 * queues
        + 3 * own_pairs
        + 2 * read_by_others
        + (queues - read_by_others)
        + 3 * patterns
        + 7
        + 3 * streams
        + durables;
    assert_eq!(counted, Some(expected));
}

#[test]
fn every_durable_has_somebody_who_must_not_reach_it() {
    let mut valid = mission();
    for index in 0..12 {
        let name = format!("user-{index}");
        valid = valid
            .with_user(&name, &[], &["data.*"])
            .with_durable(&name, "d", &["data.vhf"]);
    }
    let refused: Vec<String> = matrix(&valid)
        .values()
        .flatten()
        .filter(|cell| cell.kind == Kind::Durable && !cell.allowed)
        .filter_map(|cell| match &cell.attempt {
            Attempt::Request { subject, .. } => subject.split('.').next_back().map(str::to_owned),
            Attempt::Publish { .. } | Attempt::Subscribe { .. } => None,
        })
        .filter(|consumer| consumer != NO_SUCH_CONSUMER)
        .collect();
    let mut sorted = refused.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((refused.len(), sorted.len()), (12, 12));
}
