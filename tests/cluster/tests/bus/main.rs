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

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static BED: OnceLock<Result<Result<Bed, String>, String>> = OnceLock::new();

/// Runs a test on the bus, which is whole before and after.
fn on_the_bus(name: &str, test: fn(&Bed) -> Result<()>) -> Result<()> {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bed = match BED.get_or_init(|| bed().map_err(|error| format!("{error:#}"))) {
        Ok(Ok(bed)) => bed,
        Ok(Err(why)) => return skip(&format!("bus::{name}"), why),
        Err(error) => return Err(anyhow!("{error}")),
    };
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
    if cluster.engine().is_none() {
        let why = "images can be loaded, and nodes be failed, only where the cluster was made here";
        return Ok(Err(why.to_owned()));
    }
    let images = images(&cluster)?;
    let faults = Faults::of(&cluster)?;
    // Whatever a run before this one left in force.
    faults.heal()?;
    Bed::make(cluster.kubectl().clone(), faults, &images).map(Ok)
}

/// Tests in the order of their names, each a scenario of the module beside it.
macro_rules! tests {
    ($($module:ident::$name:ident;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            on_the_bus(stringify!($name), $module::$name)
        })*
    };
}

tests! {
    pods::three_restricted_servers_form_a_bus;
    pods::a_killed_container_comes_back;
    pods::a_deleted_pod_is_replaced_with_its_data;
    pods::a_drained_node_gives_its_server_back;
    stopped::a_frozen_node_and_a_killed_kubelet_are_not_ready;
    stopped::a_crash_keeps_what_was_written_and_a_power_cut_what_was_synced;
    stopped::a_pod_moves_with_its_data_from_a_node_that_is_lost;
    stopped::a_power_cut_of_all_nodes_loses_nothing_acknowledged;
    network::two_nodes_are_cut_from_each_other;
    network::one_node_does_not_hear_another;
    network::a_node_that_is_cut_off_reaches_nobody;
    network::packets_are_lost;
    network::packets_are_late;
    network::the_bus_goes_on_without_the_api_server;
    disks::a_full_disk_stops_one_server;
    disks::a_failed_disk_stops_one_server;
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
