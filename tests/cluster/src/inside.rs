//! A program of the machine that sees the network as the pods of a node do, and finds what they find by
//! their names.
//!
//! In: a cluster that was made here, one of its nodes, a program. Out: the command that runs it there. It
//! has a mount of its own, for the name service, which goes with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cluster::Cluster;

/// With what pods are told to ask the name service, and a program.
const BEGIN: &str = r#"mount --bind "$1" /etc/resolv.conf && shift && exec "$@""#;

/// The command of a program in the network of this node; its arguments and environment are still to be
/// given. The API server is there as `https://kubernetes.default.svc`.
///
/// # Errors
/// When the cluster was made elsewhere, the node is not there, or there is no name service.
pub fn command(cluster: &Cluster, node: &str, program: &Path) -> Result<Command> {
    let within = "the cluster was made elsewhere: a program cannot be run in its network";
    let engine = cluster.engine().context(within)?;
    let folder = cluster.folder().context(within)?;
    let names = folder.path().join("resolv.conf");
    let text = resolver(cluster)?;
    fs::write(&names, text).with_context(|| format!("cannot write {}", names.display()))?;
    let first = engine.run(["inspect", "--format={{.State.Pid}}", node])?;
    let mut command = engine.among_its_processes("nsenter");
    command
        .args(["--net", "--target", first.trim(), "--"])
        .args(["unshare", "--mount", "--", "sh", "-c", BEGIN, "inside"])
        .arg(names)
        .arg(program);
    Ok(command)
}

/// What pods are told of the name service.
fn resolver(cluster: &Cluster) -> Result<String> {
    let service = ["--namespace=kube-system", "service", "kube-dns"];
    let service = cluster.kubectl().get(&service)?;
    let address = service.pointer("/spec/clusterIP").and_then(Value::as_str);
    let address = address.context("the name service has no address")?;
    Ok(format!(
        "nameserver {address}\nsearch svc.cluster.local cluster.local\noptions ndots:5\n"
    ))
}
