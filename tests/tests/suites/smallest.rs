//! The smallest resource is a whole bus, and lets in nobody whom it does not know.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use svom_crds::SvomMessagingStatus;
use svom_tests::bus::{Bus, Credentials, Proof};
use svom_tests::client::{ANSWERS_WITHIN, Client, Library, connection, messages};
use svom_tests::local::LocalBus;
use svom_tests::raw::{self, Raw};
use svom_tests::report::Cases;
use svom_tests::rights::{Rights, stream_of};

const SMALLEST: &str = "
apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: fsc}
spec:
  users:
    - {name: vhf-listener, publish: [data.vhf]}
    - {name: alert-desk, subscribe: ['data.vhf', 'science.*']}
";

const EVERY_QUEUE: &str = "
apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: fsc}
spec:
  users:
    - {name: vhf-listener, publish: [data.vhf]}
    - {name: alert-desk, subscribe: ['data.vhf', 'science.*']}
    - {name: all, publish: ['activity.*', 'science.*', 'data.*']}
";

/// One server, with everything that one machine has no use for.
const FOR_KUBERNETES: &str = "
apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: fsc}
spec:
  replicas: 1
  image: {repository: example.org/nats, tag: any}
  storage: {storageClassName: fast}
  external: {type: NodePort, hostnames: [node.example.org]}
  pod: {priorityClassName: high}
  domains: [{name: data, programs: [vhf], replicas: 1}]
  users: [{name: vhf-listener, publish: [data.vhf]}]
";

#[test]
fn the_smallest_resource_is_three_servers_with_thirteen_queues() -> Result<()> {
    LocalBus::with(SMALLEST, |bus| {
        three_servers_with_three_streams(bus)?;
        strangers_are_refused(bus)?;
        a_message_goes_its_way(bus)?;
        bus.apply(EVERY_QUEUE)?;
        every_queue_is_stored_in_its_stream(bus)
    })
}

#[test]
fn what_one_machine_has_no_use_for_is_named() -> Result<()> {
    LocalBus::with(FOR_KUBERNETES, |bus| {
        let said = fs::read_to_string(bus.log())?;
        let named = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("not used on one machine"));
        assert_eq!(
            named.map(str::trim),
            Some("spec.image, spec.storage.storageClassName, spec.external, spec.pod"),
            "{said}"
        );
        Ok(())
    })
}

fn three_servers_with_three_streams(bus: &LocalBus) -> Result<()> {
    let whole = [
        "server fsc-0: ready, current",
        "server fsc-1: ready, current",
        "server fsc-2: ready, current",
        "stream ACTIVITY: 3 replicas, ready",
        "stream DATA: 3 replicas, ready",
        "stream SCIENCE: 3 replicas, ready",
    ];
    let told = in_words(&bus.status()?);
    ensure!(told == whole, "the bus tells {told:#?}");
    assert_eq!(bus.processes().len(), 3);
    Ok(())
}

fn in_words(status: &SvomMessagingStatus) -> Vec<String> {
    let servers = status.servers.iter().map(|server| {
        let ready = if server.ready { "ready" } else { "not ready" };
        let current = if server.current {
            "current"
        } else {
            "not current"
        };
        format!("server {}: {ready}, {current}", server.name)
    });
    let streams = status.domains.iter().map(|domain| {
        let ready = if domain.ready { "ready" } else { "not ready" };
        format!(
            "stream {}: {} replicas, {ready}",
            domain.stream, domain.replicas_current
        )
    });
    let mut words: Vec<String> = servers.chain(streams).collect();
    words.sort();
    words
}

fn strangers_are_refused(bus: &LocalBus) -> Result<()> {
    let known = bus.credentials("vhf-listener")?;
    let other = bus.credentials("alert-desk")?;
    let mut cases = Cases::of("strangers");
    for library in Library::ALL {
        let name = library.name();
        let refusal = Client::refusal(library, &known)?;
        cases.count(
            format!("{name}: a user with all it was handed"),
            refusal.map(|words| format!("is refused: {words}")),
        );
        for (stranger, words) in strangers(&known, &other)? {
            let refusal = Client::refusal_of(library, words)?;
            cases.holds(format!("{name}: {stranger}"), refusal.is_some(), || {
                "is let in".to_owned()
            });
        }
    }
    let address = raw::address(&known)?;
    let plainly = Raw::connect_plainly(&address, &known.username, known.password()?);
    cases.holds("the right password without TLS", plainly.is_err(), || {
        "is let in".to_owned()
    });
    let (_, greeting) = raw::greeted(&address)?;
    cases.holds(
        "the greeting",
        greeting.get("tls_required") == Some(&Value::Bool(true)),
        || greeting.to_string(),
    );
    cases.holds(
        "the greeting names no other address",
        greeting.get("connect_urls").is_none(),
        || greeting.to_string(),
    );
    cases.finish()
}

/// Each as the user would connect, but for one thing.
fn strangers(known: &Credentials, other: &Credentials) -> Result<Vec<(&'static str, Value)>> {
    let without = |keys: &[&str]| -> Result<Value> {
        let mut words = connection(known, false)?;
        if let Some(words) = words.as_object_mut() {
            words.retain(|key, _| !keys.contains(&key.as_str()));
        }
        Ok(words)
    };
    let mut without_tls = without(&["ca"])?;
    if let Some(url) = without_tls.get_mut("url") {
        *url = json!(known.urls.join(",").replace("tls://", "nats://"));
    }
    let wrong_authority = Credentials {
        ca: AUTHORITY_OF_NOBODY.into(),
        ..known.clone()
    };
    let wrong_password = Credentials {
        proof: other.proof.clone(),
        ..known.clone()
    };
    let no_password = Credentials {
        proof: Proof::Password(String::new()),
        ..known.clone()
    };
    Ok(vec![
        ("without TLS and without the authority", without_tls),
        (
            "with an authority that signed nothing here",
            connection(&wrong_authority, false)?,
        ),
        ("without credentials", without(&["username", "password"])?),
        ("with an empty password", connection(&no_password, false)?),
        (
            "with another user's password",
            connection(&wrong_password, false)?,
        ),
    ])
}

fn a_message_goes_its_way(bus: &LocalBus) -> Result<()> {
    for publishing in Library::ALL {
        let publisher = Client::connect(publishing, &bus.credentials("vhf-listener")?)?;
        for listening in Library::ALL {
            let listener = Client::connect(listening, &bus.credentials("alert-desk")?)?;
            listener.subscribe("data.vhf", None)?;
            let id = format!("{}-to-{}", publishing.name(), listening.name());
            let ack = publisher.publish("data.vhf", &id)?;
            ensure!(ack.stream == "DATA" && !ack.duplicate, "{id}: {ack:?}");
            listener.wait_for("the message", ANSWERS_WITHIN, |events| {
                messages(events).any(|message| message.data == id)
            })?;
        }
    }
    Ok(())
}

fn every_queue_is_stored_in_its_stream(bus: &LocalBus) -> Result<()> {
    let rights = Rights::read(EVERY_QUEUE)?;
    let all = Client::connect(Library::NatsPy, &bus.credentials("all")?)?;
    let mut stored = BTreeSet::new();
    for queue in &rights.queues {
        let ack = all.publish(queue, &format!("into-{queue}"))?;
        ensure!(
            ack.stream == stream_of(queue),
            "{queue} is stored in {}",
            ack.stream
        );
        stored.insert(queue.clone());
    }
    assert_eq!(stored.len(), 13);
    let undeclared = all.publish("data.radio", "x");
    ensure!(
        undeclared.is_err(),
        "a queue that is not declared takes messages"
    );
    Ok(())
}

/// A self-signed authority whose key was thrown away.
const AUTHORITY_OF_NOBODY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/authority-of-nobody.crt");
