//! The control of the attacks by reply subject: on a server with one account they succeed, with the
//! very lines that are sent elsewhere. That server is on this machine, whoever serves the other tests.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use svom_cluster::notes::figure;
use svom_tests::bare::{BareServer, PASSWORD};
use svom_tests::local::LocalBus;
use svom_tests::poll;
use svom_tests::raw::{Heard, Publish, Raw};

use super::resource;

const ATTEMPTS: u64 = 3;
const ANSWERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

#[test]
fn with_one_account_the_answers_are_stored_elsewhere() -> Result<()> {
    // The program that a bus runs, so that both are tried on the same server.
    let bus = LocalBus::up(&resource("program"))?;
    let program = bus
        .processes()
        .first()
        .context("the bus has no server")?
        .program()?;
    drop(bus);
    let server = BareServer::start(&program, &users())?;
    let mut admin = server.connect("admin")?;
    admin.subscribe("_INBOX.admin", None);
    for (stream, queue) in [("DATA", "data.*"), ("SCIENCE", "science.*")] {
        let config = json!({"name": stream, "subjects": [queue], "storage": "memory"});
        ask(
            &mut admin,
            &format!("$JS.API.STREAM.CREATE.{stream}"),
            &config,
        )?;
    }
    let config = json!({"stream_name": "DATA", "config": {"durable_name": "reader", "ack_policy": "explicit"}});
    ask(
        &mut admin,
        "$JS.API.CONSUMER.DURABLE.CREATE.DATA.reader",
        &config,
    )?;
    // For the attacker to be handed some.
    for _ in 0..10 {
        ask(&mut admin, "data.mdb", &json!({}))?;
    }
    let mut attacker = server.connect("attacker")?;
    let attacks = [
        ("publish", "data.vhf", "anything"),
        ("MSG.NEXT", "$JS.API.CONSUMER.MSG.NEXT.DATA.reader", ""),
        ("CONSUMER.INFO", "$JS.API.CONSUMER.INFO.DATA.reader", ""),
        ("+NXT", "$JS.ACK.DATA.reader.1.1.1.1.1", "+NXT"),
        ("+ACK", "$JS.ACK.DATA.reader.1.2.2.1.1", "+ACK"),
    ];
    for (name, subject, text) in attacks {
        let before = stored(&mut admin)?;
        for _ in 0..ATTEMPTS {
            attacker.publish(Publish {
                subject,
                reply: Some("science.too"),
                text,
                ..Publish::default()
            });
        }
        attacker.flush()?;
        poll::until(
            &format!("the answer to {name} to be stored in another queue"),
            ANSWERS_WITHIN,
            || Ok((stored(&mut admin)? > before).then_some(())),
        )?;
        let elsewhere = stored(&mut admin)? - before;
        figure(
            &format!("control with one account, {name}"),
            format!("{elsewhere} of {ATTEMPTS} stored elsewhere"),
        )?;
    }
    Ok(())
}

/// The attacker has the least rights of a publisher and pull subscriber, and none on `science.too`.
fn users() -> Value {
    let attacker = json!({"publish": {"allow": ["data.vhf", "$JS.API.CONSUMER.INFO.DATA.reader",
        "$JS.API.CONSUMER.MSG.NEXT.DATA.reader", "$JS.ACK.DATA.reader.>"]},
        "subscribe": {"allow": ["_INBOX.>"]}});
    json!([{"user": "admin", "password": PASSWORD},
        {"user": "attacker", "password": PASSWORD, "permissions": attacker}])
}

fn stored(admin: &mut Raw) -> Result<u64> {
    let info = ask(admin, "$JS.API.STREAM.INFO.SCIENCE", &Value::Null)?;
    let messages = info.get("state").and_then(|state| state.get("messages"));
    messages
        .and_then(Value::as_u64)
        .context("no count of messages")
}

fn ask(admin: &mut Raw, subject: &str, body: &Value) -> Result<Value> {
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    admin.publish(Publish {
        subject,
        reply: Some("_INBOX.admin"),
        text: &text,
        ..Publish::default()
    });
    let Heard::Message { text, .. } = admin.next_message()? else {
        bail!("no answer to {subject}");
    };
    let answer: Value = serde_json::from_str(&text)?;
    ensure!(answer.get("error").is_none(), "{subject}: {answer}");
    Ok(answer)
}
