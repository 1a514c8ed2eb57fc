//! Changes while messages are under way: nobody is disconnected but who was removed, nothing is lost,
//! and what was changed holds on every server.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use svom_tests::bus::Bus;
use svom_tests::client::{ANSWERS_WITHIN, Client, Library};
use svom_tests::generated::{head, herald_and_auditor};
use svom_tests::load::received;
use svom_tests::local::LocalBus;
use svom_tests::poll;
use svom_tests::raw::certificate_shown;
use svom_tests::report::{Cases, figure};
use svom_tests::rights::AUDITOR;
use svom_tests::sizes::sizes;
use svom_tests::traffic::{self, PRODUCER, READER, Traffic};

/// What the rounds change; everything else stays.
#[derive(Clone)]
struct Wanted {
    validity_hours: u32,
    with_alerts: bool,
    /// Rights of the newcomer; nothing where it is not there.
    newcomer: Option<&'static str>,
    max_ack_pending: u32,
}

const BEFORE: Wanted = Wanted {
    validity_hours: 2160,
    with_alerts: false,
    newcomer: None,
    max_ack_pending: 1000,
};

impl Wanted {
    fn resource(&self) -> String {
        let mut text = head("changes");
        let hours = self.validity_hours;
        text +=
            &format!("spec:\n  tls: {{issuer: {{managed: {{validity: {hours}h}}}}}}\n  domains:\n");
        text += "    - {name: data, programs: [mdb, vhf, xband]}\n    - {name: science, programs: [too]}\n";
        if self.with_alerts {
            text += "    - {name: alerts, programs: [gcn], onDelete: Delete}\n";
        }
        text += "  users:\n";
        text += &herald_and_auditor(&["data", "science"]);
        text += &traffic::users().replace(
            "maxDeliver: 1000",
            &format!("maxDeliver: 1000, maxAckPending: {}", self.max_ack_pending),
        );
        if let Some(rights) = self.newcomer {
            text += &format!("    - {{name: newcomer, {rights}}}\n");
        }
        text
    }
}

#[test]
fn changes_disturb_nobody_and_hold_on_every_server() -> Result<()> {
    LocalBus::alone_with(&BEFORE.resource(), |bus| {
        let mut cases = Cases::of("changes under load");
        let listeners = listeners(bus)?;
        let traffic = Traffic::begin(bus)?;
        for round in 0..sizes().change_rounds {
            change_everything(bus, &traffic, round, &mut cases)?;
        }
        traffic.wait_for_more(sizes().messages_around_a_fall)?;
        let outcome = traffic.end(bus, "changes under load")?;
        let lost = outcome.disconnects;
        cases.holds("publishers and readers", lost == 0, || {
            format!("were disconnected {lost} times")
        });
        for (name, listener) in &listeners {
            let lost = listener.disconnects();
            cases.holds(name, lost == 0, || format!("was disconnected {lost} times"));
            let heard = heard_live(listener, &outcome.acknowledged)?;
            let twice = heard.values().filter(|count| **count > 1).count();
            figure(&format!("{name}, messages heard more than once"), twice)?;
        }
        cases.finish()
    })
}

/// Live listeners at every server, with every library in turn.
fn listeners(bus: &LocalBus) -> Result<Vec<(String, Client)>> {
    let mut listeners = Vec::new();
    for (server, library) in bus.servers().iter().zip(Library::ALL.iter().cycle()) {
        let user = if *library == Library::NatsPy {
            AUDITOR
        } else {
            READER
        };
        let listener = Client::connect(*library, &bus.credentials_at(user, server)?)?;
        listener.subscribe("data.*", None)?;
        listeners.push((
            format!("live listener at {server} ({})", library.name()),
            listener,
        ));
    }
    Ok(listeners)
}

fn heard_live(
    listener: &Client,
    acknowledged: &std::collections::BTreeSet<String>,
) -> Result<BTreeMap<String, usize>> {
    listener.wait_for(
        "every acknowledged message, live",
        ANSWERS_WITHIN,
        |events| {
            let heard = received(events, "data.*");
            acknowledged.iter().all(|id| heard.contains_key(id))
        },
    )?;
    Ok(received(&listener.events(), "data.*"))
}

fn change_everything(
    bus: &LocalBus,
    traffic: &Traffic,
    round: usize,
    cases: &mut Cases,
) -> Result<()> {
    let base = Wanted {
        validity_hours: BEFORE.validity_hours - u32::try_from(round)? * 2,
        ..BEFORE
    };
    let mut step = |what: &str, wanted: &Wanted| -> Result<()> {
        traffic.wait_for_more(20)?;
        bus.apply(&wanted.resource())?;
        cases.succeeds(
            format!("configurations after {what}, round {round}"),
            configurations_agree(bus),
        );
        let lost = traffic.disconnects();
        cases.holds(
            format!("connections after {what}, round {round}"),
            lost == 0,
            || format!("{lost} were lost"),
        );
        Ok(())
    };

    let added = Wanted {
        newcomer: Some("publish: [data.mdb]"),
        ..base.clone()
    };
    step("a user was added", &added)?;
    let newcomers = newcomers(bus)?;
    everywhere(&newcomers, "data.mdb", &format!("added-{round}"))?;
    nowhere(&newcomers, "science.too")?;

    let granted = Wanted {
        newcomer: Some("publish: [data.mdb, science.too]"),
        ..base.clone()
    };
    step("a right was granted", &granted)?;
    everywhere(&newcomers, "science.too", &format!("granted-{round}"))?;

    let more = Wanted {
        with_alerts: true,
        newcomer: Some("publish: [science.too, alerts.gcn]"),
        ..base.clone()
    };
    step("a domain was added and a right revoked", &more)?;
    everywhere(&newcomers, "alerts.gcn", &format!("domain-{round}"))?;
    nowhere(&newcomers, "data.mdb")?;

    let slower = Wanted {
        max_ack_pending: 500,
        ..more.clone()
    };
    step("a durable was changed", &slower)?;

    let before = certificates(bus)?;
    let renewed = Wanted {
        validity_hours: base.validity_hours - 1,
        ..slower.clone()
    };
    step("every certificate was renewed", &renewed)?;
    for (server, certificate) in certificates(bus)? {
        ensure!(
            before.get(&server) != Some(&certificate),
            "{server} shows the certificate that it had"
        );
    }

    let fewer = Wanted {
        with_alerts: false,
        newcomer: Some("publish: [science.too]"),
        ..renewed.clone()
    };
    step("a domain was removed", &fewer)?;
    nowhere(&newcomers, "alerts.gcn")?;
    let lost: usize = newcomers.iter().map(Client::disconnects).sum();
    ensure!(
        lost == 0,
        "changes of its rights disconnected the newcomer {lost} times"
    );

    let gone = Wanted {
        newcomer: None,
        ..fewer
    };
    let mut former = bus.credentials("newcomer")?;
    // What it was handed goes with it; what it knows stays.
    former.ca = bus.credentials(PRODUCER)?.ca;
    step("a user was removed", &gone)?;
    for newcomer in &newcomers {
        poll::until(
            "the removed user to be disconnected",
            ANSWERS_WITHIN,
            || Ok((newcomer.disconnects() > 0).then_some(())),
        )?;
    }
    for url in &former.urls {
        let mut former = former.clone();
        former.urls = vec![url.clone()];
        ensure!(
            Client::refusal(Library::NatsPy, &former)?.is_some(),
            "{url} lets the removed user in"
        );
    }
    Ok(())
}

/// The newcomer, connected to each server; the connections stay open while its rights change.
fn newcomers(bus: &LocalBus) -> Result<Vec<Client>> {
    let servers = bus.servers();
    let connections = servers.iter().zip(Library::ALL.iter().cycle());
    connections
        .map(|(server, library)| {
            Client::connect(*library, &bus.credentials_at("newcomer", server)?)
        })
        .collect()
}

fn everywhere(clients: &[Client], queue: &str, what: &str) -> Result<()> {
    for (number, client) in clients.iter().enumerate() {
        client.publish(queue, &format!("{what}-{number}"))?;
    }
    Ok(())
}

fn nowhere(clients: &[Client], queue: &str) -> Result<()> {
    for client in clients {
        let call = client.begin_forbidden_publish(queue, "forbidden")?;
        client.wait_until_refused(&format!("publish to \"{queue}\""))?;
        ensure!(
            client.answer(call)?.is_err(),
            "a publish to {queue} was acknowledged"
        );
    }
    Ok(())
}

/// Every server runs the configuration that it was given, byte for byte, and is told to be current.
fn configurations_agree(bus: &LocalBus) -> Result<()> {
    for server in bus.status()?.servers {
        let given = bus.given_digest(&server.name)?;
        ensure!(
            server.config_digest.as_deref() == Some(given.as_str()),
            "{} runs {:?} and was given {given}",
            server.name,
            server.config_digest
        );
        ensure!(server.current, "{} is not current", server.name);
    }
    Ok(())
}

fn certificates(bus: &LocalBus) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut shown = BTreeMap::new();
    for server in bus.servers() {
        shown.insert(
            server.clone(),
            certificate_shown(&bus.credentials_at(PRODUCER, &server)?)?,
        );
    }
    Ok(shown)
}
