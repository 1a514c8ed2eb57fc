//! Nodes that stop: frozen, crashed, without power, lost for good.

use anyhow::{Context, Result, ensure};
use svom_cluster::fault::{Fault, Pod};
use svom_cluster::notes::figure;

use crate::bed::{Bed, address, eventually, fresh};
use crate::network::reaches_nobody;

/// Frozen, a server does not answer. Without a kubelet it does: nobody but Kubernetes misses the node. A node
/// that is cut off is silent to all, and all to it, but for its own pods. Two servers of three go on, with one
/// frozen or with one cut off; one does not.
pub fn a_frozen_node_one_cut_off_and_one_without_kubelet_are_not_ready(bed: &Bed) -> Result<()> {
    let [frozen, silenced, headless] = workers(bed)?;
    let server_on = |node: &str| bed.pod_on(node, "bus");
    let (server_cut_off, server_in_ice) = (server_on(silenced)?, server_on(frozen)?);
    let server_without_kubelet = server_on(headless)?;
    let publisher = bed.publisher("stopped")?;
    let kubelet = bed.provoke(Fault::KubeletKilled {
        node: headless.clone(),
    })?;
    let ice = bed.provoke(Fault::NodeFrozen {
        node: frozen.clone(),
    })?;
    ensure!(greeting(bed, &server_in_ice)? == "silent");
    publisher.waits_for_more(100)?;
    let cut = bed.provoke(Fault::NodeCutOff {
        node: silenced.clone(),
    })?;
    let acknowledged = publisher.acknowledged().len();
    reaches_nobody(bed, silenced, headless, &server_cut_off)?;
    bed.not_ready(&[silenced, frozen, headless])?;
    ensure!(greeting(bed, &server_in_ice)? == "silent");
    ensure!(greeting(bed, &server_without_kubelet)? == "greeted");
    publisher.has_stood_still_since(acknowledged)?;
    ice.heal()?;
    publisher.waits_for_more(100)?;
    reaches_nobody(bed, silenced, headless, &server_cut_off)?;
    cut.heal()?;
    kubelet.heal()?;
    bed.ready_again()?;
    bed.whole_with(&publisher.end())?;
    for (node, server) in [(silenced, server_cut_off), (frozen, server_in_ice)] {
        let now = bed.pod_on(node, "bus")?;
        ensure!(now.uid == server.uid, "the pod is another one");
    }
    Ok(())
}

/// A crash leaves what was written to be written to the disk; a power cut takes what was not synced.
/// Both together leave one server of three, which acknowledges nothing.
pub fn a_crash_keeps_what_was_written_and_a_power_cut_what_was_synced(bed: &Bed) -> Result<()> {
    let [crashed, cut, _] = workers(bed)?;
    let publisher = bed.publisher("crash")?;
    publisher.waits_for_more(50)?;
    let servers = [bed.pod_on(crashed, "bus")?, bed.pod_on(cut, "bus")?];
    let files = Files::fresh();
    for node in [crashed, cut] {
        files.write(bed, node, "before a fall")?;
    }
    let power = bed.provoke(Fault::PowerCut {
        nodes: vec![cut.clone()],
    })?;
    let crash = bed.provoke(Fault::NodeCrashed {
        node: crashed.clone(),
    })?;
    let acknowledged = publisher.acknowledged().len();
    bed.not_ready(&[crashed, cut])?;
    publisher.has_stood_still_since(acknowledged)?;
    for (node, server) in [crashed, cut].into_iter().zip(&servers) {
        ensure!(greeting(bed, server)? != "greeted", "{node} answers");
    }
    crash.heal()?;
    power.heal()?;
    bed.ready_again()?;
    publisher.waits_for_more(50)?;
    bed.whole_with(&publisher.end())?;
    ensure!(read(bed, crashed, &files.synced)? == "before a fall");
    ensure!(read(bed, crashed, &files.unsynced)? == "before a fall");
    ensure!(read(bed, cut, &files.synced)? == "before a fall");
    let unsynced = read(bed, cut, &files.unsynced)?;
    ensure!(
        unsynced.is_empty(),
        "a power cut kept `{unsynced}`, which was not synced"
    );
    for (node, server) in [crashed, cut].into_iter().zip(&servers) {
        ensure!(
            bed.pod_on(node, "bus")?.uid == server.uid,
            "the pod is another one"
        );
    }
    Ok(())
}

/// The pod whose volume is on shared storage goes elsewhere, and has its data there. The server's volume is
/// bound to the node: it waits for it.
pub fn a_pod_moves_with_its_data_from_a_node_that_is_lost(bed: &Bed) -> Result<()> {
    let mover = the_mover(bed)?;
    let Files { synced, .. } = Files::fresh();
    bed.ask(&mover, &["write", &synced, "it moves", "synced"])?;
    let server = bed.pod_on(&mover.node, "bus")?;
    let publisher = bed.publisher("lost")?;
    let lost = bed.provoke(Fault::NodeLost {
        node: mover.node.clone(),
    })?;
    bed.not_ready(&[&mover.node])?;
    let moved = eventually("the pod on another node", || {
        let now = the_mover(bed)?;
        ensure!(now.ready && now.node != mover.node, "{now:?}");
        Ok(now)
    })?;
    ensure!(bed.ask(&moved, &["read", &synced])? == "it moves");
    eventually("a server without a node", || {
        let still = bed.pods("bus")?.remove(&server.place.name);
        ensure!(still.is_none(), "{still:?}");
        Ok(())
    })?;
    publisher.waits_for_more(100)?;
    lost.heal()?;
    bed.ready_again()?;
    bed.whole_with(&publisher.end())?;
    ensure!(bed.pod_on(&mover.node, "bus")?.place == server.place);
    Ok(())
}

/// Every server syncs before it acknowledges: what was acknowledged is there after the power is back. What a
/// program did not sync at the same moment is not.
pub fn a_power_cut_of_all_nodes_loses_nothing_acknowledged(bed: &Bed) -> Result<()> {
    let publisher = bed.publisher("power")?;
    publisher.waits_for_more(200)?;
    let files = Files::fresh();
    for node in &bed.workers {
        files.write(bed, node, "before the night")?;
    }
    let nodes = bed.faults.nodes()?;
    let cut = bed.provoke(Fault::PowerCut {
        nodes: nodes.into_iter().map(|node| node.name).collect(),
    })?;
    let silence = bed
        .kubectl
        .run(["get", "--raw=/readyz", "--request-timeout=3s"]);
    ensure!(silence.is_err(), "the API server answers without power");
    let acknowledged = publisher.end();
    cut.heal()?;
    // Nobody was there to take the nodes for NotReady.
    bed.faults.settled()?;
    bed.whole_with(&acknowledged)?;
    figure(
        "acknowledged before a power cut of all nodes, and kept",
        acknowledged.len(),
    )?;
    for node in &bed.workers {
        ensure!(read(bed, node, &files.synced)? == "before the night");
        let unsynced = read(bed, node, &files.unsynced)?;
        ensure!(
            unsynced != "before the night",
            "{node} kept what was not synced"
        );
    }
    Ok(())
}

fn workers(bed: &Bed) -> Result<[&String; 3]> {
    let workers: Vec<_> = bed.workers.iter().collect();
    workers.try_into().ok().context("not three workers")
}

fn the_mover(bed: &Bed) -> Result<Pod> {
    bed.pods("mover")?
        .remove("mover-0")
        .context("mover-0 is on no node")
}

/// `greeted`, or what else became of a connection.
fn greeting(bed: &Bed, server: &Pod) -> Result<String> {
    bed.ask_from_outside(&["greet", &address(server)?])
}

/// Two files of a volume, which no test had before.
struct Files {
    /// On the disk when it is written.
    synced: String,
    /// On its way there, sooner or later.
    unsynced: String,
}

impl Files {
    fn fresh() -> Self {
        let name = fresh("/data/file");
        Self {
            synced: format!("{name}-synced"),
            unsynced: name,
        }
    }

    /// Writes both on this node's volume.
    fn write(&self, bed: &Bed, node: &str, text: &str) -> Result<()> {
        let keeper = bed.pod_on(node, "keeper")?;
        bed.ask(&keeper, &["write", &self.synced, text, "synced"])?;
        bed.ask(&keeper, &["write", &self.unsynced, text])?;
        Ok(())
    }
}

fn read(bed: &Bed, node: &str, path: &str) -> Result<String> {
    eventually("a file", || {
        bed.ask(&bed.pod_on(node, "keeper")?, &["read", path])
    })
}
