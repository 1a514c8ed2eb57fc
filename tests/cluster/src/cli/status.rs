//! Which clusters there are.
//!
//! In: the folders of clusters, and the clusters themselves. Out: a table, or JSON.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::kind::state::{Folder, RunsIn, names};

/// One cluster, as it is said.
struct Line {
    name: String,
    state: &'static str,
    kubernetes: String,
    runs_in: &'static str,
    /// Nodes that are ready, and all.
    nodes: Option<(usize, usize)>,
    kubeconfig: String,
}

/// What there is, as JSON or as a table.
pub fn status(as_json: bool) -> Result<String> {
    let mut lines = Vec::new();
    for name in names()? {
        lines.extend(line(&name)?);
    }
    if as_json {
        let lines: Vec<_> = lines.iter().map(Line::json).collect();
        return Ok(serde_json::to_string_pretty(&lines)?);
    }
    let mut table = format!(
        "{:<20} {:<12} {:<10} {:<16} {:<6} KUBECONFIG",
        "NAME", "STATE", "KUBERNETES", "ENGINE", "READY"
    );
    for line in &lines {
        let nodes = line.nodes.map(|(ready, all)| format!("{ready}/{all}"));
        table.push_str(&format!(
            "\n{:<20} {:<12} {:<10} {:<16} {:<6} {}",
            line.name,
            line.state,
            line.kubernetes,
            line.runs_in,
            nodes.as_deref().unwrap_or("-"),
            line.kubeconfig
        ));
    }
    Ok(table)
}

fn line(name: &str) -> Result<Option<Line>> {
    let folder = Folder::of(name)?;
    let Some(state) = folder.state()? else {
        return Ok(None);
    };
    let nodes = Cluster::open(name).ok().and_then(|cluster| nodes(&cluster));
    Ok(Some(Line {
        name: name.to_owned(),
        state: match (state.ready, nodes) {
            (false, _) => "unfinished",
            (true, None) => "not answering",
            (true, Some(_)) => "up",
        },
        kubernetes: state.kubernetes,
        runs_in: match state.runs_in {
            RunsIn::MachineEngine => "of this machine",
            RunsIn::PrivateEngine => "its own",
        },
        nodes,
        kubeconfig: folder.kubeconfig().display().to_string(),
    }))
}

fn nodes(cluster: &Cluster) -> Option<(usize, usize)> {
    let nodes = cluster.kubectl().get(&["nodes"]).ok()?;
    let nodes = nodes.get("items")?.as_array()?;
    let ready = nodes.iter().filter(|node| is_ready(node)).count();
    Some((ready, nodes.len()))
}

fn is_ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| {
        condition.get("type").is_some_and(|kind| kind == "Ready")
            && condition
                .get("status")
                .is_some_and(|status| status == "True")
    })
}

impl Line {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state,
            "kubernetes": self.kubernetes,
            "engine": self.runs_in,
            "readyNodes": self.nodes.map(|(ready, _)| ready),
            "nodes": self.nodes.map(|(_, all)| all),
            "kubeconfig": self.kubeconfig,
        })
    }
}
