//! Reply subjects: the servers answer there with rights that the asker does not have.

use anyhow::Result;
use svom_tests::audit::{Audit, Heard};
use svom_tests::client::{ANSWERS_WITHIN, Client, Library};
use svom_tests::load::received;
use svom_tests::poll;
use svom_tests::raw::{self, Publish, Raw};
use svom_tests::report::Cases;
use svom_tests::rights::Rights;
use svom_tests::serving;
use svom_tests::sizes::sizes;

use super::{at_first_server, raw as connect, resource};

/// Where an answer would do harm: other queues, what others hear, what only the operator may do.
const TARGETS: [&str; 11] = [
    "science.calibration",
    "data.mdb",
    "live.science.calibration",
    "live.data.vhf",
    "deliver.science.victim.own",
    "$JS.ACK.SCIENCE.victim_own.1.1.1.1.1",
    "$JS.API.STREAM.PURGE.DATA",
    "$JS.API.STREAM.DELETE.SCIENCE",
    "$JS.API.CONSUMER.DELETE.SCIENCE.victim_own",
    "$SYS.REQ.SERVER.PING",
    "svom.probe",
];

/// Something that a user may send and that is answered.
#[derive(Clone, Copy)]
enum Carrier {
    Publish {
        user: &'static str,
        queue: &'static str,
    },
    Info,
    Acknowledgement(&'static str),
}

const CARRIERS: [Carrier; 9] = [
    Carrier::Publish {
        user: "gateway",
        queue: "data.vhf",
    },
    Carrier::Publish {
        user: "analyst",
        queue: "science.too",
    },
    Carrier::Info,
    Carrier::Acknowledgement("+NXT"),
    Carrier::Acknowledgement("+NXT {\"batch\":10,\"no_wait\":true}"),
    Carrier::Acknowledgement("+ACK"),
    Carrier::Acknowledgement("-NAK"),
    Carrier::Acknowledgement("+WPI"),
    Carrier::Acknowledgement("+TERM"),
];

#[test]
fn no_answer_can_be_sent_elsewhere() -> Result<()> {
    let resource = resource("replies");
    serving::with(&resource, |bus| {
        let mut audit = Audit::begin(bus, &Rights::read(&resource)?)?;
        let mut cases = Cases::of("answers sent elsewhere");
        let (mut gateway, mut analyst) = (connect(bus, "gateway")?, connect(bus, "analyst")?);
        analyst.subscribe("deliver.data.analyst.data", Some("analyst.data"));
        let victim = Client::connect(Library::AsyncNats, &at_first_server(bus, "victim")?)?;
        victim.bind("SCIENCE", "victim_own", true)?;
        let mut number = 0;
        for carrier in CARRIERS {
            for target in TARGETS {
                let attacker = match carrier {
                    Carrier::Publish {
                        user: "gateway", ..
                    } => &mut gateway,
                    _ => &mut analyst,
                };
                let mut expected = Vec::new();
                for _ in 0..sizes().attack_attempts {
                    number += 1;
                    expected.extend(attack(carrier, target, number, attacker, &audit)?);
                }
                expected.sort();
                let heard = audit.heard()?;
                cases.holds(words(carrier, target), heard == expected, || {
                    format!("the bus stored or delivered {heard:?} and not {expected:?}")
                });
            }
        }
        let forged = received(&victim.events(), "victim_own");
        let forged: Vec<&String> = forged.keys().filter(|text| !is_honest(text)).collect();
        cases.holds("what the victim read", forged.is_empty(), || {
            format!("{forged:?}")
        });
        cases.finish()
    })
}

fn is_honest(text: &str) -> bool {
    text.starts_with("marker-") || text.starts_with("carrier-")
}

/// Attacks once; returns what the bus must have stored of it, and no more.
fn attack(
    carrier: Carrier,
    target: &str,
    number: usize,
    attacker: &mut Raw,
    audit: &Audit,
) -> Result<Vec<Heard>> {
    let text = format!("carrier-{number}");
    match carrier {
        Carrier::Publish { queue, .. } => {
            send(attacker, queue, target, &text)?;
            // The servers themselves refuse a publish that asks for its answer on an acknowledgement.
            if target.starts_with("$JS.ACK.") {
                return Ok(Vec::new());
            }
            Ok(vec![Heard {
                queue: queue.to_owned(),
                text,
            }])
        }
        Carrier::Info => {
            send(
                attacker,
                "$JS.svom.API.CONSUMER.INFO.DATA.analyst_data",
                target,
                "",
            )?;
            Ok(Vec::new())
        }
        Carrier::Acknowledgement(body) => {
            audit.publish("data.xband", &text)?;
            let reply = take(attacker, &text)?;
            send(attacker, &reply, target, body)?;
            Ok(vec![Heard {
                queue: "data.xband".to_owned(),
                text,
            }])
        }
    }
}

/// Reads as the analyst until this message comes; returns its reply subject. The others on the way are
/// acknowledged.
fn take(analyst: &mut Raw, wanted: &str) -> Result<String> {
    poll::until(
        &format!("the analyst to get {wanted}"),
        ANSWERS_WITHIN,
        || {
            let mut found = None;
            for heard in analyst.flush()? {
                let raw::Heard::Message { reply, text, .. } = heard else {
                    continue;
                };
                if text == wanted || text.ends_with(&format!("\n{wanted}")) {
                    found = Some(reply);
                } else {
                    analyst.publish(Publish {
                        subject: &reply,
                        text: "+ACK",
                        ..Publish::default()
                    });
                }
            }
            Ok(found)
        },
    )
}

fn send(attacker: &mut Raw, subject: &str, reply: &str, text: &str) -> Result<()> {
    attacker.publish(Publish {
        subject,
        reply: Some(reply),
        text,
        ..Publish::default()
    });
    attacker.flush().map(|_| ())
}

fn words(carrier: Carrier, target: &str) -> String {
    match carrier {
        Carrier::Publish { user, queue } => {
            format!("{user}: publish to {queue}, answer to {target}")
        }
        Carrier::Info => format!("analyst: CONSUMER.INFO, answer to {target}"),
        Carrier::Acknowledgement(body) => {
            format!("analyst: acknowledgement {body}, answer to {target}")
        }
    }
}
