//! Volumes: a size that is a limit and grows, data that stays where it should, and nothing left.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use svom_cluster::notes::figure;

use crate::bench::{Bench, on_node, text};

const MEBIBYTE: u64 = 1 << 20;

#[test]
fn a_volume_is_full_at_its_size_and_grows_in_place() -> Result<()> {
    let Some(bench) = Bench::new("volume_grows")? else {
        return Ok(());
    };
    let namespace = bench.namespace.as_str();
    bench.apply(&claim(namespace, "data", "local", 64))?;
    bench.apply(&with_volume(bench.idle_pod(namespace, "writer"), "data"))?;
    let began = restarts(&bench.ready(namespace, "writer")?)?;

    let full = bench.outcome(namespace, "writer", "head -c 96M /dev/zero > /data/more")?;
    let said = String::from_utf8_lossy(&full.stderr).into_owned();
    ensure!(
        !full.status.success() && said.contains("No space left on device"),
        "96 MiB in a volume of 64 MiB: {said}"
    );
    let size = bench.sh(namespace, "writer", "stat -c %s /data/more; rm /data/more")?;
    let held = size.parse::<u64>().context("no size")? / MEBIBYTE;
    ensure!(held < 64, "a volume of 64 MiB holds {held} MiB");
    figure("volume of 64 MiB holds", format!("{held} MiB"))?;

    let asked = Instant::now();
    bench.apply(&claim(namespace, "data", "local", 128))?;
    bench.until("the volume to grow", || {
        let blocks = bench.sh(namespace, "writer", "stat -f -c '%b %S' /data")?;
        let numbers: Vec<u64> = blocks.split(' ').flat_map(str::parse).collect();
        let size: u64 = numbers.iter().product();
        Ok((size > 100 * MEBIBYTE).then_some(()))
    })?;
    let grown = asked.elapsed().as_secs_f64();
    figure("volume grows from 64 to 128 MiB", format!("{grown:.1} s"))?;
    bench.sh(namespace, "writer", "head -c 96M /dev/zero > /data/more")?;
    bench.until("the claim to say so", || {
        let claim = bench
            .kubectl()
            .get(&["--namespace", namespace, "pvc", "data"])?;
        Ok((text(&claim, "/status/capacity/storage")? == "128Mi").then_some(()))
    })?;
    let pod = bench.ready(namespace, "writer")?;
    ensure!(restarts(&pod)? == began, "the pod was restarted");
    Ok(())
}

#[test]
fn a_local_volume_outlives_a_crash_of_its_node() -> Result<()> {
    let Some(bench) = Bench::alone("local_volume")? else {
        return Ok(());
    };
    let namespace = bench.namespace.as_str();
    bench.apply(&claim(namespace, "data", "local", 32))?;
    bench.apply(&with_volume(bench.idle_pod(namespace, "writer"), "data"))?;
    let node = text(&bench.ready(namespace, "writer")?, "/spec/nodeName")?;
    bench.sh(
        namespace,
        "writer",
        "echo kept > /data/file; sync /data/file",
    )?;
    let before = boot(&bench, &node)?;

    let engine = bench.cluster.engine().context("no engine")?;
    engine.run(["kill", &node])?;
    engine.run(["start", &node])?;
    bench.until("the node to be back", || {
        let object = bench.kubectl().get(&["node", &node])?;
        let ready = condition(&object, "Ready").is_some_and(|status| status == "True");
        Ok((ready && boot(&bench, &node)? != before).then_some(()))
    })?;
    bench.until("the pod to be back with its data", || {
        let read = bench.sh(namespace, "writer", "cat /data/file");
        Ok(read.ok().filter(|text| text == "kept").map(drop))
    })?;
    let pod = bench.ready(namespace, "writer")?;
    ensure!(text(&pod, "/spec/nodeName")? == node, "the pod has moved");
    Ok(())
}

#[test]
fn a_shared_volume_follows_its_pod_and_is_one_nodes_at_a_time() -> Result<()> {
    let Some(bench) = Bench::new("shared_volume")? else {
        return Ok(());
    };
    let namespace = bench.namespace.as_str();
    let workers = bench.cluster.workers()?;
    let [here, there, ..] = workers.as_slice() else {
        anyhow::bail!("two workers are needed, there are {workers:?}");
    };
    bench.apply(&claim(namespace, "data", "shared", 32))?;
    bench.apply(&on_node(
        with_volume(bench.idle_pod(namespace, "first"), "data"),
        here,
    ))?;
    bench.ready(namespace, "first")?;
    bench.sh(namespace, "first", "echo kept > /data/file")?;

    bench.apply(&on_node(
        with_volume(bench.idle_pod(namespace, "second"), "data"),
        there,
    ))?;
    bench.until(
        "the second pod to be told that the volume is in use",
        || {
            let selector = "--field-selector=involvedObject.name=second,reason=FailedMount";
            let words = ["--namespace", namespace, "events", selector];
            let events = bench.kubectl().find(&words)?.unwrap_or_default();
            let told = events.to_string().contains("is mounted on another node");
            Ok(told.then_some(()))
        },
    )?;
    let waiting = bench
        .kubectl()
        .get(&["--namespace", namespace, "pod", "second"])?;
    ensure!(
        text(&waiting, "/status/phase")? == "Pending",
        "both pods have the volume"
    );

    bench.delete(namespace, "pod", "first")?;
    bench.ready(namespace, "second")?;
    let kept = bench.sh(namespace, "second", "cat /data/file")?;
    ensure!(kept == "kept", "the file holds {kept:?}");
    Ok(())
}

#[test]
fn a_deleted_volume_leaves_neither_file_nor_device() -> Result<()> {
    let Some(bench) = Bench::new("deleted_volume")? else {
        return Ok(());
    };
    let namespace = bench.namespace.as_str();
    let volumes = bench.cluster.folder().context("no folder")?.volumes();
    let mut names = Vec::new();
    for class in ["local", "shared"] {
        bench.apply(&claim(namespace, class, class, 32))?;
        bench.apply(&with_volume(bench.idle_pod(namespace, class), class))?;
    }
    for class in ["local", "shared"] {
        bench.ready(namespace, class)?;
        let claim = bench
            .kubectl()
            .get(&["--namespace", namespace, "pvc", class])?;
        names.push(text(&claim, "/spec/volumeName")?);
    }
    let device = |name: &str| files("/sys/block", |text| text.contains(name));
    for name in &names {
        ensure!(
            holds(&volumes, name),
            "{} has no file of {name}",
            volumes.display()
        );
        ensure!(device(name), "no device has {name}");
    }
    for class in ["local", "shared"] {
        bench.delete(namespace, "pod", class)?;
        bench.delete(namespace, "pvc", class)?;
    }
    for name in &names {
        bench.until(&format!("{name} to be gone"), || {
            let object = bench.kubectl().find(&["pv", name])?;
            let left = object.is_some() || holds(&volumes, name) || device(name);
            Ok((!left).then_some(()))
        })?;
    }
    Ok(())
}

fn claim(namespace: &str, name: &str, class: &str, mebibytes: u32) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "storageClassName": class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": format!("{mebibytes}Mi")}},
        },
    })
}

/// The pod, with a claim's volume at `/data`, which the pod's group may write.
fn with_volume(mut pod: Value, claim: &str) -> Value {
    pod["spec"]["securityContext"] = json!({"fsGroup": 1000});
    pod["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    pod
}

fn restarts(pod: &Value) -> Result<u64> {
    let count = pod.pointer("/status/containerStatuses/0/restartCount");
    count.and_then(Value::as_u64).context("no restart count")
}

/// When a node's kubelet last began, as its first process tells.
fn boot(bench: &Bench, node: &str) -> Result<String> {
    let engine = bench.cluster.engine().context("no engine")?;
    engine.run(["inspect", "--format={{.State.StartedAt}}", node])
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == kind)?;
    found["status"].as_str()
}

/// Whether a folder or one of its folders has a file with this in its name.
fn holds(folder: &Path, part: &str) -> bool {
    let children = fs::read_dir(folder).into_iter().flatten().flatten();
    children.into_iter().any(|child| {
        child.file_name().to_string_lossy().contains(part) || holds(&child.path(), part)
    })
}

/// Whether the file behind a loop device is one of these.
fn files(blocks: &str, is_it: impl Fn(&str) -> bool) -> bool {
    let devices = fs::read_dir(blocks).into_iter().flatten().flatten();
    devices.into_iter().any(|device| {
        let behind = fs::read_to_string(device.path().join("loop/backing_file"));
        behind.is_ok_and(|file| is_it(&file))
    })
}
