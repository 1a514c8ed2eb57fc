use super::*;
use crate::nats::observe::MetaSeen;
use crate::nats::system::Server;

fn id(stream: &str, consumer: &str) -> ConsumerId {
    ConsumerId {
        stream: stream.to_owned(),
        consumer: consumer.to_owned(),
    }
}

fn group(leader: &str, followers: [(&str, bool); 2]) -> Group {
    Group {
        leader: Some(leader.to_owned()),
        followers: followers
            .map(|(name, current)| (name.to_owned(), current))
            .into(),
    }
}

/// Three servers, the stream DATA and one consumer of it, all well.
fn well() -> (Expected, Seen) {
    let names = ["fsc-0", "fsc-1", "fsc-2"].map(str::to_owned);
    let server = |name: &String| ServerSeen {
        server: Server {
            id: "N".to_owned(),
            name: name.clone(),
            version: "2.15.1".to_owned(),
        },
        config_digest: "sha256:new".to_owned(),
        certificate_ends: None,
        unhealthy: None,
        meta: Some(MetaSeen {
            leader: Some("fsc-1".to_owned()),
            size: 3,
        }),
        leads: BTreeSet::new(),
    };
    let digest = Some("sha256:new".to_owned());
    let expected = Expected {
        servers: names
            .iter()
            .map(|name| (name.clone(), digest.clone()))
            .collect(),
        streams: BTreeMap::from([("DATA".to_owned(), 3)]),
        consumers: BTreeMap::from([(id("DATA", "desk_alerts"), 3)]),
    };
    let all_current = group("fsc-0", [("fsc-1", true), ("fsc-2", true)]);
    let seen = Seen {
        servers: names
            .iter()
            .map(|name| (name.clone(), server(name)))
            .collect(),
        streams: BTreeMap::from([("DATA".to_owned(), all_current.clone())]),
        consumers: BTreeMap::from([(id("DATA", "desk_alerts"), all_current)]),
    };
    (expected, seen)
}

/// What is missing after one thing was changed in a bus that was well.
fn after(change: impl FnOnce(&mut Expected, &mut Seen)) -> Vec<String> {
    let (mut expected, mut seen) = well();
    change(&mut expected, &mut seen);
    missing(&expected, &seen)
}

fn server<'a>(seen: &'a mut Seen, name: &str) -> &'a mut ServerSeen {
    seen.servers.get_mut(name).unwrap()
}

#[test]
fn nothing_is_missing_from_a_whole_bus() {
    assert_eq!(after(|_, _| {}), Vec::<String>::new());
    // Any configuration will do where none is named.
    let any = after(|expected, seen| {
        expected
            .servers
            .values_mut()
            .for_each(|digest| *digest = None);
        server(seen, "fsc-2").config_digest = "sha256:old".to_owned();
    });
    assert_eq!(any, Vec::<String>::new());
}

#[test]
fn servers_that_are_not_well_are_named() {
    assert_eq!(
        after(|_, seen| drop(seen.servers.remove("fsc-1"))),
        ["server fsc-1 does not answer"]
    );
    assert_eq!(
        after(|_, seen| server(seen, "fsc-1").unhealthy = Some("no meta leader".to_owned())),
        ["server fsc-1 is not healthy: no meta leader"]
    );
    assert_eq!(
        after(|_, seen| server(seen, "fsc-2").config_digest = "sha256:old".to_owned()),
        ["server fsc-2 has not taken up its new configuration"]
    );
}

#[test]
fn a_silent_server_is_named_once_and_a_stranger_still() {
    let behind = |name| group("fsc-0", [("fsc-2", true), (name, false)]);
    let of = |name: &'static str| {
        after(|_, seen| {
            seen.servers.remove("fsc-1");
            seen.streams.insert("DATA".to_owned(), behind(name));
        })
    };
    assert_eq!(of("fsc-1"), ["server fsc-1 does not answer"]);
    assert_eq!(
        of("fsc-7"),
        [
            "server fsc-1 does not answer",
            "stream DATA is not current on fsc-7"
        ]
    );
}

#[test]
fn the_meta_group_is_one_and_complete() {
    let leader = |seen: &mut Seen, name: &str, leader: Option<&str>| {
        let meta = server(seen, name).meta.as_mut().unwrap();
        meta.leader = leader.map(str::to_owned);
    };
    let disagree = ["the servers have not agreed on a leader of the meta group"];
    assert_eq!(
        after(|_, seen| leader(seen, "fsc-0", Some("fsc-2"))),
        disagree
    );
    assert_eq!(after(|_, seen| leader(seen, "fsc-0", None)), disagree);
    assert_eq!(after(|_, seen| server(seen, "fsc-2").meta = None), disagree);
    assert_eq!(
        after(|_, seen| server(seen, "fsc-2").meta.as_mut().unwrap().size = 2),
        ["the meta group counts 2 servers instead of 3"]
    );
}

#[test]
fn a_server_alone_needs_no_meta_group() {
    let alone = after(|expected, seen| {
        for name in ["fsc-1", "fsc-2"] {
            expected.servers.remove(name);
            seen.servers.remove(name);
        }
        server(seen, "fsc-0").meta = None;
        let own = Group {
            leader: Some("fsc-0".to_owned()),
            followers: BTreeMap::new(),
        };
        expected
            .streams
            .values_mut()
            .for_each(|replicas| *replicas = 1);
        expected
            .consumers
            .values_mut()
            .for_each(|replicas| *replicas = 1);
        seen.streams
            .values_mut()
            .for_each(|group| *group = own.clone());
        seen.consumers
            .values_mut()
            .for_each(|group| *group = own.clone());
    });
    assert_eq!(alone, Vec::<String>::new());
}

#[test]
fn streams_and_consumers_are_kept_where_they_should_be() {
    let stream = |seen: &mut Seen, group| drop(seen.streams.insert("DATA".to_owned(), group));
    let behind = group("fsc-0", [("fsc-1", false), ("fsc-2", false)]);
    assert_eq!(
        after(|_, seen| stream(seen, behind.clone())),
        ["stream DATA is not current on fsc-1, fsc-2"]
    );
    assert_eq!(
        after(|_, seen| stream(seen, Group::default())),
        ["stream DATA has no leader"]
    );
    assert_eq!(
        after(|_, seen| seen.streams.clear()),
        ["stream DATA is not there"]
    );
    assert_eq!(
        after(|expected, _| expected
            .streams
            .values_mut()
            .for_each(|replicas| *replicas = 5)),
        ["stream DATA is kept on 3 servers instead of 5"]
    );
    assert_eq!(
        after(|_, seen| seen.consumers.clear()),
        ["consumer desk_alerts of stream DATA is not there"]
    );
    // What nobody expects must be current too: it may hold messages that are still wanted.
    assert_eq!(
        after(|_, seen| drop(seen.streams.insert("OLD".to_owned(), behind.clone()))),
        ["stream OLD is not current on fsc-1, fsc-2"]
    );
}
