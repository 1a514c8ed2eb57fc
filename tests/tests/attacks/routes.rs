//! The port between servers: a client's certificate does not open it, and without its password
//! another server's does not either. And where clients show certificates, nothing else will do.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use svom_tests::bus::{Bus, Credentials};
use svom_tests::client::{Client, Library, connection};
use svom_tests::local::LocalBus;
use svom_tests::raw;
use svom_tests::report::Cases;
use svom_tests::tls;

use crate::resource;

/// A certificate and its key.
type Pair<'a> = (&'a Path, &'a Path);

#[test]
fn a_clients_certificate_opens_no_route() -> Result<()> {
    let resource = format!(
        "{}  tls: {{clientCertificates: Required}}\n",
        resource("routes")
    );
    LocalBus::with(&resource, |bus| {
        let mut cases = Cases::of("certificates");
        routes(bus, &mut cases)?;
        clients(bus, &mut cases)?;
        cases.finish()
    })
}

fn routes(bus: &LocalBus, cases: &mut Cases) -> Result<()> {
    let server = bus
        .servers()
        .into_iter()
        .next()
        .context("the bus has no server")?;
    let address = bus.route_address(&server)?;
    let files = bus.store(&server);
    let (trusted, own) = (files.join("route-ca.crt"), files.join("route.pem"));
    let user = bus.credentials("analyst")?;
    let (certificate, key) = user
        .certificate
        .as_ref()
        .context("the user has no certificate")?;
    let server_for_clients = files.join("client.pem");
    let shown: [(&str, Option<Pair<'_>>, bool); 4] = [
        ("no certificate", None, false),
        ("a user's certificate", Some((certificate, key)), false),
        (
            "the certificate that servers show clients",
            Some((&server_for_clients, &server_for_clients)),
            false,
        ),
        ("the certificate of a route", Some((&own, &own)), true),
    ];
    for (what, certificate, opens) in shown {
        let answer = knock(&address, &trusted, certificate);
        // Behind TLS the password is asked for; this one is wrong.
        let right = match &answer {
            Ok(line) => opens && line.to_lowercase().contains("authorization violation"),
            Err(_) => !opens,
        };
        cases.holds(format!("{what} on the route port"), right, || {
            format!("{answer:?}")
        });
    }
    Ok(())
}

/// Says what another server would say, with a wrong password; returns the first line that is not the
/// server's greeting.
fn knock(address: &str, trusted: &Path, certificate: Option<Pair<'_>>) -> Result<String> {
    // Unlike for clients, TLS comes before the first line.
    let socket = raw::reach(address)?;
    let mut stream = BufReader::new(tls::upgrade(
        socket,
        "127.0.0.1",
        tls::client(trusted, certificate)?,
    )?);
    let words = "CONNECT {\"verbose\":false,\"user\":\"route\",\"pass\":\"wrong\",\"tls_required\":true,\"name\":\"intruder\"}\r\nPING\r\n";
    stream.get_mut().write_all(words.as_bytes())?;
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line)?;
        ensure!(read > 0, "the server closed the connection");
        if !line.starts_with("INFO") {
            return Ok(line);
        }
    }
}

fn clients(bus: &LocalBus, cases: &mut Cases) -> Result<()> {
    let (known, other) = (bus.credentials("analyst")?, bus.credentials("victim")?);
    let route = bus
        .servers()
        .first()
        .map(|server| bus.store(server).join("route.pem"))
        .context("no server")?;
    let attempts = [
        ("its own certificate and password", known.clone(), true),
        (
            "no certificate",
            Credentials {
                certificate: None,
                ..known.clone()
            },
            false,
        ),
        (
            "another user's password",
            Credentials {
                proof: other.proof.clone(),
                ..known.clone()
            },
            false,
        ),
        (
            "a route's certificate",
            Credentials {
                certificate: Some((route.clone(), route)),
                ..known.clone()
            },
            false,
        ),
    ];
    for library in Library::ALL {
        for (what, credentials, enters) in &attempts {
            let refusal = Client::refusal(library, credentials)?;
            let case = format!("{}: a client with {what}", library.name());
            cases.holds(case, refusal.is_none() == *enters, || {
                format!("{refusal:?}")
            });
        }
        let mut words = connection(&known, false)?;
        if let Some(words) = words.as_object_mut() {
            words.retain(|key, _| key != "username" && key != "password");
        }
        let refusal = Client::refusal_of(library, words)?;
        cases.holds(
            format!("{}: a certificate alone", library.name()),
            refusal.is_some(),
            || "is let in".to_owned(),
        );
    }
    Ok(())
}
