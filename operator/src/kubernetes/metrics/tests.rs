use std::time::Instant;

use expect_test::expect;

use super::*;
use crate::kubernetes::controller::Key;

fn reading() -> BusReading {
    let stream = StreamReading {
        led: true,
        quorum: true,
        bytes: 1 << 40,
        probe: Some(Duration::from_micros(1_500)),
    };
    let durable = Durable {
        user: "pipeline".to_owned(),
        name: "ingest".to_owned(),
    };
    let durable_reading = DurableReading {
        pending: 3,
        unacknowledged: 2,
        given_up: 1,
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
    metrics.reconciled(Duration::from_millis(3), Some("apply"));
    metrics.reconciled(Duration::from_millis(700), Some("apply"));
    metrics.watch_failed("forbidden");
    metrics.queue(2, 1);
    metrics.leads(true);
    let key = Key {
        namespace: "svom".to_owned(),
        name: "fsc".to_owned(),
    };
    // SCIENCE has no leader at first, which does not count; has one, and then none for three seconds.
    let (unled, mut led) = (reading(), reading());
    led.streams
        .insert("SCIENCE".to_owned(), led.streams["DATA"]);
    let began = Instant::now();
    for (reading, seconds) in [(&unled, 0), (&led, 5), (&unled, 7), (&unled, 10)] {
        let read = began + Duration::from_secs(seconds);
        metrics.buses().set(&key, reading.clone(), read);
    }
    let text = metrics.text().expect("text");
    expect![[r##"
        # HELP svom_messaging_reconciles Reconciles, by how they ended.
        # TYPE svom_messaging_reconciles counter
        svom_messaging_reconciles_total{result="failed"} 2
        # HELP svom_messaging_reconcile_errors Reconciles that failed, by why.
        # TYPE svom_messaging_reconcile_errors counter
        svom_messaging_reconcile_errors_total{kind="apply"} 2
        # HELP svom_messaging_watch_errors Watches of the API server that broke off, by why.
        # TYPE svom_messaging_watch_errors counter
        svom_messaging_watch_errors_total{kind="forbidden"} 1
        # HELP svom_messaging_reconcile_duration_seconds How long reconciles took.
        # TYPE svom_messaging_reconcile_duration_seconds histogram
        svom_messaging_reconcile_duration_seconds_sum 0.703
        svom_messaging_reconcile_duration_seconds_count 2
        svom_messaging_reconcile_duration_seconds_bucket{le="0.001"} 0
        svom_messaging_reconcile_duration_seconds_bucket{le="0.002"} 0
        svom_messaging_reconcile_duration_seconds_bucket{le="0.005"} 1
        svom_messaging_reconcile_duration_seconds_bucket{le="0.01"} 1
        svom_messaging_reconcile_duration_seconds_bucket{le="0.025"} 1
        svom_messaging_reconcile_duration_seconds_bucket{le="0.05"} 1
        svom_messaging_reconcile_duration_seconds_bucket{le="0.1"} 1
        svom_messaging_reconcile_duration_seconds_bucket{le="0.5"} 1
        svom_messaging_reconcile_duration_seconds_bucket{le="1.0"} 2
        svom_messaging_reconcile_duration_seconds_bucket{le="5.0"} 2
        svom_messaging_reconcile_duration_seconds_bucket{le="30.0"} 2
        svom_messaging_reconcile_duration_seconds_bucket{le="120.0"} 2
        svom_messaging_reconcile_duration_seconds_bucket{le="+Inf"} 2
        # HELP svom_messaging_queue_depth Resources that wait for their turn.
        # TYPE svom_messaging_queue_depth gauge
        svom_messaging_queue_depth 2
        # HELP svom_messaging_working Resources that are worked on.
        # TYPE svom_messaging_working gauge
        svom_messaging_working 1
        # HELP svom_messaging_leader 1 where this process holds the Lease.
        # TYPE svom_messaging_leader gauge
        svom_messaging_leader 1
        # HELP svom_messaging_certificate_expiry_timestamp_seconds When a certificate ends, in seconds since 1970.
        # TYPE svom_messaging_certificate_expiry_timestamp_seconds gauge
        svom_messaging_certificate_expiry_timestamp_seconds{namespace="svom",name="fsc",certificate="servers"} 1800000000.0
        # HELP svom_messaging_stream_quorum 1 where more than half of a stream's replicas are current.
        # TYPE svom_messaging_stream_quorum gauge
        svom_messaging_stream_quorum{namespace="svom",name="fsc",stream="DATA"} 1.0
        svom_messaging_stream_quorum{namespace="svom",name="fsc",stream="SCIENCE"} 0.0
        # HELP svom_messaging_stream_leaderless_seconds For how long a stream was seen without a leader, from look to look.
        # TYPE svom_messaging_stream_leaderless_seconds counter
        svom_messaging_stream_leaderless_seconds_total{namespace="svom",name="fsc",stream="DATA"} 0.0
        svom_messaging_stream_leaderless_seconds_total{namespace="svom",name="fsc",stream="SCIENCE"} 3.0
        # HELP svom_messaging_stream_bytes Bytes that a stream stores.
        # TYPE svom_messaging_stream_bytes gauge
        svom_messaging_stream_bytes{namespace="svom",name="fsc",stream="DATA"} 1099511627776.0
        svom_messaging_stream_bytes{namespace="svom",name="fsc",stream="SCIENCE"} 0.0
        # HELP svom_messaging_probe_latency_seconds How long a stream took to answer the last probe; absent where it did not.
        # TYPE svom_messaging_probe_latency_seconds gauge
        svom_messaging_probe_latency_seconds{namespace="svom",name="fsc",stream="DATA"} 0.0015
        # HELP svom_messaging_queue_messages Messages that a queue stores.
        # TYPE svom_messaging_queue_messages gauge
        svom_messaging_queue_messages{namespace="svom",name="fsc",queue="data.vhf"} 7.0
        # HELP svom_messaging_durable_pending_messages Messages that a durable has not delivered yet.
        # TYPE svom_messaging_durable_pending_messages gauge
        svom_messaging_durable_pending_messages{namespace="svom",name="fsc",user="pipeline",durable="ingest"} 3.0
        # HELP svom_messaging_durable_unacknowledged_messages Messages that a durable delivered and nobody acknowledged.
        # TYPE svom_messaging_durable_unacknowledged_messages gauge
        svom_messaging_durable_unacknowledged_messages{namespace="svom",name="fsc",user="pipeline",durable="ingest"} 2.0
        # HELP svom_messaging_durable_max_deliveries Messages that a durable gave up: delivered as often as may be, and never acknowledged.
        # TYPE svom_messaging_durable_max_deliveries counter
        svom_messaging_durable_max_deliveries_total{namespace="svom",name="fsc",user="pipeline",durable="ingest"} 1.0
        # EOF
    "##]].assert_eq(&text);
}

#[test]
fn reconciles_that_do_and_that_fail_are_told_apart() {
    let metrics = Metrics::default();
    metrics.reconciled(Duration::ZERO, None);
    metrics.reconciled(Duration::ZERO, Some("apply"));
    let text = metrics.text().expect("text");
    let prefix = "svom_messaging_reconcile";
    let mut counted: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(prefix) && line.contains("_total"))
        .collect();
    counted.sort_unstable();
    let expected = [
        r#"svom_messaging_reconcile_errors_total{kind="apply"} 1"#,
        r#"svom_messaging_reconciles_total{result="done"} 1"#,
        r#"svom_messaging_reconciles_total{result="failed"} 1"#,
    ];
    assert_eq!(counted, expected);
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
        metrics.buses().set(&key, reading(), Instant::now());
        assert_ne!(metrics.text().expect("text"), before);
        if clear {
            metrics.buses().clear();
        } else {
            metrics.buses().remove(&key);
        }
        assert_eq!(metrics.text().expect("text"), before);
    }
}
