//! Durable subscriptions and acknowledged messages survive whoever falls: readers that stop or are
//! killed, servers that are killed or stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use svom_tests::bus::Bus;
use svom_tests::client::{ANSWERS_WITHIN, Client, Library};
use svom_tests::generated::{head, herald_and_auditor};
use svom_tests::load::{received, redelivered, together};
use svom_tests::poll;
use svom_tests::report::{Cases, print};
use svom_tests::serving;
use svom_tests::sizes::sizes;
use svom_tests::traffic::{self, PRODUCER, READER, Traffic};

/// Far less than the half minute after which a message that was handed out comes again.
const AT_ONCE: Duration = Duration::from_secs(8);

fn resource(name: &str) -> String {
    format!(
        "{}spec:\n  users:\n{}{}{}",
        head(name),
        herald_and_auditor(&["data"]),
        traffic::users(),
        "
    - name: late
      subscribe: ['data.*']
      durables: [{name: brief, queues: ['data.*'], ackWait: 3s, maxDeliver: 1000}]
"
    )
}

/// The servers at which something happens.
fn servers(bus: &dyn Bus) -> Vec<String> {
    let mut servers = bus.servers();
    servers.truncate(sizes().servers);
    servers
}

/// How a reader goes away.
#[derive(Clone, Copy, Debug)]
enum Going {
    Stops,
    IsKilled,
}

fn go(reader: Client, going: Going) -> Result<()> {
    match going {
        Going::Stops => reader.close().map(|_| ()),
        Going::IsKilled => reader.kill().map(|_| ()),
    }
}

#[test]
fn a_reader_that_goes_away_swallows_nothing() -> Result<()> {
    serving::with(&resource("absence"), |bus| {
        let mut cases = Cases::of("readers that go away");
        let producer = Client::connect(Library::NatsPy, &bus.credentials(PRODUCER)?)?;
        for round in 0..sizes().absences {
            for (library, next) in [
                (Library::NatsPy, Library::AsyncNats),
                (Library::AsyncNats, Library::NatsPy),
            ] {
                for server in servers(bus) {
                    for going in [Going::Stops, Going::IsKilled] {
                        let case =
                            format!("{} at {server}, {going:?}, round {round}", library.name());
                        let scene = Scene {
                            bus,
                            producer: &producer,
                            library,
                            next,
                            server: &server,
                            going,
                            case: &case,
                        };
                        cases.succeeds(format!("{case}, idle"), idle(&scene));
                        cases.succeeds(
                            format!("{case}, with messages in hand"),
                            with_messages_in_hand(&scene),
                        );
                    }
                }
            }
        }
        cases.finish()
    })
}

struct Scene<'a> {
    bus: &'a dyn Bus,
    producer: &'a Client,
    library: Library,
    next: Library,
    server: &'a str,
    going: Going,
    case: &'a str,
}

impl Scene<'_> {
    fn publish(&self, what: &str, count: usize) -> Result<BTreeSet<String>> {
        let ids: BTreeSet<String> = (0..count)
            .map(|number| format!("{}, {what} {number}", self.case))
            .collect();
        for id in &ids {
            self.producer.publish("data.vhf", id)?;
        }
        Ok(ids)
    }

    fn reader(&self, user: &str, consumer: &str, acknowledge: bool) -> Result<Client> {
        let reader = Client::connect(self.library, &self.bus.credentials_at(user, self.server)?)?;
        reader.bind("DATA", consumer, acknowledge)?;
        Ok(reader)
    }

    fn next_reader(&self, user: &str, consumer: &str) -> Result<Client> {
        let reader = Client::connect(self.next, &self.bus.credentials(user)?)?;
        reader.bind("DATA", consumer, true)?;
        Ok(reader)
    }
}

fn wait_for(
    reader: &Client,
    consumer: &str,
    ids: &BTreeSet<String>,
    limit: Duration,
) -> Result<()> {
    reader.wait_for("every message", limit, |events| {
        let got = received(events, consumer);
        ids.iter().all(|id| got.contains_key(id))
    })
}

/// The reader has acknowledged all it got: whoever comes next gets everything that came since, at
/// once.
fn idle(scene: &Scene<'_>) -> Result<()> {
    let consumer = "reader_ingest";
    let reader = scene.reader(READER, consumer, true)?;
    let first = scene.publish("before", 5)?;
    wait_for(&reader, consumer, &first, ANSWERS_WITHIN)?;
    poll::until("every acknowledgement", ANSWERS_WITHIN, || {
        let info = reader.consumer_info("DATA", consumer)?;
        Ok((info.unacknowledged == 0).then_some(()))
    })?;
    go(reader, scene.going)?;
    let missed = scene.publish("meanwhile", 5)?;
    let next = scene.next_reader(READER, consumer)?;
    wait_for(&next, consumer, &missed, AT_ONCE)?;
    let again = received(&next.events(), consumer);
    anyhow::ensure!(
        again.keys().all(|id| missed.contains(id)),
        "the next reader got more: {again:?}"
    );
    Ok(())
}

/// The reader has messages that it did not acknowledge: they come again after the time it was given,
/// the others at once.
fn with_messages_in_hand(scene: &Scene<'_>) -> Result<()> {
    let consumer = "late_brief";
    let sweeper = scene.next_reader("late", consumer)?;
    poll::until("what came before", ANSWERS_WITHIN, || {
        let info = sweeper.consumer_info("DATA", consumer)?;
        Ok((info.unacknowledged == 0 && info.pending == 0).then_some(()))
    })?;
    sweeper.close()?;
    let reader = scene.reader("late", consumer, false)?;
    let in_hand = scene.publish("in hand", 3)?;
    wait_for(&reader, consumer, &in_hand, ANSWERS_WITHIN)?;
    go(reader, scene.going)?;
    let others = scene.publish("behind", 3)?;
    let next = scene.next_reader("late", consumer)?;
    wait_for(&next, consumer, &others, AT_ONCE)?;
    wait_for(&next, consumer, &in_hand, ANSWERS_WITHIN)?;
    let got = together([received(&next.events(), consumer)]);
    anyhow::ensure!(
        redelivered(&got) == 0,
        "delivered more than once to one reader: {got:?}"
    );
    Ok(())
}

#[test]
fn nothing_acknowledged_is_lost_when_servers_are_killed() -> Result<()> {
    serving::with_falls(&resource("killed"), |bus| {
        let traffic = Traffic::begin(bus)?;
        let around = sizes().messages_around_a_fall;
        for _ in 0..sizes().kills {
            for server in servers(bus) {
                fall(bus, &traffic, around, &server)?;
            }
            let leader = bus.leader_of("DATA")?;
            print(format!("killed: {leader} as the leader of DATA"));
            fall(bus, &traffic, around, &leader)?;
        }
        traffic.end(bus, "servers killed under load").map(|_| ())
    })
}

fn fall(bus: &dyn Bus, traffic: &Traffic, around: usize, server: &str) -> Result<()> {
    traffic.wait_for_more(around)?;
    bus.kill(server)?;
    traffic.wait_for_more(around)?;
    bus.start(server)
}

#[test]
fn nothing_acknowledged_is_lost_when_servers_stop_one_after_another() -> Result<()> {
    serving::with_falls(&resource("stopped"), |bus| {
        let traffic = Traffic::begin(bus)?;
        for _ in 0..sizes().lame_ducks {
            for server in servers(bus) {
                traffic.wait_for_more(sizes().messages_around_a_fall)?;
                bus.stop(&server)?;
                traffic.wait_for_more(sizes().messages_around_a_fall)?;
                bus.start(&server)?;
            }
        }
        traffic
            .end(bus, "servers stopped one after another under load")
            .map(|_| ())
    })
}
