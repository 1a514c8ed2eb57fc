//! What is sent, to the byte, and what a real server (2.15.2) reported after it was sent.

use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::Value;

use super::fixtures::{bus, domain_of, edited, ingest, ingest_id, queues};
use super::{ConsumerConfig, StreamConfig, consumers, streams};
use crate::valid::{Deliver, Discard, OnDelete, Valid};

fn check_stream(valid: &Valid, name: &str, wanted: Expect) {
    wanted.assert_eq(&serde_json::to_string(&streams(valid)[name]).unwrap());
}

fn check_consumer(valid: &Valid, wanted: Expect) {
    wanted.assert_eq(&serde_json::to_string(&consumers(valid)[&ingest_id()]).unwrap());
}

fn one_queue() -> Valid {
    edited(|valid| {
        ingest(valid).queues = queues(&["data.vhf"]);
        ingest(valid).deliver = Deliver::Last;
    })
}

fn discards_new() -> Valid {
    edited(|valid| {
        domain_of(valid, "science").discard = Discard::New;
        domain_of(valid, "science").on_delete = OnDelete::Delete;
    })
}

#[test]
fn streams_are_sent_whole() {
    check_stream(
        &bus(),
        "DATA",
        expect![[
            r#"{"name":"DATA","description":"Queues of the domain data","subjects":["data.mdb","data.vhf","data.xband"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":1073741824,"max_age":604800000000000,"max_msgs_per_subject":100000,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":3,"no_ack":false,"duplicate_window":120000000000,"placement":null,"mirror":null,"sources":null,"compression":"none","first_seq":0,"subject_transform":null,"republish":{"src":"data.*","dest":"live.data.{{wildcard(1)}}","headers_only":false},"allow_direct":false,"mirror_direct":false,"discard_new_per_subject":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{"inactive_threshold":0,"max_ack_pending":0},"allow_msg_ttl":false,"subject_delete_marker_ttl":0,"allow_msg_counter":false,"allow_atomic":false,"allow_msg_schedules":false,"persist_mode":"default","allow_batched":false,"metadata":{"svom.eu/domain":"data","svom.eu/on-delete":"Retain"}}"#
        ]],
    );
    check_stream(
        &discards_new(),
        "SCIENCE",
        expect![[
            r#"{"name":"SCIENCE","description":"Queues of the domain science","subjects":["science.too"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":1073741824,"max_age":604800000000000,"max_msgs_per_subject":100000,"max_msg_size":-1,"discard":"new","storage":"file","num_replicas":3,"no_ack":false,"duplicate_window":120000000000,"placement":null,"mirror":null,"sources":null,"compression":"none","first_seq":0,"subject_transform":null,"republish":{"src":"science.*","dest":"live.science.{{wildcard(1)}}","headers_only":false},"allow_direct":false,"mirror_direct":false,"discard_new_per_subject":true,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{"inactive_threshold":0,"max_ack_pending":0},"allow_msg_ttl":false,"subject_delete_marker_ttl":0,"allow_msg_counter":false,"allow_atomic":false,"allow_msg_schedules":false,"persist_mode":"default","allow_batched":false,"metadata":{"svom.eu/domain":"science","svom.eu/on-delete":"Delete"}}"#
        ]],
    );
    check_stream(
        &bus(),
        "svom-probe",
        expect![[
            r#"{"name":"svom-probe","description":"Data-path probe of the operator","subjects":["svom.probe"],"retention":"limits","max_consumers":-1,"max_msgs":16,"max_bytes":262144,"max_age":3600000000000,"max_msgs_per_subject":16,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":3,"no_ack":false,"duplicate_window":120000000000,"placement":null,"mirror":null,"sources":null,"compression":"none","first_seq":0,"subject_transform":null,"republish":null,"allow_direct":false,"mirror_direct":false,"discard_new_per_subject":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{"inactive_threshold":0,"max_ack_pending":0},"allow_msg_ttl":false,"subject_delete_marker_ttl":0,"allow_msg_counter":false,"allow_atomic":false,"allow_msg_schedules":false,"persist_mode":"default","allow_batched":false,"metadata":{"svom.eu/probe":"data-path"}}"#
        ]],
    );
}

#[test]
fn consumers_are_sent_whole() {
    check_consumer(
        &bus(),
        expect![[
            r#"{"durable_name":"pipeline_ingest","name":"pipeline_ingest","description":"Durable subscription ingest of the user pipeline","deliver_policy":"all","opt_start_seq":0,"opt_start_time":null,"ack_policy":"explicit","ack_wait":30000000000,"max_deliver":5,"backoff":null,"filter_subject":"","filter_subjects":["data.vhf","data.xband"],"replay_policy":"instant","rate_limit_bps":0,"sample_freq":"","max_waiting":0,"max_ack_pending":1000,"flow_control":false,"headers_only":false,"max_batch":0,"max_expires":0,"max_bytes":0,"deliver_subject":"deliver.data.pipeline.ingest","deliver_group":"pipeline.ingest","idle_heartbeat":0,"inactive_threshold":0,"num_replicas":3,"mem_storage":false,"direct":false,"sourcing":false,"metadata":{"svom.eu/durable":"ingest","svom.eu/user":"pipeline"},"pause_until":null,"priority_groups":null,"priority_policy":"none","priority_timeout":0}"#
        ]],
    );
    check_consumer(
        &one_queue(),
        expect![[
            r#"{"durable_name":"pipeline_ingest","name":"pipeline_ingest","description":"Durable subscription ingest of the user pipeline","deliver_policy":"last","opt_start_seq":0,"opt_start_time":null,"ack_policy":"explicit","ack_wait":30000000000,"max_deliver":5,"backoff":null,"filter_subject":"data.vhf","filter_subjects":null,"replay_policy":"instant","rate_limit_bps":0,"sample_freq":"","max_waiting":0,"max_ack_pending":1000,"flow_control":false,"headers_only":false,"max_batch":0,"max_expires":0,"max_bytes":0,"deliver_subject":"deliver.data.pipeline.ingest","deliver_group":"pipeline.ingest","idle_heartbeat":0,"inactive_threshold":0,"num_replicas":3,"mem_storage":false,"direct":false,"sourcing":false,"metadata":{"svom.eu/durable":"ingest","svom.eu/user":"pipeline"},"pause_until":null,"priority_groups":null,"priority_policy":"none","priority_timeout":0}"#
        ]],
    );
}

/// Configurations as three real servers reported them, after they were sent the texts above.
fn recorded<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let all: Value = serde_json::from_str(include_str!("recorded.json")).unwrap();
    serde_json::from_value(all[name].clone()).unwrap()
}

#[test]
fn what_the_server_reports_of_what_was_sent_is_in_force() {
    let sent = streams(&bus());
    for name in ["DATA", "svom-probe"] {
        let reported: StreamConfig = recorded(name);
        assert!(sent[name].is_in_force(&reported), "{reported:?}");
        assert!(reported.is_ours());
    }
    let reported: StreamConfig = recorded("SCIENCE that discards new");
    assert!(streams(&discards_new())["SCIENCE"].is_in_force(&reported));
    let reported: ConsumerConfig = recorded("pipeline_ingest");
    assert!(consumers(&bus())[&ingest_id()].is_in_force(&reported));
    let reported: ConsumerConfig = recorded("pipeline_ingest on one queue");
    assert!(consumers(&one_queue())[&ingest_id()].is_in_force(&reported));
}

/// The same text with one field's value replaced by another of its kind.
fn with_another(config: &Value, field: &str) -> Value {
    let another = match &config[field] {
        Value::Bool(value) => Value::Bool(!value),
        Value::Number(number) => Value::from(number.as_i64().unwrap() + 1),
        Value::String(text) => Value::from(format!("{text}x")),
        Value::Array(_) => Value::from(vec!["x"]),
        Value::Object(_) if field == "metadata" => serde_json::json!({"x": "y"}),
        Value::Object(_) if field == "republish" => serde_json::json!({"src": "x", "dest": "y"}),
        Value::Object(_) => serde_json::json!({"max_ack_pending": 7}),
        Value::Null if field == "backoff" => serde_json::json!([1]),
        Value::Null if ["sources", "filter_subjects", "priority_groups"].contains(&field) => {
            Value::from(vec!["x"])
        }
        Value::Null => Value::from("x"),
    };
    let mut config = config.clone();
    config[field] = another;
    config
}

#[test]
fn another_value_of_any_field_is_not_in_force() {
    let stream = &streams(&bus())["DATA"];
    let text = serde_json::to_value(stream).unwrap();
    for field in text.as_object().unwrap().keys() {
        let other: StreamConfig = serde_json::from_value(with_another(&text, field)).unwrap();
        assert!(!stream.is_in_force(&other), "{field}");
    }
    let consumer = &consumers(&bus())[&ingest_id()];
    let text = serde_json::to_value(consumer).unwrap();
    for field in text.as_object().unwrap().keys() {
        let other: ConsumerConfig = serde_json::from_value(with_another(&text, field)).unwrap();
        // A pause is a person's, and no update ends it.
        assert_eq!(
            consumer.is_in_force(&other),
            field == "pause_until",
            "{field}"
        );
    }
}

#[test]
fn the_longest_time_is_what_the_server_can_count() {
    let valid = edited(|valid| domain_of(valid, "data").max_age = Duration::from_secs(u64::MAX));
    assert_eq!(streams(&valid)["DATA"].max_age, i64::MAX);
}
