//! What these tests share: one cluster, the image of their pods, and a namespace for each test.

use std::process::Output;
use std::sync::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use svom_cluster::cache::Cache;
use svom_cluster::cluster::Cluster;
use svom_cluster::images::{self, Image};
use svom_cluster::kubectl::Kubectl;
use svom_cluster::notes::skip;
use svom_cluster::progress::Progress;

/// For whatever a cluster on a busy machine does.
pub const LIMIT: Duration = Duration::from_secs(180);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A test that takes a node away has the cluster for itself.
static NODES: RwLock<()> = RwLock::new(());

enum Held {
    WithOthers {
        _nodes: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _nodes: RwLockWriteGuard<'static, ()>,
    },
}

/// One test's part of the cluster. Its namespaces go when it is dropped.
pub struct Bench {
    pub cluster: Cluster,
    pub namespace: String,
    image: String,
    namespaces: Vec<String>,
    _held: Held,
}

impl Bench {
    /// For a test that lets every node be. Nothing where there is no cluster to test; then it has been
    /// said why.
    pub fn new(test: &str) -> Result<Option<Self>> {
        let held = Held::WithOthers {
            _nodes: NODES
                .read()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        };
        Self::prepare(test, held)
    }

    /// For a test that takes a node away.
    pub fn alone(test: &str) -> Result<Option<Self>> {
        let held = Held::Alone {
            _nodes: NODES
                .write()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        };
        Self::prepare(test, held)
    }

    fn prepare(test: &str, held: Held) -> Result<Option<Self>> {
        let cluster = match Cluster::for_tests("platform")? {
            Ok(cluster) if cluster.name().is_some() => cluster,
            Ok(cluster) => {
                skip(
                    test,
                    format!("{cluster} was made elsewhere and has its own platform"),
                )?;
                return Ok(None);
            }
            Err(skipped) => {
                skip(test, skipped.why)?;
                return Ok(None);
            }
        };
        let image = loaded_image(&cluster)?;
        let namespace = format!("{}-{}", test.replace('_', "-"), std::process::id());
        let mut bench = Self {
            cluster,
            namespace: namespace.clone(),
            image,
            namespaces: Vec::new(),
            _held: held,
        };
        bench.create_namespace(&namespace, &json!({}))?;
        Ok(Some(bench))
    }

    /// A further namespace, with labels.
    pub fn create_namespace(&mut self, name: &str, labels: &Value) -> Result<()> {
        self.namespaces.push(name.to_owned());
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }))
    }

    pub fn kubectl(&self) -> &Kubectl {
        self.cluster.kubectl()
    }

    pub fn apply(&self, object: &Value) -> Result<()> {
        self.kubectl().apply(&object.to_string())
    }

    /// A pod that does what the shell's words say.
    pub fn pod(&self, namespace: &str, name: &str, script: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "main",
                    "image": self.image,
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-c", script],
                }],
            },
        })
    }

    /// A pod that does nothing, to run words in.
    pub fn idle_pod(&self, namespace: &str, name: &str) -> Value {
        self.pod(namespace, name, "exec sleep infinity")
    }

    /// A pod that answers at the ports `first`, 8080, and `second`, 9090, and that the kubelet probes
    /// at the first.
    pub fn server_pod(&self, namespace: &str, name: &str) -> Value {
        let script = "cd /tmp; python3 -m http.server 8080 & exec python3 -m http.server 9090";
        let mut pod = self.pod(namespace, name, script);
        let container = &mut pod["spec"]["containers"][0];
        container["ports"] = json!([
            {"name": "first", "containerPort": 8080},
            {"name": "second", "containerPort": 9090},
        ]);
        container["readinessProbe"] = json!({"httpGet": {"port": "first"}, "periodSeconds": 1});
        pod
    }

    /// Waits until a pod is ready; the pod as it is then.
    pub fn ready(&self, namespace: &str, name: &str) -> Result<Value> {
        let words = ["--namespace", namespace, "pod", name];
        self.kubectl()
            .wait(
                &["--namespace", namespace, "pod", name],
                "condition=Ready",
                LIMIT,
            )
            .with_context(|| self.told(namespace, name))?;
        self.kubectl().get(&words)
    }

    /// What a pod's status and events say.
    fn told(&self, namespace: &str, name: &str) -> String {
        let words = ["describe", "--namespace", namespace, "pod", name];
        self.kubectl().run(words).unwrap_or_default()
    }

    pub fn delete(&self, namespace: &str, kind: &str, name: &str) -> Result<()> {
        let words = [
            "delete",
            "--namespace",
            namespace,
            "--timeout=120s",
            kind,
            name,
        ];
        let mut delete = self.kubectl().command(words);
        svom_cluster::command::output(&mut delete, LIMIT).map(drop)
    }

    /// How the shell's words end in a pod.
    pub fn outcome(&self, namespace: &str, pod: &str, script: &str) -> Result<Output> {
        let program = ["sh", "-c", script];
        self.kubectl()
            .exec_outcome(namespace, pod, "main", &program, LIMIT)
    }

    /// What the shell's words print in a pod, where they end well.
    pub fn sh(&self, namespace: &str, pod: &str, script: &str) -> Result<String> {
        let output = self.outcome(namespace, pod, script)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{pod}: {script}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Waits until `look` finds something.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            ensure!(
                Instant::now() < deadline,
                "after {} s still waiting for {what}",
                LIMIT.as_secs()
            );
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let mut delete = self.kubectl().command([
                "delete",
                "namespace",
                "--ignore-not-found",
                "--timeout=120s",
                namespace,
            ]);
            if let Err(problem) = svom_cluster::command::output(&mut delete, LIMIT) {
                eprintln!("namespace {namespace} is left: {problem:#}");
            }
        }
    }
}

/// The pod, on this node and no other.
pub fn on_node(mut pod: Value, node: &str) -> Value {
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": node});
    pod
}

/// A text of an object, by JSON pointer.
pub fn text(object: &Value, pointer: &str) -> Result<String> {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("no {pointer} in {object}"))
}

fn loaded_image(cluster: &Cluster) -> Result<String> {
    static LOADED: OnceLock<Result<String, String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let progress = Progress::shown();
        let load = || -> Result<String> {
            let built = images::build(Image::Client, &Cache::open()?, &progress)?;
            cluster.load(&[built.archive], &progress)?;
            Ok(built.reference)
        };
        load().map_err(|problem| format!("{problem:#}"))
    });
    loaded.clone().map_err(anyhow::Error::msg)
}
