//! The way in by websocket: the same users with the same rights as over TCP and nobody else, TLS alone.

use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use svom_tests::bus::{Credentials, Proof};
use svom_tests::generated::head;
use svom_tests::raw::{self, Heard, Publish, Raw, is_refused};
use svom_tests::report::Cases;
use svom_tests::serving;
use svom_tests::websocket::Websocket;

const PUBLISHER: &str = "publisher";
const LISTENER: &str = "listener";
/// Signed nothing here.
const AUTHORITY_OF_NOBODY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/authority-of-nobody.crt");

fn resource(name: &str) -> String {
    format!(
        "{}spec:
  websocket: {{enabled: true}}
  users:
    - {{name: {PUBLISHER}, publish: [data.vhf]}}
    - {{name: {LISTENER}, subscribe: ['data.*']}}
",
        head(name)
    )
}

#[test]
fn the_same_users_come_by_websocket_and_nobody_else() -> Result<()> {
    serving::with(&resource("websocket"), |bus| {
        let mut cases = Cases::of("websocket");
        for server in bus.servers() {
            let publisher = bus.credentials_at(PUBLISHER, &server)?;
            let listener = bus.credentials_at(LISTENER, &server)?;
            cases.succeeds(
                format!("{server}: a message from one to the other"),
                a_message_goes_its_way(&publisher, &listener),
            );
            cases.succeeds(
                format!("{server}: what is refused"),
                the_same_is_refused(&publisher, &listener),
            );
            let greeting = raw::greeted_by_websocket(&publisher)?;
            cases.holds(
                format!("{server}: the greeting names no other address"),
                greeting.get("connect_urls").is_none(),
                || greeting.to_string(),
            );
            for (stranger, let_in) in strangers(&publisher, &listener)? {
                cases.holds(format!("{server}: {stranger}"), let_in.is_err(), || {
                    "is let in".to_owned()
                });
            }
        }
        cases.finish()
    })
}

/// Published by websocket and acknowledged, and heard by websocket and over TCP.
fn a_message_goes_its_way(publisher: &Credentials, listener: &Credentials) -> Result<()> {
    let mut by_websocket = Raw::connect_by_websocket(listener)?;
    let mut over_tcp = Raw::connect(listener)?;
    for listening in [&mut by_websocket, &mut over_tcp] {
        listening.subscribe("data.*", None);
        listening.flush()?;
    }
    let mut publishing = Raw::connect_by_websocket(publisher)?;
    publishing.subscribe("_INBOX.here", None);
    // Longer than what fits into the shortest frames.
    let text = "a message ".repeat(10_000);
    publishing.publish(Publish {
        subject: "data.vhf",
        reply: Some("_INBOX.here"),
        headers: &[("Nats-Msg-Id", &format!("{:?}", publisher.websocket_urls))],
        text: &text,
    });
    let Heard::Message { text: stored, .. } = publishing.next_message()? else {
        anyhow::bail!("no acknowledgement");
    };
    ensure!(stored.contains(r#""stream":"DATA""#), "{stored}");
    for listening in [&mut by_websocket, &mut over_tcp] {
        let Heard::Message {
            subject,
            text: heard,
            ..
        } = listening.next_message()?
        else {
            anyhow::bail!("no message");
        };
        ensure!(
            subject == "data.vhf" && heard.ends_with(text.trim_end()),
            "{subject}: {heard}"
        );
    }
    Ok(())
}

/// What is refused over TCP is refused by websocket, in the same words.
fn the_same_is_refused(publisher: &Credentials, listener: &Credentials) -> Result<()> {
    let publish = |subject| Publish {
        subject,
        text: "not ours",
        ..Publish::default()
    };
    let refusals = |mut raw: Raw, user: &str| -> Result<Vec<Heard>> {
        if user == PUBLISHER {
            raw.publish(publish("data.mdb"));
            raw.publish(publish("$JS.API.STREAM.NAMES"));
            raw.subscribe("data.vhf", None);
        } else {
            raw.publish(publish("data.vhf"));
            raw.subscribe("science.*", None);
            raw.subscribe(">", None);
        }
        raw.flush()
    };
    for credentials in [publisher, listener] {
        let user = credentials.username.as_str();
        let over_tcp = refusals(Raw::connect(credentials)?, user)?;
        let by_websocket = refusals(Raw::connect_by_websocket(credentials)?, user)?;
        ensure!(
            by_websocket.len() == 3 && by_websocket == over_tcp,
            "{user}: by websocket {by_websocket:?}, over TCP {over_tcp:?}"
        );
    }
    let heard = refusals(Raw::connect_by_websocket(publisher)?, PUBLISHER)?;
    ensure!(is_refused(&heard, r#"Publish to "data.mdb""#), "{heard:?}");
    Ok(())
}

/// What becomes of each who would come in but for one thing.
fn strangers(known: &Credentials, other: &Credentials) -> Result<Vec<(&'static str, Result<Raw>)>> {
    let wrong_authority = Credentials {
        ca: PathBuf::from(AUTHORITY_OF_NOBODY),
        ..known.clone()
    };
    let anothers_password = Credentials {
        proof: other.proof.clone(),
        ..known.clone()
    };
    let no_password = Credentials {
        proof: Proof::Password(String::new()),
        ..known.clone()
    };
    let log_in = |words: Value| Raw::log_in_by_websocket(known, words);
    Ok(vec![
        (
            "who trusts another authority",
            Raw::connect_by_websocket(&wrong_authority),
        ),
        ("who comes without TLS", without_tls(known)),
        ("who says no name and no password", log_in(json!({}))),
        (
            "who says no password",
            Raw::connect_by_websocket(&no_password),
        ),
        (
            "who says another user's password",
            Raw::connect_by_websocket(&anothers_password),
        ),
        ("who shows its password as a cookie", with_cookies(known)),
    ])
}

/// The server answers such a request, and opens nothing.
fn without_tls(known: &Credentials) -> Result<Raw> {
    let url = known.websocket_urls.first().context("no URL")?;
    let address = url.trim_start_matches("wss://");
    Websocket::open(raw::reach(address)?, address, &[])?;
    Raw::connect_plainly(address, &known.username, known.password()?)
}

fn with_cookies(known: &Credentials) -> Result<Raw> {
    let cookies = format!("user={}; pass={}", known.username, known.password()?);
    Raw::log_in_with_headers(known, &[("Cookie", &cookies)], json!({}))
}

/// Anybody could else fill a server with connections.
#[test]
fn who_asks_for_no_websocket_is_not_kept() -> Result<()> {
    serving::with(&resource("silent"), |bus| {
        let known = bus.credentials(PUBLISHER)?;
        let (address, mut after_tls) = raw::websocket_tls(&known)?;
        let mut before_tls = raw::reach(&address)?;
        let mut silent: [(&str, &mut dyn Read); 2] = [
            ("before TLS", &mut before_tls),
            ("after TLS", &mut after_tls),
        ];
        for (when, connection) in &mut silent {
            // The server closes it, in order or not, before this end loses its patience.
            let kept = match connection.read(&mut [0]) {
                Ok(read) => read > 0,
                Err(problem) => {
                    matches!(problem.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
                }
            };
            ensure!(!kept, "who says nothing {when} is kept");
        }
        Ok(())
    })
}
