//! Another's durable: nobody acknowledges, reads or moves it but its own user; and what a user may
//! not do with its own.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use serde_json::json;
use svom_tests::audit::Audit;
use svom_tests::bus::Bus;
use svom_tests::client::{ANSWERS_WITHIN, Client, Library, messages};
use svom_tests::load::received;
use svom_tests::poll;
use svom_tests::raw::{Heard, Publish, Raw};
use svom_tests::report::Cases;
use svom_tests::rights::Rights;
use svom_tests::serving;

use super::{at_first_server, raw, resource};

#[test]
fn a_durable_obeys_its_own_user_alone() -> Result<()> {
    let resource = resource("durables");
    serving::with(&resource, |bus| {
        let audit = Audit::begin(bus, &Rights::read(&resource)?)?;
        let mut cases = Cases::of("durables of others");
        acknowledgements_cannot_be_forged(bus, &audit, &mut cases)?;
        names_that_are_spelt_alike_are_two_durables(bus, &audit, &mut cases)?;
        inboxes_are_private(bus, &mut cases)?;
        nobody_pulls(bus, &mut cases)?;
        cases.finish()
    })
}

fn acknowledgements_cannot_be_forged(
    bus: &dyn Bus,
    audit: &Audit,
    cases: &mut Cases,
) -> Result<()> {
    let mut victim = raw(bus, "victim")?;
    victim.subscribe("deliver.science.victim.own", Some("victim.own"));
    victim.flush()?;
    audit.publish("science.too", "in-hand")?;
    let mut in_hand = Vec::new();
    poll::until("the victim's messages", ANSWERS_WITHIN, || {
        in_hand.extend(victim.flush()?);
        Ok(in_hand
            .iter()
            .any(|heard| is_message(heard, "in-hand"))
            .then_some(()))
    })?;
    let replies: Vec<&str> = in_hand.iter().filter_map(reply_of).collect();
    let watcher = Client::connect(Library::NatsPy, &at_first_server(bus, "victim")?)?;
    let before = watcher.consumer_info("SCIENCE", "victim_own")?;
    ensure!(
        before.unacknowledged == replies.len() as u64,
        "{before:?} and {} in hand",
        replies.len()
    );
    for attacker in ["gateway", "analyst", "a"] {
        let mut raw = raw(bus, attacker)?;
        for subject in replies.iter().flat_map(|reply| forgeries(reply)) {
            for text in ["+ACK", "", "+TERM", "-NAK", "+NXT"] {
                raw.publish(Publish {
                    subject: &subject,
                    reply: Some("_INBOX.forger"),
                    text,
                    ..Publish::default()
                });
            }
        }
        raw.flush()?;
        let after = watcher.consumer_info("SCIENCE", "victim_own")?;
        cases.holds(
            format!("{attacker} forges acknowledgements"),
            after == before,
            || format!("{before:?}, then {after:?}"),
        );
    }
    // The control: the same lines from the one who may.
    for subject in &replies {
        victim.publish(Publish {
            subject,
            text: "+ACK",
            ..Publish::default()
        });
    }
    victim.flush()?;
    let acknowledged = poll::until("the victim's own acknowledgements", ANSWERS_WITHIN, || {
        Ok((watcher
            .consumer_info("SCIENCE", "victim_own")?
            .unacknowledged
            == 0)
            .then_some(()))
    });
    cases.succeeds("the victim's own acknowledgements", acknowledged);
    Ok(())
}

/// The victim's acknowledgement as it is, and within what the analyst may publish.
fn forgeries(reply: &str) -> [String; 3] {
    let rest = reply.trim_start_matches("$JS.ACK.");
    [
        reply.to_owned(),
        format!("$JS.ACK.DATA.analyst_data.{rest}"),
        format!("$JS.ACK.DATA.analyst_data.{rest}.x"),
    ]
}

fn is_message(heard: &Heard, wanted: &str) -> bool {
    matches!(heard, Heard::Message { text, .. } if text.ends_with(wanted))
}

fn reply_of(heard: &Heard) -> Option<&str> {
    match heard {
        Heard::Message { reply, .. } => Some(reply),
        Heard::Error(_) => None,
    }
}

fn names_that_are_spelt_alike_are_two_durables(
    bus: &dyn Bus,
    audit: &Audit,
    cases: &mut Cases,
) -> Result<()> {
    let readers = [("a-b", "a-b_c"), ("a", "a_b-c")];
    let mut clients = Vec::new();
    for (user, consumer) in readers {
        let client = Client::connect(Library::AsyncNats, &at_first_server(bus, user)?)?;
        client.bind("DATA", consumer, true)?;
        clients.push((user, consumer, client));
    }
    let wanted: BTreeSet<String> = (0..20).map(|number| format!("for-both-{number}")).collect();
    for id in &wanted {
        audit.publish("data.mdb", id)?;
    }
    for (user, consumer, client) in &clients {
        let all = client.wait_for("every message", ANSWERS_WITHIN, |events| {
            let got = received(events, consumer);
            wanted.iter().all(|id| got.get(id) == Some(&1))
        });
        cases.succeeds(format!("{user} reads all of {consumer}"), all);
    }
    Ok(())
}

fn inboxes_are_private(bus: &dyn Bus, cases: &mut Cases) -> Result<()> {
    let mut spy = raw(bus, "gateway")?;
    spy.subscribe("_INBOX.>", None);
    spy.flush()?;
    let victim = Client::connect(Library::NatsPy, &at_first_server(bus, "victim")?)?;
    for number in 0..10 {
        victim.publish("science.calibration", &format!("private-{number}"))?;
        victim.consumer_info("SCIENCE", "victim_own")?;
    }
    let heard = spy.flush()?;
    cases.holds("gateway listens to every inbox", heard.is_empty(), || {
        format!("hears {heard:?}")
    });
    // The control: it hears its own.
    spy.publish(Publish {
        subject: "data.vhf",
        reply: Some("_INBOX.own"),
        text: "x",
        ..Publish::default()
    });
    let Heard::Message { subject, .. } = spy.next_message()? else {
        bail!("the spy hears nothing at all");
    };
    cases.holds(
        "gateway listens to its own inbox",
        subject == "_INBOX.own",
        || subject.clone(),
    );
    Ok(())
}

fn nobody_pulls(bus: &dyn Bus, cases: &mut Cases) -> Result<()> {
    for library in Library::ALL {
        let analyst = Client::connect(library, &bus.credentials("analyst")?)?;
        let pulled = analyst.call(json!({"op": "pull", "stream": "DATA", "consumer": "analyst_data", "timeout_ms": 1_000}));
        cases.holds(format!("{} pulls", library.name()), pulled.is_err(), || {
            format!("{pulled:?}")
        });
        let events = analyst.events();
        cases.holds(
            format!("{} pulls nothing", library.name()),
            messages(&events).count() == 0,
            || format!("{events:?}"),
        );
    }
    let mut analyst: Raw = raw(bus, "analyst")?;
    analyst.subscribe("_INBOX.pull", None);
    analyst.publish(Publish {
        subject: "$JS.svom.API.CONSUMER.MSG.NEXT.DATA.analyst_data",
        reply: Some("_INBOX.pull"),
        text: "{\"batch\":5}",
        ..Publish::default()
    });
    let heard = analyst.flush()?;
    let refused = svom_tests::raw::is_refused(
        &heard,
        "Publish to \"$JS.svom.API.CONSUMER.MSG.NEXT.DATA.analyst_data\"",
    );
    cases.holds("a pull line by line", refused, || format!("{heard:?}"));
    Ok(())
}
