//! Websockets as the resource asks for them: where they are told, a client's certificate wherever one is
//! asked for, and none of it where they are not enabled.

mod switched;

use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use svom_tests::bus::{Bus, Credentials};
use svom_tests::generated::head;
use svom_tests::local::LocalBus;
use svom_tests::program::run;
use svom_tests::raw::{self, Raw};

const PUBLISHER: &str = "publisher";

fn resource(name: &str, more: &str) -> String {
    format!(
        "{}spec:
  websocket: {{enabled: true}}
{more}  users:
    - {{name: {PUBLISHER}, publish: [data.vhf]}}
",
        head(name)
    )
}

#[test]
fn every_server_is_told_wherever_one_looks() -> Result<()> {
    LocalBus::with(&resource("told", ""), told)
}

/// Every server, in the user's folder, in the status and in what a shell exports; the way over TCP is
/// told as ever.
fn told(bus: &LocalBus) -> Result<()> {
    let handed = bus.credentials(PUBLISHER)?;
    let first = bus.port() + 1_000;
    let expected: Vec<String> = (first..first + 3)
        .map(|port| format!("wss://127.0.0.1:{port}"))
        .collect();
    ensure!(handed.websocket_urls == expected, "{handed:?}");
    let endpoints = bus.status()?.endpoints.context("no endpoints are told")?;
    ensure!(
        endpoints.websocket == Some(expected.join(",")) && endpoints.websocket_external.is_none(),
        "{endpoints:?}"
    );
    ensure!(
        endpoints.internal == Some(handed.urls.join(",")),
        "{endpoints:?}"
    );
    let said = run(&mut bus.local(&["env", PUBLISHER])?)?;
    let said = String::from_utf8(said.stdout)?;
    let line = format!("export NATS_WEBSOCKET_URL='{}'\n", expected.join(","));
    ensure!(said.contains(&line), "{said}");
    Ok(())
}

#[test]
fn where_it_is_not_enabled_nobody_listens() -> Result<()> {
    let resource = resource("no-websocket", "").replace("enabled: true", "enabled: false");
    LocalBus::with(&resource, |bus| {
        nobody_listens(bus)?;
        let endpoints = bus.status()?.endpoints.context("no endpoints are told")?;
        ensure!(endpoints.websocket.is_none(), "{endpoints:?}");
        let handed = bus.credentials(PUBLISHER)?;
        ensure!(handed.websocket_urls.is_empty(), "{handed:?}");
        Ok(())
    })
}

/// None of the servers listens for websockets, and none is handed out.
fn nobody_listens(bus: &LocalBus) -> Result<()> {
    for port in (bus.port() + 1_000..).take(bus.servers().len()) {
        let reached = TcpStream::connect(("127.0.0.1", port));
        ensure!(reached.is_err(), "something listens on port {port}");
    }
    let handed = bus
        .state()
        .join("users")
        .join(PUBLISHER)
        .join("websocket-url");
    ensure!(!handed.exists(), "{} is handed out", handed.display());
    Ok(())
}

/// What clients meet at either port changes by one reload, without a restart.
#[test]
fn certificates_are_the_same_at_both_ports() -> Result<()> {
    LocalBus::with(&resource("certified", ""), |bus| {
        let processes = || -> Result<Vec<i32>> {
            let one = |server: &String| Ok(bus.process(server)?.pid);
            bus.servers().iter().map(one).collect()
        };
        let before = processes()?;
        let without = bus.credentials(PUBLISHER)?;
        Raw::connect_by_websocket(&without)?;
        let shown = raw::certificate_shown_by_websocket(&without)?;
        ensure!(
            shown == raw::certificate_shown(&without)?,
            "another certificate is shown"
        );

        let required = "  tls: {clientCertificates: Required}\n";
        bus.apply(&resource("certified", required))?;
        let with = bus.credentials(PUBLISHER)?;
        ensure!(with.certificate.is_some(), "no certificate is handed out");
        for server in bus.servers() {
            let with = bus.credentials_at(PUBLISHER, &server)?;
            Raw::connect_by_websocket(&with).context("with a certificate")?;
            let without = Credentials {
                certificate: None,
                ..with.clone()
            };
            for (way, let_in) in [
                ("by websocket", Raw::connect_by_websocket(&without)),
                ("over TCP", Raw::connect(&without)),
            ] {
                ensure!(
                    let_in.is_err(),
                    "{server} lets in {way} without a certificate"
                );
            }
        }

        let renewed = "  tls: {issuer: {managed: {validity: 2159h}}}\n";
        bus.apply(&resource("certified", renewed))?;
        let now = raw::certificate_shown_by_websocket(&without)?;
        ensure!(now != shown, "the certificate of before is shown");
        ensure!(
            now == raw::certificate_shown(&without)?,
            "another certificate is shown"
        );
        Raw::connect_by_websocket(&without).context("none is asked for any more")?;
        ensure!(processes()? == before, "a server was restarted");
        Ok(())
    })
}

/// The changed resource alone is not the whole story: the plan tells what a change takes beforehand.
#[test]
fn the_plan_says_that_it_takes_a_restart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
    let text = resource("planned", "");
    std::fs::write(&old, text.replace("  websocket: {enabled: true}\n", ""))?;
    std::fs::write(&new, text)?;
    let mut plan = Command::new(svom_tests::program::svom_messaging()?);
    plan.arg("plan")
        .arg("--file")
        .arg(&new)
        .arg("--from")
        .arg(&old);
    let said = String::from_utf8(run(&mut plan)?.stdout)?;
    ensure!(
        said.contains("restart  spec.websocket.enabled: false -> true"),
        "{said}"
    );
    Ok(())
}
