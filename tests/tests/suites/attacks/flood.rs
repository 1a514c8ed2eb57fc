//! A user who sends as much as it can of everything it may: the servers' memory stays bounded, and
//! the others are served.

use anyhow::{Context, Result};
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::generated::head;
use svom_tests::poll;
use svom_tests::raw::{Publish, Raw};
use svom_tests::report::{Cases, figure};
use svom_tests::serving;
use svom_tests::sizes::sizes;

use super::raw;

/// A server of an idle bus takes about 30 MiB.
const MEMORY_LIMIT: u64 = 256 << 20;
const AT_A_TIME: usize = 1_000;
const SERVED_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

fn flooding() -> String {
    format!(
        "{}{}",
        head("flood"),
        "
spec:
  users:
    - name: flooder
      publish: [data.vhf]
      subscribe: ['data.*']
      durables: [{name: own, queues: ['data.*']}]
    - {name: bystander, publish: [data.mdb]}
"
    )
}

/// What the flooder may send: subject, reply subject and text.
const PERMITTED: [(&str, &str, Option<&str>, &str); 7] = [
    ("publishes", "data.vhf", None, "flood"),
    (
        "publishes with an answer",
        "data.vhf",
        Some("_INBOX.flood"),
        "flood",
    ),
    (
        "requests",
        "$JS.svom.API.CONSUMER.INFO.DATA.flooder_own",
        Some("_INBOX.flood"),
        "",
    ),
    (
        "acknowledgements",
        "$JS.ACK.DATA.flooder_own.1.1.1.1.1",
        None,
        "+ACK",
    ),
    (
        "acknowledgements with an answer",
        "$JS.ACK.DATA.flooder_own.1.1.1.1.1",
        Some("_INBOX.flood"),
        "+ACK",
    ),
    (
        "acknowledgements that ask for more",
        "$JS.ACK.DATA.flooder_own.1.1.1.1.1",
        Some("_INBOX.flood"),
        "+NXT",
    ),
    (
        "acknowledgements of nothing",
        "$JS.ACK.DATA.flooder_own.0.0.0.0.0",
        Some("_INBOX.deaf"),
        "",
    ),
];

#[test]
fn a_flood_is_bounded() -> Result<()> {
    serving::alone_with(&flooding(), |bus| {
        let mut cases = Cases::of("floods");
        let bystander = Client::connect(Library::NatsPy, &bus.credentials("bystander")?)?;
        let idle = most_memory(bus)? >> 20;
        figure("most memory of a server, idle", format!("{idle} MiB"))?;
        for (number, (what, subject, reply, text)) in PERMITTED.into_iter().enumerate() {
            let mut flooder = raw(bus, "flooder")?;
            flooder.subscribe("_INBOX.flood", None);
            let publish = Publish {
                subject,
                reply,
                text,
                ..Publish::default()
            };
            let most = flood(bus, &mut flooder, publish)?;
            let flood = format!("most memory of a server, {} {what}", sizes().flood);
            figure(&flood, format!("{} MiB", most >> 20))?;
            cases.holds(what, most < MEMORY_LIMIT, || {
                format!("a server took {} MiB", most >> 20)
            });
            let served = poll::until("the bystander to be served", SERVED_WITHIN, || {
                Ok(bystander
                    .publish("data.mdb", &format!("bystander-{number}"))
                    .ok())
            });
            cases.succeeds(format!("the bystander after the {what}"), served);
        }
        cases.finish()
    })
}

/// Returns the most memory that any server took on the way.
fn flood(bus: &dyn Bus, flooder: &mut Raw, publish: Publish<'_>) -> Result<u64> {
    let mut most = 0;
    for _ in 0..sizes().flood / AT_A_TIME {
        for _ in 0..AT_A_TIME {
            flooder.publish(publish);
        }
        flooder.flush()?;
        most = most.max(most_memory(bus)?);
    }
    Ok(most)
}

fn most_memory(bus: &dyn Bus) -> Result<u64> {
    let memory: Result<Vec<u64>> = bus
        .servers()
        .iter()
        .map(|server| bus.memory(server))
        .collect();
    memory?.into_iter().max().context("the bus has no server")
}
