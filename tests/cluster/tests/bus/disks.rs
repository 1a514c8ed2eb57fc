//! Volumes that are full or fail.

use anyhow::{Context, Result, ensure};
use svom_cluster::fault::{Fault, Pod};

use crate::bed::{Bed, eventually, place};

/// The server of the full volume stores nothing more; the two others go on, and it catches up when there
/// is room.
pub fn a_full_disk_stops_one_server(bed: &Bed) -> Result<()> {
    let server = a_follower(bed)?;
    let publisher = bed.publisher("full")?;
    let full = bed.provoke(Fault::DiskFull {
        claim: place(&format!("data-{}", server.place.name)),
    })?;
    suffers(bed, &server, &["JetStream not enabled"])?;
    publisher.waits_for_more(50)?;
    full.heal()?;
    bed.whole_with(&publisher.end())
}

/// The same, where every access fails.
pub fn a_failed_disk_stops_one_server(bed: &Bed) -> Result<()> {
    let server = a_follower(bed)?;
    let publisher = bed.publisher("failed")?;
    let failed = bed.provoke(Fault::DiskFailed {
        claim: place(&format!("data-{}", server.place.name)),
    })?;
    suffers(bed, &server, &["input/output error"])?;
    publisher.waits_for_more(50)?;
    failed.heal()?;
    bed.whole_with(&publisher.end())
}

/// Waits until the server is not healthy any more, and says so with one of these words.
fn suffers(bed: &Bed, server: &Pod, words: &[&str]) -> Result<()> {
    eventually("a server that suffers", || {
        let states = bed.states(std::slice::from_ref(server))?;
        let state = states.first().context("the server is not asked")?;
        let says = words.iter().any(|words| state.words.contains(words));
        ensure!(!state.healthy && says, "{state:?}");
        Ok(())
    })
}

fn a_follower(bed: &Bed) -> Result<Pod> {
    let servers = bed.servers()?;
    let states = bed.states(&servers)?;
    let leader = states.iter().find_map(|state| state.leader.clone());
    let leader = leader.context("the stream has no leader")?;
    let mut followers = servers.into_iter().filter(|pod| pod.place.name != leader);
    followers.next().context("no follower")
}
