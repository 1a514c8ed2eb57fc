//! The port between servers: a client's certificate does not open it, and without its password
//! another server's does not either. And where clients show certificates, nothing else will do.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use svom_tests::bus::{Bus, Credentials, RouteDoor};
use svom_tests::client::{Client, Library, connection};
use svom_tests::raw;
use svom_tests::report::Cases;
use svom_tests::serving;
use svom_tests::tls;

use super::resource;

/// A certificate and its key.
type Pair<'a> = (&'a Path, &'a Path);

#[test]
fn a_clients_certificate_opens_no_route() -> Result<()> {
    let resource = format!(
        "{}  tls: {{clientCertificates: Required}}\n",
        resource("routes")
    );
    serving::with(&resource, |bus| {
        let mut cases = Cases::of("certificates");
        routes(bus, &mut cases)?;
        clients(bus, &mut cases)?;
        cases.finish()
    })
}

/// What a server that is knocked at does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It ends the connection at TLS.
    Closes,
    /// It refuses the password.
    RefusesPassword,
    /// It lets in.
    LetsIn,
}

fn routes(bus: &dyn Bus, cases: &mut Cases) -> Result<()> {
    let servers = bus.servers();
    let server = servers.first().context("the bus has no server")?;
    let door = bus.route_door(server)?;
    let right = Login::of(&door.configuration)?;
    let user = bus.credentials("analyst")?;
    let (certificate, key) = user.certificate.as_ref().context("no certificate")?;
    let of_user = Login {
        user: user.username.clone(),
        password: user.password()?.to_owned(),
        ..right.clone()
    };
    let own = Some((door.certificate.as_path(), door.certificate.as_path()));
    let shown = door.shown_to_clients.as_path();
    let shown = Some((shown, shown));
    let attempts: [(&str, Option<Pair<'_>>, &Login, Answer); 7] = [
        ("no certificate", None, &right, Answer::Closes),
        (
            "a user's certificate",
            Some((certificate, key)),
            &right,
            Answer::Closes,
        ),
        (
            "the certificate that servers show clients",
            shown,
            &right,
            Answer::Closes,
        ),
        (
            "a wrong password",
            own,
            &right.with("wrong"),
            Answer::RefusesPassword,
        ),
        (
            "an empty password",
            own,
            &right.with(""),
            Answer::RefusesPassword,
        ),
        (
            "a user's name and password",
            own,
            &of_user,
            Answer::RefusesPassword,
        ),
        // The control: nothing but what was wrong above kept the door shut.
        ("nothing wrong", own, &right, Answer::LetsIn),
    ];
    for (what, certificate, login, expected) in attempts {
        let answer = knock(&bus.route_door(server)?, certificate, login);
        let right = matches!(&answer, Ok(found) if *found == expected);
        cases.holds(
            format!("a server with {what} on the route port"),
            right,
            || format!("{answer:?}"),
        );
    }
    bus.wait_until_ready()
}

/// What a server says of itself to another.
#[derive(Clone)]
struct Login {
    cluster: String,
    user: String,
    password: String,
}

impl Login {
    /// That of the servers themselves.
    fn of(configuration: &serde_json::Value) -> Result<Self> {
        let word = |key: &str| -> Result<String> {
            let value = configuration.pointer(&format!("/cluster/{key}"));
            let value = value.and_then(serde_json::Value::as_str);
            Ok(value
                .with_context(|| format!("no {key} of routes"))?
                .to_owned())
        };
        Ok(Self {
            cluster: word("name")?,
            user: word("authorization/user")?,
            password: word("authorization/password")?,
        })
    }

    fn with(&self, password: &str) -> Self {
        Self {
            password: password.to_owned(),
            ..self.clone()
        }
    }
}

/// Says what another server would say, and listens until the answer is clear.
fn knock(door: &RouteDoor, certificate: Option<Pair<'_>>, login: &Login) -> Result<Answer> {
    // Unlike for clients, TLS comes before the first line.
    let socket = raw::reach(&door.address)?;
    let client = tls::client(&door.authority, certificate)?;
    let mut stream = BufReader::new(tls::upgrade(socket, &door.host, client)?);
    let connect = json!({"verbose": false, "user": login.user, "pass": login.password,
    "tls_required": true, "name": "intruder", "cluster": login.cluster});
    let words = format!("CONNECT {connect}\r\nPING\r\n");
    stream.get_mut().write_all(words.as_bytes())?;
    loop {
        let mut line = String::new();
        // With TLS 1.3 a certificate is refused after the handshake, at the first read.
        match stream.read_line(&mut line) {
            Ok(0) => return Ok(Answer::Closes),
            Err(error) if is_refusal_of_tls(&error) => return Ok(Answer::Closes),
            read => read?,
        };
        let line = line.to_lowercase();
        if line.contains("authorization violation") {
            return Ok(Answer::RefusesPassword);
        }
        if line.starts_with("pong") {
            return Ok(Answer::LetsIn);
        }
    }
}

fn is_refusal_of_tls(error: &io::Error) -> bool {
    let source = error.get_ref();
    let tls = source.and_then(|source| source.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::AlertReceived(_)))
}

fn clients(bus: &dyn Bus, cases: &mut Cases) -> Result<()> {
    let (known, other) = (bus.credentials("analyst")?, bus.credentials("victim")?);
    let servers = bus.servers();
    let server = servers.first().context("the bus has no server")?;
    let route = bus.route_door(server)?.certificate;
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
