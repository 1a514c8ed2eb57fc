//! Faults of single pods, and what the namespace does not let in.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use svom_cluster::fault::{Fault, Pod};

use crate::bed::{Bed, NAMESPACE, eventually, place};

/// The servers are one cluster, under rules that a privileged pod does not pass.
pub fn three_restricted_servers_form_a_bus(bed: &Bed) -> Result<()> {
    bed.whole()?;
    let privileged = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "privileged", "namespace": NAMESPACE},
        "spec": {"containers": [{
            "name": "any",
            "image": "any",
            "securityContext": {"privileged": true},
        }]},
    });
    let refused = bed.kubectl.apply(&privileged.to_string());
    let error = refused.err().context("a privileged pod was let in")?;
    let words = format!("{error:#}");
    ensure!(
        words.contains("violates PodSecurity \"restricted"),
        "{words}"
    );
    Ok(())
}

/// The server starts anew in the same pod.
pub fn a_killed_container_comes_back(bed: &Bed) -> Result<()> {
    let publisher = bed.publisher("container")?;
    publisher.waits_for_more(50)?;
    let before = a_server(bed)?;
    let killed = bed.provoke(Fault::ContainerKilled {
        pod: before.place.clone(),
        container: "nats".to_owned(),
    })?;
    let after = eventually("a container that was started again", || {
        let pod = bed.pods("bus")?.remove(&before.place.name);
        let pod = pod.context("the pod is gone")?;
        ensure!(pod.ready && pod.restarts > before.restarts, "{pod:?}");
        Ok(pod)
    })?;
    ensure!(after.uid == before.uid, "the pod is another one");
    killed.heal()?;
    publisher.waits_for_more(50)?;
    bed.whole_with(&publisher.end())
}

/// Another pod of the same name has the same volume.
pub fn a_deleted_pod_is_replaced_with_its_data(bed: &Bed) -> Result<()> {
    let publisher = bed.publisher("pod")?;
    publisher.waits_for_more(50)?;
    let before = a_server(bed)?;
    let deleted = bed.provoke(Fault::PodDeleted {
        pod: before.place.clone(),
    })?;
    eventually("another pod of the same name", || {
        let pod = bed.pods("bus")?.remove(&before.place.name);
        let pod = pod.context("the pod is gone")?;
        ensure!(pod.ready && pod.uid != before.uid, "{pod:?}");
        ensure!(pod.node == before.node, "it is on node {}", pod.node);
        Ok(())
    })?;
    deleted.heal()?;
    publisher.waits_for_more(50)?;
    bed.whole_with(&publisher.end())
}

/// The server has to leave, and its volume keeps it from going anywhere else.
pub fn a_drained_node_gives_its_server_back(bed: &Bed) -> Result<()> {
    let publisher = bed.publisher("drain")?;
    let server = a_server(bed)?;
    let drained = bed.provoke(Fault::NodeDrained {
        node: server.node.clone(),
    })?;
    let still = bed.pods("bus")?.remove(&server.place.name);
    ensure!(
        still.as_ref().is_none_or(|pod| pod.uid != server.uid),
        "the server was not evicted: {still:?}"
    );
    publisher.waits_for_more(50)?;
    drained.heal()?;
    bed.whole_with(&publisher.end())?;
    let back = bed.pod_on(&server.node, "bus")?;
    ensure!(back.place == place(&server.place.name), "{back:?}");
    Ok(())
}

fn a_server(bed: &Bed) -> Result<Pod> {
    bed.pod_on(bed.workers.first().context("no worker")?, "bus")
}
