//! Websockets enabled and disabled while messages are under way: the servers are restarted one after
//! another, and nothing acknowledged is lost.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use svom_tests::bus::Bus;
use svom_tests::generated::{head, herald_and_auditor};
use svom_tests::local::LocalBus;
use svom_tests::raw::Raw;
use svom_tests::rights::HERALD;
use svom_tests::sizes::sizes;
use svom_tests::traffic::{self, Traffic};

fn resource(enabled: bool) -> String {
    let websocket = if enabled {
        "  websocket: {enabled: true}\n"
    } else {
        ""
    };
    let domains = "  domains:\n    - {name: data, programs: [mdb, vhf, xband]}\n";
    head("switched")
        + "spec:\n"
        + websocket
        + domains
        + "  users:\n"
        + &herald_and_auditor(&["data"])
        + &traffic::users()
        + "    - {name: publisher, publish: [data.mdb]}\n"
}

#[test]
fn it_is_enabled_and_disabled_under_load() -> Result<()> {
    LocalBus::with(&resource(false), |bus| {
        super::nobody_listens(bus)?;
        let traffic = Traffic::begin(bus)?;
        traffic.wait_for_more(sizes().messages_around_a_fall)?;

        bus.apply(&resource(true))?;
        for server in bus.servers() {
            let credentials = bus.credentials_at(HERALD, &server)?;
            Raw::connect_by_websocket(&credentials).with_context(|| server.clone())?;
        }
        agree(bus)?;
        traffic.wait_for_more(sizes().messages_around_a_fall)?;

        bus.apply(&resource(false))?;
        super::nobody_listens(bus)?;
        agree(bus)?;
        traffic.wait_for_more(sizes().messages_around_a_fall)?;
        traffic.end(bus, "websockets enabled and disabled")?;
        Ok(())
    })
}

/// A server that could not listen would not come back: it is left as it is, and what is in the way is
/// told.
#[test]
fn a_port_that_is_taken_stops_no_server() -> Result<()> {
    LocalBus::with(&resource(false), |bus| {
        let port = bus.port() + 1_001;
        let taken = TcpListener::bind(("127.0.0.1", port))?;
        let asked = bus.try_apply(&resource(true))?;
        ensure!(asked.code == Some(1), "{asked:?}");
        let why = format!(
            "server switched-1 is not restarted, since port {port} on 127.0.0.1, where switched-1 is to listen for \
             websockets, is in use by another program"
        );
        let status = bus.status()?;
        let told: Vec<&str> = status
            .conditions
            .iter()
            .map(|one| one.message.as_str())
            .collect();
        ensure!(told.iter().any(|words| words.contains(&why)), "{told:?}");
        ensure!(
            status.servers.iter().all(|server| server.ready),
            "{:?}",
            status.servers
        );
        Raw::connect_by_websocket(&bus.credentials_at(HERALD, "switched-0")?)?;

        drop(taken);
        bus.apply(&resource(true))?;
        for server in bus.servers() {
            Raw::connect_by_websocket(&bus.credentials_at(HERALD, &server)?)?;
        }
        Ok(())
    })
}

/// Every server runs the configuration that it was given.
fn agree(bus: &LocalBus) -> Result<()> {
    for server in bus.status()?.servers {
        let given = bus.given_digest(&server.name)?;
        ensure!(
            server.config_digest.as_deref() == Some(given.as_str()) && server.current,
            "{server:?} was given {given}"
        );
    }
    Ok(())
}
