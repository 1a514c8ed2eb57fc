//! A user added and another removed, until it holds on all servers, against bare servers with the same
//! number of users that are asked to reload, until all of them report another configuration.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{cell::Cell, fs};

use anyhow::{Context, Result, ensure};
use async_nats::Client;
use futures::StreamExt;
use futures::future::try_join_all;
use serde_json::Value;
use svom_tests::bus::Bus;
use svom_tests::local::LocalBus;
use svom_tests::program::{run, svom_messaging};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::bare::{SERVERS, SYSTEM, Trio, patiently};
use crate::paired::{Rounds, paired};
use crate::resources::{of_users, user_name};
use crate::row::{Bench, Row};
use crate::setting::{Setting, runtime};

const USERS: usize = 10;
const ANSWERS_WITHIN: Duration = Duration::from_millis(400);

/// `local apply`.
pub const BENCH: Bench = Bench {
    name: "change",
    rounds: 15,
    run: measure,
};

fn measure(rounds: Rounds) -> Result<Vec<Row>> {
    let resource = of_users(0..USERS);
    let bus = LocalBus::up(&resource)?;
    let setting = Setting::of(&bus, &resource)?;
    let mut bare = Bare::begin(&setting)?;
    let first = Cell::new(0);
    let change = paired(
        rounds,
        || {
            first.set(first.get() + 1);
            apply(&bus, first.get())
        },
        || bare.change(),
    )?;
    Ok(vec![Row::new(
        "user added and another removed, effective and proven, against a bare reload",
        "ms",
        change,
    )])
}

/// Milliseconds until `local apply` returns.
fn apply(bus: &LocalBus, first: usize) -> Result<f64> {
    let file = bus.state().with_file_name("next.yaml");
    fs::write(&file, of_users(first..first + USERS))?;
    let mut command = Command::new(svom_messaging()?);
    command.args(["local", "apply", "--file"]).arg(&file);
    command.arg("--dir").arg(bus.state());
    let began = Instant::now();
    run(&mut command)?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let (added, removed) = (user_name(first + USERS - 1), user_name(first - 1));
    ensure!(
        bus.credentials(&added).is_ok(),
        "{added} was handed nothing"
    );
    let users = bus.status()?.users;
    ensure!(
        users.iter().all(|user| user.name != removed),
        "{removed} is still there"
    );
    Ok(took)
}

/// Bare servers, and a connection that asks the servers themselves.
struct Bare {
    trio: Trio,
    runtime: Runtime,
    system: Client,
    first: usize,
}

impl Bare {
    fn begin(setting: &Setting) -> Result<Self> {
        let users = |first: usize| (first..first + USERS).map(user_name).collect::<Vec<_>>();
        let mut trio = Trio::prepare(&setting.server, &users(0))?;
        let runtime = runtime()?;
        let system = runtime.block_on(async {
            trio.bring_up(&user_name(0), &setting.stream).await?;
            trio.connect(SYSTEM, None).await
        })?;
        Ok(Self {
            trio,
            runtime,
            system,
            first: 0,
        })
    }

    /// Milliseconds until all servers report another configuration.
    fn change(&mut self) -> Result<f64> {
        self.first += 1;
        let users: Vec<String> = (self.first..self.first + USERS).map(user_name).collect();
        let (trio, system) = (&self.trio, &self.system);
        self.runtime.block_on(async {
            let before = digests(system).await?;
            let began = Instant::now();
            trio.write_configurations(&users)?;
            try_join_all(before.keys().map(|server| reload(system, server))).await?;
            patiently("another configuration", || async {
                let now = digests(system).await?;
                let changed = now
                    .iter()
                    .all(|(server, digest)| before.get(server) != Some(digest));
                ensure!(changed, "a server has its old configuration");
                Ok(())
            })
            .await?;
            Ok(began.elapsed().as_secs_f64() * 1000.0)
        })
    }
}

async fn reload(system: &Client, server: &str) -> Result<()> {
    let subject = format!("$SYS.REQ.SERVER.{server}.RELOAD");
    let answer = system.request(subject, "".into()).await?;
    let answer: Value = serde_json::from_slice(&answer.payload)?;
    ensure!(answer.get("error").is_none(), "{answer}");
    Ok(())
}

/// Digest of each server's configuration, by the server's id.
async fn digests(system: &Client) -> Result<BTreeMap<String, String>> {
    let inbox = system.new_inbox();
    let mut answers = system.subscribe(inbox.clone()).await?;
    system
        .publish_with_reply("$SYS.REQ.SERVER.PING.VARZ", inbox, "".into())
        .await?;
    let mut digests = BTreeMap::new();
    while digests.len() < usize::from(SERVERS) {
        let answer = timeout(ANSWERS_WITHIN, answers.next()).await;
        let answer = answer.context("a server does not answer")?;
        let answer = answer.context("the connection has ended")?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        let text = |pointer| answer.pointer(pointer).and_then(Value::as_str);
        let server = text("/server/id").context("an answer without a server")?;
        let digest = text("/data/config_digest").context("an answer without a digest")?;
        digests.insert(server.to_owned(), digest.to_owned());
    }
    Ok(digests)
}
