//! On a cluster: from a resource to a bus that has proven itself, against a StatefulSet of the same image,
//! pods and volumes to its readiness. Each begins with nothing, and what it made is gone before the next.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use svom_cluster::scene::{On, Scene};
use svom_cluster::wait::LIMIT;

use crate::paired::{Rounds, paired};
use crate::row::{Bench, Row};

/// From nothing to Ready, on a cluster.
pub const BENCH: Bench = Bench {
    name: "cluster",
    rounds: 5,
    run: measure,
};

/// The bus that is measured.
pub const BUS: &str = "fsc";
const BARE: &str = "bare";
const RATIO: f64 = 1.3;

fn measure(rounds: Rounds) -> Result<Vec<Row>> {
    let scene = match Scene::prepare("bench", On::Any)? {
        Ok(scene) => scene,
        Err(skipped) => {
            eprintln!("skipped: cluster: {}", skipped.why);
            return Ok(Vec::new());
        }
    };
    apply(&scene)?;
    let set = scene.get(&["statefulset", BUS])?;
    let bare = bare(&set).context("the StatefulSet of the bus is not as it was known here")?;
    take_away(&scene, &["svm", BUS], BUS)?;
    let paired = paired(rounds, || to_ready(&scene), || to_bare(&scene, &bare))?;
    let name = "a resource applied to Ready, against a StatefulSet applied to ready";
    Ok(vec![Row::new(name, "s", paired).with_ratio_at_most(RATIO)])
}

/// Applies the resource, and waits for Ready.
///
/// # Errors
/// When the bus does not become ready.
pub fn apply(scene: &Scene) -> Result<()> {
    let spec = json!({
        "storage": {"size": "5Gi", "onDelete": "Delete"},
        "users": [
            {"name": "vhf-listener", "publish": ["data.vhf"]},
            {"name": "alert-desk", "subscribe": ["data.vhf", "science.*"]},
        ],
    });
    scene.apply(BUS, &spec)?;
    scene.ready(BUS)
}

/// Seconds.
fn to_ready(scene: &Scene) -> Result<f64> {
    let began = Instant::now();
    apply(scene)?;
    let took = began.elapsed();
    take_away(scene, &["svm", BUS], BUS)?;
    Ok(took.as_secs_f64())
}

/// Seconds.
fn to_bare(scene: &Scene, set: &Value) -> Result<f64> {
    let began = Instant::now();
    scene.kubectl().apply(&set.to_string())?;
    let name = format!("statefulset/{BARE}");
    scene.kubectl().rolled_out(&scene.namespace, &name, LIMIT)?;
    let took = began.elapsed();
    take_away(scene, &["statefulset", BARE], BARE)?;
    Ok(took.as_secs_f64())
}

/// Deletes an object, and waits until nothing is left of what it made, volumes included.
fn take_away(scene: &Scene, object: &[&str], instance: &str) -> Result<()> {
    scene.run(&[&["delete", "--wait"], object].concat())?;
    let made = format!("--selector=app.kubernetes.io/instance={instance}");
    if instance == BARE {
        scene.run(&["delete", "persistentvolumeclaims", &made])?;
    }
    scene.wait_for_none(&["statefulsets,pods,persistentvolumeclaims,secrets", &made])
}

/// The same StatefulSet under another name, whose servers read no configuration and know nothing of one
/// another. Nothing where it lacks one of its parts.
fn bare(set: &Value) -> Option<Value> {
    let set = set
        .to_string()
        .replace(&format!("\"{BUS}\""), &format!("\"{BARE}\""));
    let set: Value = serde_json::from_str(&set).ok()?;
    let mut spec = set.get("spec")?.clone();
    // `kubectl rollout status` knows no other.
    *spec.get_mut("updateStrategy")? = json!({"type": "RollingUpdate"});
    let pod = spec.pointer_mut("/template/spec")?.as_object_mut()?;
    pod.remove("volumes");
    let server = pod.get_mut("containers")?.get_mut(0)?.as_object_mut()?;
    let data = server.get_mut("volumeMounts")?.as_array_mut()?;
    data.retain(|mount| mount.get("name").is_some_and(|name| name == "data"));
    let words = ["--jetstream", "--store_dir=/data", "--http_port=8222"];
    server.insert("args".to_owned(), json!(words));
    let metadata = set.get("metadata")?;
    Some(json!({
        "apiVersion": set.get("apiVersion")?,
        "kind": set.get("kind")?,
        "metadata": {
            "name": BARE,
            "namespace": metadata.get("namespace")?,
            "labels": metadata.get("labels")?,
        },
        "spec": spec,
    }))
}
