//! What nobody is granted: every request that JetStream knows, and everything that others send or
//! hear, tried by users who have rights of their own.

use anyhow::Result;
use sha2::{Digest, Sha256};
use svom_tests::audit::Audit;
use svom_tests::client::{Client, Library};
use svom_tests::raw::{Publish, Raw, is_refused};
use svom_tests::report::Cases;
use svom_tests::rights::Rights;
use svom_tests::serving;

use super::{at_first_server, raw, resource};

/// Requests of JetStream, below its prefix.
const REQUESTS: [&str; 39] = [
    "INFO",
    "ACCOUNT.PURGE.SVOM",
    "META.LEADER.STEPDOWN",
    "SERVER.REMOVE",
    "STREAM.CREATE.OTHER",
    "STREAM.UPDATE.DATA",
    "STREAM.DELETE.DATA",
    "STREAM.PURGE.DATA",
    "STREAM.INFO.DATA",
    "STREAM.NAMES",
    "STREAM.LIST",
    "STREAM.MSG.GET.DATA",
    "STREAM.MSG.DELETE.DATA",
    "STREAM.SNAPSHOT.DATA",
    "STREAM.RESTORE.DATA",
    "STREAM.PEER.REMOVE.DATA",
    "STREAM.LEADER.STEPDOWN.DATA",
    "DIRECT.GET.DATA",
    "DIRECT.GET.DATA.data.vhf",
    "CONSUMER.CREATE.DATA",
    "CONSUMER.CREATE.DATA.analyst_data",
    "CONSUMER.CREATE.DATA.analyst_data.data.vhf",
    "CONSUMER.CREATE.SCIENCE.victim_own.science.too",
    "CONSUMER.CREATE.DATA.other.data.vhf",
    "CONSUMER.DURABLE.CREATE.DATA.analyst_data",
    "CONSUMER.DURABLE.CREATE.SCIENCE.victim_own",
    "CONSUMER.DELETE.DATA.analyst_data",
    "CONSUMER.DELETE.SCIENCE.victim_own",
    "CONSUMER.INFO.SCIENCE.victim_own",
    "CONSUMER.INFO.DATA.auditor_data",
    "CONSUMER.LIST.DATA",
    "CONSUMER.NAMES.DATA",
    "CONSUMER.MSG.NEXT.DATA.analyst_data",
    "CONSUMER.MSG.NEXT.SCIENCE.victim_own",
    "CONSUMER.PAUSE.DATA.analyst_data",
    "CONSUMER.RESET.DATA.analyst_data",
    "CONSUMER.UNPIN.DATA.analyst_data",
    "CONSUMER.LEADER.STEPDOWN.DATA.analyst_data",
    "CONSUMER.LEADER.STEPDOWN.SCIENCE.victim_own",
];

/// Other subjects that neither attacker may publish to.
const PUBLISHES: [&str; 24] = [
    "$JS.ACK.SCIENCE.victim_own.1.1.1.1.1",
    "$JS.ACK.SCIENCE.victim_own.DATA.analyst_data.1.1.1",
    "$JS.ACK.*.*.>",
    "$JS.ACK.>",
    "$JS.FC.DATA.analyst_data.1",
    "$JS.EVENT.ADVISORY.API",
    "live.data.vhf",
    "live.science.calibration",
    "deliver.data.analyst.data",
    "deliver.science.victim.own",
    "pub.science.calibration",
    "science.calibration",
    "data.mdb",
    "data.radio",
    "svom.probe",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.SERVER.PING.VARZ",
    "$SYS.REQ.ACCOUNT.SVOM.CONNZ",
    "$SYS.REQ.ACCOUNT.PING.INFO",
    "$SYS.ACCOUNT.SVOM.CONNECT",
    "$KV.any.key",
    "_INBOX.somebody",
    "_R_.somebody.1",
    "_GR_.somebody.1",
];

/// Subscriptions that the analyst is not granted, with the group.
const SUBSCRIPTIONS: [(&str, Option<&str>); 29] = [
    (">", None),
    ("*", None),
    ("*.*", None),
    ("*.too", None),
    ("science.*", None),
    ("science.>", None),
    ("science.calibration", None),
    ("activity.too", None),
    ("live.>", None),
    ("live.data.vhf", None),
    ("pub.>", None),
    ("deliver.>", None),
    ("deliver.*.*.*", None),
    ("deliver.data.analyst.data", None),
    ("deliver.data.analyst.data", Some("victim.own")),
    ("deliver.data.analyst.data", Some("analyst.other")),
    ("deliver.data.analyst.*", Some("analyst.data")),
    ("deliver.science.victim.own", None),
    ("deliver.science.victim.own", Some("victim.own")),
    ("deliver.science.victim.own", Some("analyst.data")),
    ("data.*", Some("victim.readers")),
    ("data.vhf", Some("readers")),
    ("data.*", Some("analyst")),
    ("$JS.>", None),
    ("$JS.ACK.>", None),
    ("$SYS.>", None),
    ("$SYS.ACCOUNT.*.CONNECT", None),
    ("_R_.>", None),
    ("svom.probe", None),
];

#[test]
fn what_is_not_granted_is_refused() -> Result<()> {
    let resource = resource("forbidden");
    serving::with(&resource, |bus| {
        let mut audit = Audit::begin(bus, &Rights::read(&resource)?)?;
        let mut cases = Cases::of("what is not granted");
        let victim = Client::connect(Library::NatsPy, &at_first_server(bus, "victim")?)?;
        let before = victim.consumer_info("SCIENCE", "victim_own")?;
        for user in ["gateway", "analyst"] {
            let mut attacker = raw(bus, user)?;
            for subject in forbidden_subjects() {
                let refused = publish_is_refused(&mut attacker, &subject)?;
                cases.holds(format!("{user} publishes to {subject}"), refused, || {
                    "it may".to_owned()
                });
            }
        }
        let mut analyst = raw(bus, "analyst")?;
        for (subject, group) in SUBSCRIPTIONS {
            let refused = subscription_is_refused(&mut analyst, subject, group)?;
            let case = format!("analyst subscribes to {subject} in group {group:?}");
            cases.holds(case, refused, || "it may".to_owned());
        }
        what_is_granted_is_not_refused(&mut analyst, &mut cases)?;
        let heard = audit.heard()?;
        cases.holds("the bus afterwards", heard.is_empty(), || {
            format!("stored or delivered {heard:?}")
        });
        let after = victim.consumer_info("SCIENCE", "victim_own")?;
        // The audit's own marker is one more message for the victim.
        cases.holds(
            "the victim's durable afterwards",
            after.pending == before.pending + 1,
            || format!("{before:?}, then {after:?}"),
        );
        cases.finish()
    })
}

fn forbidden_subjects() -> Vec<String> {
    let prefixes = ["$JS.API", "$JS.svom.API"];
    let requests = prefixes
        .iter()
        .flat_map(|prefix| REQUESTS.map(|request| format!("{prefix}.{request}")));
    let hash = account_hash("SVOM");
    let long_forms = ["SCIENCE.victim_own", "DATA.analyst_data"]
        .map(|consumer| format!("$JS.ACK._.{hash}.{consumer}.1.1.1.1.1.x"));
    requests
        .chain(PUBLISHES.map(str::to_owned))
        .chain(long_forms)
        .collect()
}

/// How the servers shorten an account's name in the long form of acknowledgements.
fn account_hash(account: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let hash = Sha256::digest(account);
    let digits = hash
        .iter()
        .take(8)
        .map(|byte| DIGITS.get(usize::from(byte % 62)));
    digits.flatten().map(|digit| char::from(*digit)).collect()
}

/// The control: the same lines, where they are granted.
fn what_is_granted_is_not_refused(analyst: &mut Raw, cases: &mut Cases) -> Result<()> {
    for subject in [
        "$JS.svom.API.CONSUMER.INFO.DATA.analyst_data",
        "$JS.ACK.DATA.analyst_data.0.0.0.0.0",
    ] {
        let refused = publish_is_refused(analyst, subject)?;
        cases.holds(format!("analyst publishes to {subject}"), !refused, || {
            "is refused".to_owned()
        });
    }
    for (subject, group) in [
        ("data.*", None),
        ("data.vhf", None),
        ("science.too", None),
        ("data.*", Some("analyst.readers")),
        ("deliver.data.analyst.data", Some("analyst.data")),
        ("_INBOX.>", None),
    ] {
        let refused = subscription_is_refused(analyst, subject, group)?;
        let case = format!("analyst subscribes to {subject} in group {group:?}");
        cases.holds(case, !refused, || "is refused".to_owned());
    }
    Ok(())
}

fn publish_is_refused(attacker: &mut Raw, subject: &str) -> Result<bool> {
    attacker.publish(Publish {
        subject,
        reply: Some("_INBOX.attacker"),
        text: "{}",
        ..Publish::default()
    });
    Ok(is_refused(
        &attacker.flush()?,
        &format!("Publish to \"{subject}\""),
    ))
}

fn subscription_is_refused(attacker: &mut Raw, subject: &str, group: Option<&str>) -> Result<bool> {
    attacker.subscribe(subject, group);
    Ok(is_refused(
        &attacker.flush()?,
        &format!("Subscription to \"{subject}\""),
    ))
}
