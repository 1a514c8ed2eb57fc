//! What has to be known of a cluster before a fault can be provoked in it.
//!
//! In: what the API server answers. Out: nodes with their addresses, pods with their containers, the
//! volume of a claim.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::kind::Place;

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, in Kubernetes and in the container engine.
    pub name: String,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// The ranges its pods' addresses are of.
    pub pod_ranges: Vec<String>,
    /// Whether the API server runs there.
    pub control_plane: bool,
    /// Whether it says of itself, and Kubernetes believes, that it is Ready.
    pub ready: bool,
}

impl Node {
    /// From whom packets come that are this node's or its pods'.
    pub fn sources(&self) -> Vec<String> {
        let own = self.addresses.iter().map(IpAddr::to_string);
        own.chain(self.pod_ranges.iter().cloned()).collect()
    }
}

/// A pod that runs on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace and name.
    pub place: Place,
    /// Where it runs.
    pub node: String,
    /// The identifier that no other pod has or had.
    pub uid: String,
    /// Its own address; a pod on the node's network has the node's.
    pub address: Option<IpAddr>,
    /// Whether it is Ready, and not on its way out.
    pub ready: bool,
    /// How often its containers were started anew.
    pub restarts: u64,
    /// Its containers' names and their identifiers in the node's container runtime.
    pub containers: Vec<(String, String)>,
    /// The claims it uses.
    pub claims: Vec<String>,
}

/// The nodes of an answer to `get nodes`.
///
/// # Errors
/// When it is none, or an address cannot be read.
pub fn nodes(answer: &Value) -> Result<Vec<Node>> {
    items(answer)?.iter().map(node).collect()
}

fn node(item: &Value) -> Result<Node> {
    let name = name(item)?;
    let mut addresses = Vec::new();
    for address in list(item, "/status/addresses") {
        if text(address, "/type") == Some("InternalIP") {
            let address = text(address, "/address").unwrap_or_default();
            addresses.push(
                address
                    .parse()
                    .with_context(|| format!("node {name} has the address `{address}`"))?,
            );
        }
    }
    let ranges = list(item, "/spec/podCIDRs").filter_map(Value::as_str);
    let labels = item.pointer("/metadata/labels").and_then(Value::as_object);
    Ok(Node {
        pod_ranges: ranges.map(str::to_owned).collect(),
        control_plane: labels.is_some_and(|labels| labels.contains_key(CONTROL_PLANE)),
        ready: is_ready(item),
        name,
        addresses,
    })
}

/// The pods of an answer to `get pods`, without those that have no node yet.
///
/// # Errors
/// When it is none.
pub fn pods(answer: &Value) -> Result<Vec<Pod>> {
    let scheduled = |item: &&Value| text(item, "/spec/nodeName").is_some();
    items(answer)?.iter().filter(scheduled).map(pod).collect()
}

/// The pod of an answer to `get pod NAME`.
///
/// # Errors
/// When it is none, or has no node yet.
pub fn pod(item: &Value) -> Result<Pod> {
    let name = name(item)?;
    let namespace = text(item, "/metadata/namespace").unwrap_or("default");
    let node = text(item, "/spec/nodeName")
        .with_context(|| format!("pod {namespace}/{name} is on no node yet"))?;
    let containers = list(item, "/status/containerStatuses").filter_map(|status| {
        let (_, id) = text(status, "/containerID")?.split_once("://")?;
        Some((text(status, "/name")?.to_owned(), id.to_owned()))
    });
    let claims = list(item, "/spec/volumes")
        .filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
    Ok(Pod {
        node: node.to_owned(),
        uid: text(item, "/metadata/uid").unwrap_or_default().to_owned(),
        address: text(item, "/status/podIP").and_then(|address| address.parse().ok()),
        ready: is_ready(item) && item.pointer("/metadata/deletionTimestamp").is_none(),
        restarts: list(item, "/status/containerStatuses")
            .filter_map(|status| status.get("restartCount")?.as_u64())
            .sum(),
        containers: containers.collect(),
        claims: claims.map(str::to_owned).collect(),
        place: Place::new(namespace, name),
    })
}

/// The name of the volume that an answer to `get pvc NAME` is bound to.
///
/// # Errors
/// When it is bound to none.
pub fn volume(claim: &Value) -> Result<String> {
    let name = name(claim)?;
    text(claim, "/spec/volumeName")
        .map(str::to_owned)
        .with_context(|| format!("claim {name} is bound to no volume yet"))
}

/// When each node renewed its lease, of an answer to `get leases`.
///
/// # Errors
/// When it is none.
pub fn renewals(answer: &Value) -> Result<BTreeMap<String, Value>> {
    let renewal = |item| Ok((name(item)?, item.pointer("/spec/renewTime").cloned()));
    let all = items(answer)?.iter().map(renewal);
    let known = all.filter_map(|renewal| match renewal {
        Ok((name, Some(time))) => Some(Ok((name, time))),
        Ok((_, None)) => None,
        Err(error) => Some(Err(error)),
    });
    known.collect()
}

/// The node of this name.
///
/// # Errors
/// When there is none, with the names there are.
pub fn named<'a>(nodes: &'a [Node], name: &str) -> Result<&'a Node> {
    let Some(node) = nodes.iter().find(|node| node.name == name) else {
        let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
        bail!(
            "there is no node {name}; the nodes are {}",
            names.join(", ")
        );
    };
    Ok(node)
}

fn is_ready(item: &Value) -> bool {
    list(item, "/status/conditions").any(|condition| {
        text(condition, "/type") == Some("Ready") && text(condition, "/status") == Some("True")
    })
}

fn items(answer: &Value) -> Result<&Vec<Value>> {
    answer
        .get("items")
        .and_then(Value::as_array)
        .context("kubectl answers no list")
}

fn name(item: &Value) -> Result<String> {
    text(item, "/metadata/name")
        .map(str::to_owned)
        .context("kubectl answers an object without a name")
}

fn list<'a>(item: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let found = item.pointer(pointer).and_then(Value::as_array);
    found.into_iter().flatten()
}

fn text<'a>(item: &'a Value, pointer: &str) -> Option<&'a str> {
    item.pointer(pointer).and_then(Value::as_str)
}
