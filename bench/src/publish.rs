//! Publishing under this layout, with an account of its own for each user, against one account with
//! the same stream: the same TLS, three replicas, a sync before each acknowledgement. Each client is
//! connected to the server that leads the stream.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use async_nats::ConnectOptions;
use async_nats::jetstream::{self, Context};
use futures::{StreamExt, TryStreamExt, stream};
use svom_tests::bus::{Bus, Credentials};
use svom_tests::local::LocalBus;
use tokio::runtime::Runtime;

use crate::bare::{self, SERVERS, Trio};
use crate::paired::{Rounds, paired, spread};
use crate::resources;
use crate::row::{Bench, Row};
use crate::setting::{STREAM, Setting, runtime};

const USER: &str = "vhf-listener";
const QUEUE: &str = "data.vhf";
const PAYLOAD: usize = 1024;
const ONE_BY_ONE: usize = 400;
const PIPELINED: usize = 10_000;
const IN_FLIGHT: usize = 128;
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Publishing.
pub const BENCH: Bench = Bench {
    name: "publish",
    rounds: 9,
    run: measure,
};

fn measure(rounds: Rounds) -> Result<Vec<Row>> {
    let bus = LocalBus::up(resources::MINIMAL)?;
    let setting = Setting::of(&bus, resources::MINIMAL)?;
    let runtime = runtime()?;
    let credentials = bus.credentials_at(USER, &bus.leader_of(STREAM)?)?;
    let subject = runtime.block_on(connect(&credentials))?;
    let mut trio = Trio::prepare(&setting.server, &[USER.to_owned()])?;
    let control = runtime.block_on(connect_bare(&mut trio, &setting))?;
    // The first messages find everything cold.
    for context in [&subject, &control] {
        round_trip(&runtime, context)?;
    }
    let against = "1 KiB, against one account";
    Ok(vec![
        Row::new(
            format!("publish to acknowledgement, {against}"),
            "ms",
            paired(
                rounds,
                || round_trip(&runtime, &subject),
                || round_trip(&runtime, &control),
            )?,
        ),
        Row::new(
            format!("publish, {IN_FLIGHT} in flight, {against}"),
            "per s",
            paired(
                rounds,
                || rate(&runtime, &subject),
                || rate(&runtime, &control),
            )?,
        ),
    ])
}

/// Median of the milliseconds from one publish to its acknowledgement.
fn round_trip(runtime: &Runtime, context: &Context) -> Result<f64> {
    let took = runtime.block_on(async {
        let mut took = Vec::with_capacity(ONE_BY_ONE);
        for _ in 0..ONE_BY_ONE {
            let began = Instant::now();
            publish(context).await?;
            took.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        anyhow::Ok(took)
    })?;
    Ok(spread(took).context("nothing was published")?.median)
}

/// Acknowledged messages in a second.
fn rate(runtime: &Runtime, context: &Context) -> Result<f64> {
    let began = Instant::now();
    runtime.block_on(
        stream::iter(0..PIPELINED)
            .map(|_| publish(context))
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<Vec<()>>(),
    )?;
    Ok(PIPELINED as f64 / began.elapsed().as_secs_f64())
}

async fn publish(context: &Context) -> Result<()> {
    let payload = vec![b'x'; PAYLOAD];
    context.publish(QUEUE, payload.into()).await?.await?;
    Ok(())
}

async fn connect(credentials: &Credentials) -> Result<Context> {
    let options = ConnectOptions::new()
        .user_and_password(
            credentials.username.clone(),
            credentials.password()?.to_owned(),
        )
        .add_root_certificates(credentials.ca.clone())
        .require_tls(true)
        .ignore_discovered_servers();
    let client = options.connect(credentials.urls.join(",")).await?;
    Ok(with_patience(jetstream::with_domain(client, "svom")))
}

async fn connect_bare(trio: &mut Trio, setting: &Setting) -> Result<Context> {
    let any = trio.bring_up(USER, &setting.stream).await?;
    let stream = jetstream::new(any).get_stream(STREAM).await?;
    let cluster = stream.cached_info().cluster.as_ref();
    let leader = cluster.and_then(|cluster| cluster.leader.clone());
    let leader = leader.context("the bare servers' stream has no leader")?;
    let leader = (0..SERVERS).find(|server| bare::name(*server) == leader);
    let client = trio
        .connect(USER, Some(leader.context("an unknown leader")?))
        .await?;
    Ok(with_patience(jetstream::new(client)))
}

fn with_patience(mut context: Context) -> Context {
    context.set_timeout(ANSWERS_WITHIN);
    context
}
