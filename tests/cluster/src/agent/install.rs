//! The agent is put into a cluster, and waited for.
//!
//! In: a cluster that was made here, and the agent's image. Out: the agent runs on every node.

use std::time::Duration;

use anyhow::Result;

use super::{AgentImage, NAMESPACE, Options, manifests};
use crate::cluster::Cluster;
use crate::kubectl::Kubectl;
use crate::progress::Progress;

/// kind's own storage class, which knows no sizes, and why it is not the default beside the agent's.
const KINDS_CLASS: &str = "standard";
const NOT_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class=false";

/// Loads the image into the nodes and applies the manifests. It waits for nothing: where the agent is
/// the nodes' network, no node is ready before it.
///
/// # Errors
/// When a node cannot read the image, or the API server refuses a manifest.
pub fn install(
    cluster: &Cluster,
    image: &AgentImage,
    options: &Options<'_>,
    progress: &Progress,
) -> Result<()> {
    cluster.load(std::slice::from_ref(&image.archive), progress)?;
    let kubectl = cluster.kubectl();
    kubectl.apply(&manifests(options)?)?;
    kubectl
        .run([
            "annotate",
            "storageclass",
            KINDS_CLASS,
            NOT_DEFAULT,
            "--overwrite",
        ])
        .map(drop)
}

/// Waits until volumes can be had on every node, and LoadBalancers.
///
/// # Errors
/// When that is not so within `limit`.
pub fn installed(kubectl: &Kubectl, limit: Duration) -> Result<()> {
    ["daemonset/testbed-node", "deployment/testbed-controller"]
        .into_iter()
        .try_for_each(|what| kubectl.rolled_out(NAMESPACE, what, limit))
}
