//! From nothing to a bus that is proven, against three bare servers to their first acknowledged
//! message that all three keep: with a fresh state folder, and with one that was kept.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use svom_cluster::slots::Slot;
use svom_tests::bus::{Bus, is_ready};
use svom_tests::local::LocalBus;
use svom_tests::poll;

use crate::bare::Trio;
use crate::paired::{Rounds, paired};
use crate::resources;
use crate::row::{Bench, Row};
use crate::setting::{Setting, runtime};

const READY_WITHIN: Duration = Duration::from_secs(120);
const USER: &str = "one";

/// `local up`.
pub const BENCH: Bench = Bench {
    name: "up",
    rounds: 5,
    run: measure,
};

fn measure(rounds: Rounds) -> Result<Vec<Row>> {
    let setting = Setting::find(resources::MINIMAL)?;
    let runtime = runtime()?;
    let bare = |trio: &mut Trio, stream: &Value| -> Result<f64> {
        let began = Instant::now();
        runtime.block_on(trio.bring_up(USER, stream))?;
        let took = began.elapsed().as_secs_f64();
        trio.stop()?;
        Ok(took)
    };
    let users = [USER.to_owned()];
    let fresh = paired(
        rounds,
        || up(&LocalBus::prepare(resources::MINIMAL, Slot::shared())?),
        || {
            bare(
                &mut Trio::prepare(&setting.server, &users)?,
                &setting.stream,
            )
        },
    )?;
    let kept = LocalBus::prepare(resources::MINIMAL, Slot::shared())?;
    let mut kept_bare = Trio::prepare(&setting.server, &users)?;
    up(&kept)?;
    bare(&mut kept_bare, &setting.stream)?;
    let kept = paired(
        rounds,
        || up(&kept),
        || bare(&mut kept_bare, &setting.stream),
    )?;
    let against = "to proven, against bare servers to their first message";
    Ok(vec![
        Row::new(format!("local up, fresh folder, {against}"), "s", fresh),
        Row::new(format!("local up, kept folder, {against}"), "s", kept),
    ])
}

/// Seconds until the runner says that the bus is ready.
fn up(bus: &LocalBus) -> Result<f64> {
    let before = fs::metadata(bus.log()).map_or(0, |log| log.len());
    let before = usize::try_from(before)?;
    let began = Instant::now();
    bus.launch()?;
    poll::until(
        "the runner to say that the bus is ready",
        READY_WITHIN,
        || {
            let log = fs::read_to_string(bus.log()).context("the runner's log cannot be read")?;
            let said = log.get(before..).unwrap_or_default();
            if said.contains(" is ready: ") {
                return Ok(Some(()));
            }
            if said.contains(" is not ready: ") || said.contains("error: ") {
                bail!("the bus was not brought up: {said}");
            }
            Ok(None)
        },
    )?;
    let took = began.elapsed().as_secs_f64();
    let status = bus.status()?;
    let conditions = || serde_json::to_string(&status.conditions);
    ensure!(is_ready(&status), "the bus is not ready: {}", conditions()?);
    let left = bus.end();
    ensure!(left.is_empty(), "servers outlive their runner: {left:?}");
    Ok(took)
}
