//! A look at a bus that is as it should be: the processor time that the operator takes for it, and how
//! often it writes. Against the same client that asks for the same objects, and does nothing with them.
//!
//! The bus is a cluster's. The operator's recipe runs in a process of this program, in the network of a
//! node: there every server can be asked, and the time is that process' own.

use std::env;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use futures::future::try_join_all;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions};
use kube::core::{ApiResource, GroupVersionKind};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use svom_cluster::command;
use svom_cluster::inside;
use svom_cluster::scene::{On, Scene};
use svom_crds::SvomMessaging;
use svom_operator::kubernetes::controller::{Key, Observed, Reconcile};
use svom_operator::kubernetes::lease::{Moment, Term};
use svom_operator::kubernetes::metrics::Buses;
use svom_operator::kubernetes::process::Tools;
use svom_operator::kubernetes::recipe::Recipe;
use svom_plan::status::is_ready;

use crate::on_cluster::{BUS, apply};
use crate::paired::{Paired, Round, Rounds};
use crate::row::{Bench, Row};
use crate::setting::runtime;

/// A look that finds nothing to do.
pub const BENCH: Bench = Bench {
    name: "reconcile",
    rounds: 9,
    run: measure,
};

/// Of so many looks the worst but one counts: 99 of 100 are no longer.
const LOOKS: usize = 100;
const WITHIN: Duration = Duration::from_secs(600);
/// How often a process looks whether the bus is ready for it.
const PAUSE: Duration = Duration::from_millis(250);
const API_SERVER: &str = "https://kubernetes.default.svc";
/// What the operator asks for of a bus, by group, version and kind.
const KINDS: [(&str, &str, &str); 7] = [
    ("", "v1", "Service"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("", "v1", "Secret"),
    ("apps", "v1", "StatefulSet"),
    ("", "v1", "Pod"),
    ("", "v1", "PersistentVolumeClaim"),
];

/// What a hundred looks came to.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Sample {
    /// Processor time of one, milliseconds: 99 of 100 take no more.
    p99: f64,
    /// Writes of all.
    writes: u64,
}

fn measure(Rounds(rounds): Rounds) -> Result<Vec<Row>> {
    let scene = match Scene::prepare("bench", On::MadeHere)? {
        Ok(scene) => scene,
        Err(skipped) => {
            eprintln!("skipped: reconcile: {}", skipped.why);
            return Ok(Vec::new());
        }
    };
    apply(&scene)?;
    scene.operators(0)?;
    let nodes = scene.cluster.workers()?;
    let node = nodes.first().context("the cluster has no worker")?;
    let mut looking = inside::command(&scene.cluster, node, &env::current_exe()?)?;
    looking
        .args(["reconcile", &scene.namespace, &rounds.to_string()])
        .env("KUBECONFIG", scene.cluster.kubeconfig())
        .stdin(Stdio::null());
    let told = command::output(&mut looking, WITHIN)?;
    let taken: Vec<[Sample; 3]> = serde_json::from_str(&told)?;
    let row = |name: &str, unit, of: fn(&Sample) -> f64| {
        let rounds = taken.iter().map(|[subject, first, second]| Round {
            subject: of(subject),
            first: of(first),
            second: of(second),
        });
        let name = format!("a look that finds nothing to do, {name}");
        let paired = Paired::of(&rounds.collect::<Vec<_>>())?;
        anyhow::Ok(Row::new(name, unit, paired))
    };
    Ok(vec![
        row(
            "processor time, 99 of 100, against asking for the same",
            "ms",
            |sample| sample.p99,
        )?
        .with_goal(5.0),
        row("writes in 100", "1", |sample| {
            f64::from(u32::try_from(sample.writes).unwrap_or(u32::MAX))
        })?
        .with_goal(0.0),
    ])
}

/// Prints the samples of so many rounds, as JSON, from within the cluster's network.
pub fn run(namespace: &str, rounds: usize) -> Result<()> {
    let taken = runtime()?.block_on(sample(namespace, rounds))?;
    println!("{}", serde_json::to_string(&taken)?);
    Ok(())
}

async fn sample(namespace: &str, rounds: usize) -> Result<Vec<[Sample; 3]>> {
    let mut config = Config::from_kubeconfig(&KubeConfigOptions::default()).await?;
    config.cluster_url = API_SERVER.parse()?;
    let writes = Arc::new(AtomicU64::new(0));
    let client = counting(Client::try_from(config)?, &writes);
    let looker = Looker {
        recipe: Recipe::new(Tools {
            client: client.clone(),
            identity: "bench".to_owned(),
            buses: Buses::default(),
        }),
        client,
        key: Key {
            namespace: namespace.to_owned(),
            name: BUS.to_owned(),
        },
    };
    looker.comes_to_rest(&writes).await?;
    let subject = async || hundred(&writes, async || looker.look().await.map(drop)).await;
    let control = async || hundred(&writes, async || looker.ask().await).await;
    let mut taken = Vec::new();
    for round in 0..rounds {
        taken.push(match round % 2 {
            0 => [subject().await?, control().await?, control().await?],
            _ => {
                let (first, second) = (control().await?, control().await?);
                [subject().await?, first, second]
            }
        });
    }
    Ok(taken)
}

/// A client that counts what is not read alone.
fn counting(client: Client, writes: &Arc<AtomicU64>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let writes = Arc::clone(writes);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        if *request.method() != http::Method::GET {
            writes.fetch_add(1, Ordering::Relaxed);
        }
        let client = client.clone();
        async move { client.send(request).await }
    });
    Client::new(service, namespace)
}

struct Looker {
    recipe: Recipe,
    client: Client,
    key: Key,
}

impl Looker {
    /// Looks until the bus is ready and there is nothing more to write.
    async fn comes_to_rest(&self, writes: &AtomicU64) -> Result<()> {
        let rests = async {
            loop {
                let before = writes.load(Ordering::Relaxed);
                let was_ready = self.look().await?;
                if was_ready && writes.load(Ordering::Relaxed) == before {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let within = tokio::time::timeout(WITHIN, rests).await;
        within.context("the bus does not come to rest")?
    }

    /// One look; whether the bus was ready before it.
    async fn look(&self) -> Result<bool> {
        let kind = ApiResource::erase::<SvomMessaging>(&());
        let found = self.of(&kind).get(&self.key.name).await?;
        let observed = Observed::read(serde_json::to_value(&found)?)?;
        let (_term, leading) = Term::begin(Moment::NEVER);
        let looked = self.recipe.reconcile(&self.key, &observed, &leading).await;
        looked.map_err(|failure| anyhow!(failure.error))?;
        Ok(observed.status.as_ref().is_some_and(is_ready))
    }

    /// Asks for the resource and for everything that is its.
    async fn ask(&self) -> Result<()> {
        let kind = ApiResource::erase::<SvomMessaging>(&());
        self.of(&kind).get(&self.key.name).await?;
        let label = format!("app.kubernetes.io/instance={}", self.key.name);
        let its = ListParams::default().labels(&label);
        let lists = KINDS.map(|(group, version, kind)| {
            let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let (all, its) = (self.of(&kind), its.clone());
            async move { all.list(&its).await }
        });
        let found = try_join_all(lists).await?;
        ensure!(
            found.iter().all(|list| !list.items.is_empty()),
            "a list is empty"
        );
        Ok(())
    }

    fn of(&self, kind: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.key.namespace, kind)
    }
}

async fn hundred(writes: &AtomicU64, mut one: impl AsyncFnMut() -> Result<()>) -> Result<Sample> {
    let before = writes.load(Ordering::Relaxed);
    let mut times = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        let began = processor_time();
        one().await?;
        times.push(processor_time() - began);
    }
    times.sort_by(f64::total_cmp);
    let p99 = times.iter().rev().nth(1).copied().unwrap_or_default();
    Ok(Sample {
        p99,
        writes: writes.load(Ordering::Relaxed) - before,
    })
}

/// Of this process so far, milliseconds.
fn processor_time() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default().as_secs_f64() * 1e3
}
