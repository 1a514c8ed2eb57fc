use super::*;

fn replies(of: &[(&str, Value)]) -> BTreeMap<String, Reply> {
    of.iter()
        .map(|(name, data)| {
            let server = json!({"name": name, "id": format!("id-{name}"), "ver": "2.15.1"});
            let reply = json!({"server": server, "data": data});
            (name.to_string(), serde_json::from_value(reply).unwrap())
        })
        .collect()
}

fn cluster(leader: &str, replicas: &[(&str, bool, bool, u64)]) -> Value {
    let replicas: Vec<Value> = replicas
        .iter()
        .map(|(name, current, offline, active)| {
            json!({"name": name, "current": current, "offline": offline, "active": active})
        })
        .collect();
    json!({"leader": leader, "replicas": replicas})
}

fn jsz(streams: &[(&str, Value)]) -> Value {
    let streams: Vec<Value> = streams
        .iter()
        .map(|(name, cluster)| {
            let consumer = json!({"name": "desk_alerts", "cluster": cluster});
            json!({"name": name, "cluster": cluster, "consumer_detail": [consumer]})
        })
        .collect();
    json!({
        "meta_cluster": {"leader": "a", "cluster_size": 2},
        "account_details": [{"name": "SVOM", "stream_detail": streams}],
    })
}

#[test]
fn the_leaders_word_counts() {
    let varz = json!({"config_digest": "sha256:1", "tls_cert_not_after": "2026-12-01T00:00:00Z"});
    let seen = read(
        replies(&[("a", varz.clone()), ("b", varz)]),
        &replies(&[
            ("a", json!({"status": "ok"})),
            (
                "b",
                json!({"status": "unavailable", "error": "not current"}),
            ),
        ]),
        &replies(&[
            // A follower's view of its fellows is old: here it even calls the leader a follower.
            (
                "a",
                jsz(&[("DATA", cluster("b", &[("b", false, true, 0)]))]),
            ),
            (
                "b",
                jsz(&[("DATA", cluster("b", &[("a", true, false, 1_000_000)]))]),
            ),
        ]),
    );
    let group = Group {
        leader: Some("b".to_owned()),
        followers: BTreeMap::from([("a".to_owned(), true)]),
    };
    let server = |name: &str, unhealthy: Option<&str>, leads: &[&str]| ServerSeen {
        server: Server {
            id: format!("id-{name}"),
            name: name.to_owned(),
            version: "2.15.1".to_owned(),
        },
        config_digest: "sha256:1".to_owned(),
        certificate_ends: Some(1_796_083_200),
        unhealthy: unhealthy.map(str::to_owned),
        meta: Some(MetaSeen {
            leader: Some("a".to_owned()),
            size: 2,
        }),
        leads: leads.iter().map(ToString::to_string).collect(),
    };
    let id = ConsumerId {
        stream: "DATA".to_owned(),
        consumer: "desk_alerts".to_owned(),
    };
    let expected = Seen {
        servers: BTreeMap::from([
            ("a".to_owned(), server("a", None, &[])),
            ("b".to_owned(), server("b", Some("not current"), &["DATA"])),
        ]),
        streams: BTreeMap::from([("DATA".to_owned(), group.clone())]),
        consumers: BTreeMap::from([(id, group)]),
    };
    assert_eq!(seen, expected);
    assert_eq!(seen.meta_leader(), Some("a"));
}

#[test]
fn a_follower_is_current_when_it_was_heard_of_lately_and_keeps_up() {
    let second = 1_000_000_000;
    let cases = [
        (true, false, 0, second, true),
        (true, false, 0, 5 * second, false),
        (true, true, 0, second, false),
        (false, false, 0, second, false),
        (false, false, 1, second, true),
        (false, false, 1, 5 * second, false),
        (false, true, 1, second, false),
        (false, false, UNDER_WAY, second, true),
        (false, false, UNDER_WAY + 1, second, false),
    ];
    for (current, offline, lag, active, expected) in cases {
        let replica = Replica {
            name: "a".to_owned(),
            current,
            offline,
            lag,
            active,
        };
        assert_eq!(
            replica.is_current(),
            expected,
            "{current} {offline} {lag} {active}"
        );
    }
}

#[test]
fn what_is_not_said_is_not_taken_for_good() {
    let seen = read(
        replies(&[("a", json!({}))]),
        &BTreeMap::new(),
        &BTreeMap::new(),
    );
    let server = &seen.servers["a"];
    assert_eq!(
        server.unhealthy.as_deref(),
        Some("it does not say whether it is healthy")
    );
    assert_eq!(
        (
            &*server.config_digest,
            &server.meta,
            server.certificate_ends
        ),
        ("", &None, None)
    );
    assert_eq!(seen.meta_leader(), None);
}
