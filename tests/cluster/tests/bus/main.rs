//! A bus of three nats-servers on a cluster whose nodes fail: every fault has its effect, is undone, and
//! the bus is whole again with everything that it had acknowledged.
//!
//! All tests share one cluster and one bus, one after another.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use svom_cluster::cache::Cache;
use svom_cluster::cluster::Cluster;
use svom_cluster::fault::Faults;
use svom_cluster::images::{self, Image};
use svom_cluster::notes::skip;
use svom_cluster::progress::Progress;

use crate::bed::{Bed, Images};

mod bed;
mod disks;
mod network;
mod pods;
mod servers;
mod stopped;

/// Whether a test can be had on a cluster whose nodes are no containers of an engine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    KubectlAlone,
    TheEngine,
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static BED: OnceLock<Result<Result<Bed, String>, String>> = OnceLock::new();

/// Runs a test on the bus, which is whole before and after.
fn on_the_bus(name: &str, takes: Takes, test: fn(&Bed) -> Result<()>) -> Result<()> {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bed = match BED.get_or_init(|| bed().map_err(|error| format!("{error:#}"))) {
        Ok(Ok(bed)) => bed,
        Ok(Err(why)) => return skip(&format!("bus::{name}"), why),
        Err(error) => return Err(anyhow!("{error}")),
    };
    if takes == Takes::TheEngine && bed.faults.hands().engine.is_none() {
        let why =
            "only kubectl reaches this cluster, not the engine whose containers its nodes are";
        return skip(&format!("bus::{name}"), why);
    }
    let began = Instant::now();
    let result = test(bed);
    eprintln!("{name}: {:.0} s", began.elapsed().as_secs_f64());
    if result.is_err() {
        bed.tell();
        // The next test is not to fail for this one's reason.
        bed.faults.heal()?;
        bed.faults.settled()?;
    }
    result.with_context(|| name.to_owned())
}

/// Puts the bus into a cluster; or says why there is none.
fn bed() -> Result<Result<Bed, String>> {
    let cluster = match Cluster::for_tests("bus")? {
        Ok(cluster) => cluster,
        Err(skipped) => return Ok(Err(skipped.to_string())),
    };
    let images = images(&cluster)?;
    let faults = Faults::of(&cluster)?;
    // Whatever a run before this one left in force.
    faults.heal()?;
    Bed::make(cluster.kubectl().clone(), faults, &images).map(Ok)
}

/// Tests in the order of their names, each a scenario of the module beside it.
macro_rules! tests {
    ($($takes:ident $module:ident::$name:ident;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            on_the_bus(stringify!($name), Takes::$takes, $module::$name)
        })*
    };
}

tests! {
    KubectlAlone pods::three_restricted_servers_form_a_bus;
    TheEngine pods::a_killed_container_comes_back;
    KubectlAlone pods::a_deleted_pod_is_replaced_with_its_data;
    KubectlAlone pods::a_drained_node_gives_its_server_back;
    TheEngine stopped::a_frozen_node_and_a_killed_kubelet_are_not_ready;
    TheEngine stopped::a_crash_keeps_what_was_written_and_a_power_cut_what_was_synced;
    TheEngine stopped::a_pod_moves_with_its_data_from_a_node_that_is_lost;
    TheEngine stopped::a_power_cut_of_all_nodes_loses_nothing_acknowledged;
    TheEngine network::two_nodes_are_cut_from_each_other;
    TheEngine network::one_node_does_not_hear_another;
    TheEngine network::a_node_that_is_cut_off_reaches_nobody;
    TheEngine network::packets_are_lost;
    TheEngine network::packets_are_late;
    TheEngine network::the_bus_goes_on_without_the_api_server;
    TheEngine disks::a_full_disk_stops_one_server;
    TheEngine disks::a_failed_disk_stops_one_server;
}

/// The images of the pods, made here and loaded.
fn images(cluster: &Cluster) -> Result<Images> {
    let progress = Progress::shown();
    let cache = Cache::open()?;
    let nats_server = images::build(Image::NatsServer, &cache, &progress)?;
    let client = images::build(Image::Client, &cache, &progress)?;
    cluster.load(&[nats_server.archive, client.archive], &progress)?;
    Ok(Images {
        nats_server: nats_server.reference,
        client: client.reference,
    })
}
