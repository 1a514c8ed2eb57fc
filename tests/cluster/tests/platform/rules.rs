//! What the API server enforces and writes down: Pod Security, and the audit log.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::bench::Bench;

#[test]
fn a_restricted_namespace_takes_restricted_pods_alone() -> Result<()> {
    let Some(mut bench) = Bench::new("restricted")? else {
        return Ok(());
    };
    let namespace = format!("{}-restricted", bench.namespace);
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    bench.create_namespace(&namespace, &labels)?;

    let mut pod = bench.idle_pod(&namespace, "pod");
    let refused = bench
        .apply(&pod)
        .err()
        .map(|refused| format!("{refused:#}"));
    let refused = refused.context("a pod without any restriction is taken")?;
    ensure!(
        refused.contains("violates PodSecurity \"restricted"),
        "{refused}"
    );

    pod["spec"]["securityContext"] = json!({
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    pod["spec"]["containers"][0]["securityContext"] = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
    });
    bench.apply(&pod)?;
    bench.ready(&namespace, "pod").map(drop)
}

#[test]
fn requests_are_in_the_audit_log() -> Result<()> {
    let Some(bench) = Bench::new("audit_log")? else {
        return Ok(());
    };
    let namespace = bench.namespace.as_str();
    bench.apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "noticed", "namespace": namespace},
    }))?;
    let path = bench.cluster.audit_log().context("no audit log")?;
    let entry = bench.until("the audit log's entry", || {
        let log = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let log = String::from_utf8_lossy(&log);
        // The last line may be half written.
        let mut entries = log.lines().flat_map(serde_json::from_str::<Value>);
        Ok(entries.find(|entry| {
            entry["objectRef"]["namespace"] == namespace
                && entry["objectRef"]["resource"] == "configmaps"
                && entry["objectRef"]["name"] == "noticed"
        }))
    })?;
    ensure!(
        entry["verb"] == "patch" && entry["user"]["username"] == "kubernetes-admin",
        "{entry}"
    );
    ensure!(entry["responseStatus"]["code"] == 201, "{entry}");
    Ok(())
}
