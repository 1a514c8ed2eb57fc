//! A bus of three nats-servers on a cluster whose nodes fail: every fault has its effect, is undone, and
//! the bus is whole again with everything that it had acknowledged.
//!
//! All tests share one cluster and one bus, one after another.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, anyhow};
use svom_cluster::cache::Cache;
use svom_cluster::cluster::Cluster;
use svom_cluster::fault::Faults;
use svom_cluster::images::{self, Image};
use svom_cluster::notes::{at_level, print, skip};
use svom_cluster::progress::Progress;

use crate::bed::{Bed, CannotBe, Images};

mod bed;
mod disks;
mod network;
mod pods;
mod servers;
mod stopped;

/// Whoever holds it is alone with the bus: or with why there is none, or what went wrong.
static BED: Mutex<Option<Result<Result<Bed, String>, String>>> = Mutex::new(None);

/// Runs a test on the bus, which is whole before and after; in the proof once for each worker, which are
/// then the first in turn.
fn on_the_bus(name: &str, test: fn(&Bed) -> Result<()>) -> Result<()> {
    let mut made = BED.lock().unwrap_or_else(PoisonError::into_inner);
    let bed = match made.get_or_insert_with(|| bed().map_err(|error| format!("{error:#}"))) {
        Ok(Ok(bed)) => bed,
        Ok(Err(why)) => return skip(&format!("bus::{name}"), why),
        Err(error) => return Err(anyhow!("{error}")),
    };
    for round in 1..=at_level(1, bed.workers.len()) {
        let began = Instant::now();
        let result = test(bed);
        print(format!("{name}: {:.0} s", began.elapsed().as_secs_f64()));
        let Err(error) = result else {
            bed.workers.rotate_left(1);
            continue;
        };
        if let Some(CannotBe(why)) = error.downcast_ref() {
            return skip(&format!("bus::{name}"), why);
        }
        bed.tell();
        // The next test is not to fail for this one's reason.
        bed.faults.heal()?;
        bed.faults.settled()?;
        return Err(error.context(format!("{name}, round {round}")));
    }
    Ok(())
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
    stopped::a_frozen_node_one_cut_off_and_one_without_kubelet_are_not_ready;
    stopped::a_crash_keeps_what_was_written_and_a_power_cut_what_was_synced;
    stopped::a_pod_moves_with_its_data_from_a_node_that_is_lost;
    stopped::a_power_cut_of_all_nodes_loses_nothing_acknowledged;
    network::two_nodes_are_cut_from_each_other;
    network::one_node_does_not_hear_another;
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
