//! What the operator asks of the API server.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use svom_cluster::notes::{at_level, figure};
use svom_cluster::scene::Scene;
use svom_cluster::wait::eventually;

use crate::audit::{Calls, calls};
use crate::clients::two_users;

/// For how long nothing is written when what was begun has come to its end: a pass that has something
/// to do is not put off longer.
const SETTLED: Duration = Duration::from_secs(10);

/// What is granted and not used on the way of this test. Server-side apply is a `patch` in the audit
/// log and takes `create` where the object is not there; the rest is for a bus that never formed.
const NOT_USED: [&str; 8] = [
    "create networkpolicies",
    "create poddisruptionbudgets",
    "create secrets",
    "create services",
    "create statefulsets",
    "delete persistentvolumeclaims",
    "delete pods",
    "delete statefulsets",
];

pub fn nothing_is_written_while_nothing_happens(scene: &Scene) -> Result<()> {
    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    let log = scene.cluster.audit_log().context("no audit log")?;
    let account = account(scene);
    let settled = settled(&log, &account)?;
    let minutes = at_level(2, 10);
    // The idle time itself is what is looked at.
    thread::sleep(Duration::from_secs(60 * minutes));
    let after = calls(&log, &account)?;
    let written = after.writes_beside_the_lease() - settled;
    figure(
        "writes of the operator while nothing happens",
        format!("{written} in {minutes} min"),
    )?;
    ensure!(written == 0, "written while nothing happened: {after}");
    Ok(())
}

pub fn what_is_granted_is_what_is_asked_for(scene: &Scene) -> Result<()> {
    let outside = json!({"type": "NodePort", "hostnames": ["node.example.org"]});
    let with = json!({"users": two_users(), "external": outside});
    scene.apply("fsc", &with)?;
    scene.ready("fsc")?;
    // A user that goes changes what the servers read; the way from outside goes with its Service.
    let left = json!({"users": [{"name": "vhf-listener", "publish": ["data.vhf"]}]});
    scene.apply("fsc", &left)?;
    scene.ready("fsc")?;
    scene.wait_for_none(&["service", "fsc-external"])?;
    let log = scene.cluster.audit_log().context("no audit log")?;
    let asked = calls(&log, &account(scene))?;
    assert_eq!(asked.refused(), Vec::<&String>::new());
    let granted = Calls::granted(&scene.get(&["roles"])?);
    let vain: Vec<_> = granted
        .iter()
        .filter(|call| !asked.contains(call))
        .collect();
    assert_eq!(vain, NOT_USED);
    Ok(())
}

pub fn what_a_durable_gives_up_is_counted(scene: &Scene) -> Result<()> {
    let users = json!([
        {"name": "vhf-listener", "publish": ["data.vhf"]},
        {"name": "alert-desk", "subscribe": ["data.vhf"], "durables": [
            {"name": "inbox", "queues": ["data.vhf"], "ackWait": "1s", "maxDeliver": 1},
        ]},
    ]);
    scene.apply("fsc", &json!({"users": users}))?;
    scene.ready("fsc")?;
    scene.client("publishes", "fsc-user-vhf-listener")?;
    scene.client("reads", "fsc-user-alert-desk")?;
    let (subject, group) = ("deliver.data.alert-desk.inbox", "alert-desk.inbox");
    let of = format!(r#"namespace="{}",name="fsc""#, scene.namespace);
    let value = |text: &str, name: &str, more: &str| {
        let sample = format!("svom_messaging_{name}_total{{{of},{more}}} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&sample));
        found.and_then(|value| value.parse::<f64>().ok())
    };
    // What is delivered to nobody is not given up either.
    scene.beside("reads", &["ignore", subject, group], || {
        eventually("the metrics to say so", || {
            // An operator that took over meanwhile has counted nothing of before.
            scene.ask("publishes", &["publish", "data.vhf", "x"])?;
            let text = metrics(scene)?;
            let durable = r#"user="alert-desk",durable="inbox""#;
            let given_up = value(&text, "durable_max_deliveries", durable);
            ensure!(given_up.is_some_and(|count| count > 0.0), "{text}");
            let leaderless = value(&text, "stream_leaderless_seconds", r#"stream="DATA""#);
            ensure!(leaderless.is_some(), "{text}");
            Ok(())
        })
    })
}

/// The metrics of all operators; who leads has those of the bus.
fn metrics(scene: &Scene) -> Result<String> {
    let operators = "--selector=app.kubernetes.io/name=svom-messaging";
    let pods = scene.get(&["pods", operators])?;
    let addresses = pods["items"].as_array().into_iter().flatten();
    let mut all = String::new();
    for address in addresses.filter_map(|pod| pod["status"]["podIP"].as_str()) {
        let url = format!("http://{address}:8080/metrics");
        let ask = format!("import urllib.request as r; print(r.urlopen('{url}').read().decode())");
        all.push_str(&scene.in_pod("reads", &["python3", "-c", &ask])?);
    }
    Ok(all)
}

fn account(scene: &Scene) -> String {
    format!("system:serviceaccount:{}:svom-messaging", scene.namespace)
}

/// How much was written when what was begun had come to its end.
fn settled(log: &Path, account: &str) -> Result<u64> {
    let mut before = calls(log, account)?.writes_beside_the_lease();
    loop {
        thread::sleep(SETTLED);
        let now = calls(log, account)?.writes_beside_the_lease();
        if now == before {
            return Ok(now);
        }
        before = now;
    }
}
