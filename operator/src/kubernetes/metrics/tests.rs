use expect_test::expect;

use super::*;
use crate::kubernetes::controller::Key;

fn reading() -> BusReading {
    let stream = StreamReading {
        quorum: true,
        bytes: 1 << 40,
        leaderless: Duration::from_millis(1_250),
        probe: Some(Duration::from_micros(1_500)),
    };
    let durable = Durable {
        user: "pipeline".to_owned(),
        name: "ingest".to_owned(),
    };
    let durable_reading = DurableReading {
        pending: 3,
        unacknowledged: 2,
        max_deliveries: 1,
    };
    BusReading {
        certificates: [("servers".to_owned(), 1_800_000_000)].into(),
        streams: [
            ("DATA".to_owned(), stream),
            ("SCIENCE".to_owned(), StreamReading::default()),
        ]
        .into(),
        queues: [("data.vhf".to_owned(), 7)].into(),
        durables: [(durable, durable_reading)].into(),
    }
}

#[test]
fn all_of_it_is_openmetrics() {
    let metrics = Metrics::default();
    metrics.reconciled(Duration::from_millis(3), None);
    metrics.reconciled(Duration::from_millis(700), Some("apply"));
    metrics.watch_failed("forbidden");
    metrics.queue(2, 1);
    metrics.leads(true);
    let key = Key {
        namespace: "svom".to_owned(),
        name: "fsc".to_owned(),
    };
    metrics.buses().set(&key, reading());
    let text = metrics.text().expect("text");
    expect![""].assert_eq(&text);
}

#[test]
fn nothing_is_left_of_a_bus_that_is_gone() {
    let metrics = Metrics::default();
    let before = metrics.text().expect("text");
    for clear in [true, false] {
        let key = Key {
            namespace: "svom".to_owned(),
            name: "fsc".to_owned(),
        };
        metrics.buses().set(&key, reading());
        assert_ne!(metrics.text().expect("text"), before);
        if clear {
            metrics.buses().clear();
        } else {
            metrics.buses().remove(&key);
        }
        assert_eq!(metrics.text().expect("text"), before);
    }
}
