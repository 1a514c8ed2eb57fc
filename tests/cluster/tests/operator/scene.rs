//! A namespace with an operator in it, and what its tests look at.
//!
//! In: a cluster. Out: resources applied, conditions waited for, programs run in pods. The namespace goes
//! away with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use svom_cluster::cache::Cache;
use svom_cluster::cluster::Cluster;
use svom_cluster::images::{self, Image};
use svom_cluster::kubectl::Kubectl;
use svom_cluster::notes::skip;
use svom_cluster::progress::Progress;
use svom_cluster::slots::Slot;
pub use svom_cluster::wait::{LIMIT, eventually};

mod clients;

/// How many scenes this run has seen: each has a namespace, and with it an account, of its own.
static SCENES: AtomicU32 = AtomicU32::new(0);

static IMAGES: OnceLock<Result<Images, String>> = OnceLock::new();

/// Images as pods name them.
#[derive(Clone, Debug)]
pub struct Images {
    pub nats_server: String,
    operator: String,
    client: String,
}

/// One test's namespace.
pub struct Scene {
    pub cluster: Cluster,
    pub namespace: String,
    pub images: Images,
    _slot: Slot,
}

impl Scene {
    /// Nothing where there is no cluster to test; then it has been said why.
    pub fn prepare(test: &str, slot: Slot) -> Result<Option<Self>> {
        let cluster = match Cluster::for_tests("operator")? {
            Ok(cluster) => cluster,
            Err(skipped) => return skip(&format!("operator::{test}"), skipped.why).map(|()| None),
        };
        if cluster.engine().is_none() {
            let why = "the images are loaded only into a cluster that was made here";
            return skip(&format!("operator::{test}"), why).map(|()| None);
        }
        let images = IMAGES.get_or_init(|| loaded(&cluster).map_err(|error| format!("{error:#}")));
        let images = images.clone().map_err(|error| anyhow!("{error}"))?;
        let scene = Self {
            namespace: format!(
                "operator-{}-{}",
                std::process::id(),
                SCENES.fetch_add(1, Ordering::Relaxed)
            ),
            cluster,
            images,
            _slot: slot,
        };
        scene.install()?;
        Ok(Some(scene))
    }

    pub fn kubectl(&self) -> &Kubectl {
        self.cluster.kubectl()
    }

    /// Installs the operator as the manifests say.
    pub fn install(&self) -> Result<()> {
        let manifests = self.moved(&manifest("install.yaml")?);
        self.kubectl().apply(&manifests)?;
        let operator = "deployment/svom-messaging";
        self.kubectl().rolled_out(&self.namespace, operator, LIMIT)
    }

    /// Manifests of the repository in this namespace, with the images at hand.
    pub fn moved(&self, manifests: &str) -> String {
        let namespace = &self.namespace;
        manifests
            .replace("namespace: svom\n", &format!("namespace: {namespace}\n"))
            .replace("  name: svom\n", &format!("  name: {namespace}\n"))
            .lines()
            .map(|line| match line.trim_start() {
                words if words.starts_with("image: natsio/nats-box") => {
                    line.replace("natsio/nats-box", &self.images.client)
                }
                words if words.starts_with("image: ") => {
                    let indent = line.len() - words.len();
                    format!("{}image: {}", " ".repeat(indent), self.images.operator)
                }
                _ => line.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Tells how many operators are to run, and waits until they do.
    pub fn operators(&self, count: u8) -> Result<()> {
        let replicas = format!("--replicas={count}");
        let deployment = "deployment/svom-messaging";
        self.run(&["scale", deployment, &replicas])?;
        if count == 0 {
            let pods = ["pods", "--selector=app.kubernetes.io/name=svom-messaging"];
            return self.wait_for_none(&pods);
        }
        self.kubectl()
            .rolled_out(&self.namespace, deployment, LIMIT)
    }

    /// kubectl in this namespace.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let namespace = format!("--namespace={}", self.namespace);
        self.kubectl()
            .run(words.iter().copied().chain([namespace.as_str()]))
    }

    /// An object of this namespace; `None` where there is none.
    pub fn find(&self, words: &[&str]) -> Result<Option<Value>> {
        let namespace = format!("--namespace={}", self.namespace);
        let words: Vec<&str> = [namespace.as_str()].iter().chain(words).copied().collect();
        self.kubectl().find(&words)
    }

    pub fn get(&self, words: &[&str]) -> Result<Value> {
        let found = self.find(words)?;
        found.with_context(|| format!("there is no {}", words.join(" ")))
    }

    /// A resource with this `spec`, whose servers have the image at hand.
    pub fn resource(&self, name: &str, spec: &Value) -> Value {
        let (repository, tag) = self
            .images
            .nats_server
            .rsplit_once(':')
            .unwrap_or((&self.images.nats_server, ""));
        let mut spec = spec.clone();
        if spec.get("image").is_none() {
            spec["image"] = json!({"repository": repository, "tag": tag});
        }
        if spec.get("storage").is_none() {
            spec["storage"] = json!({"size": "5Gi"});
        }
        json!({
            "apiVersion": "messaging.svom.eu/v1alpha1",
            "kind": "SvomMessaging",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        })
    }

    /// Applies a resource with this `spec`.
    pub fn apply(&self, name: &str, spec: &Value) -> Result<()> {
        let resource = self.resource(name, spec);
        self.kubectl().apply(&resource.to_string())
    }

    /// The one wait.
    pub fn ready(&self, name: &str) -> Result<()> {
        let resource = format!("svm/{name}");
        let namespace = format!("--namespace={}", self.namespace);
        // A wait is satisfied by what was told of the generation before; kstatus is not.
        eventually("the status of this generation", || {
            let found = self.get(&["svm", name])?;
            let observed = &found["status"]["observedGeneration"];
            ensure!(observed == &found["metadata"]["generation"], "{observed}");
            Ok(())
        })?;
        self.kubectl()
            .wait(&[&namespace, &resource], "condition=Ready", LIMIT)?;
        // What is ready is written down: else the next change might take the bus for one that never formed.
        let noted = self.get(&["secret", &format!("{name}-in-force")])?;
        ensure!(noted["data"]["in-force.json"].is_string(), "{noted}");
        Ok(())
    }

    /// One condition of a resource: its status, reason and message.
    pub fn condition(&self, name: &str, kind: &str) -> Result<(String, String, String)> {
        let found = self.get(&["svm", name])?;
        let conditions = found["status"]["conditions"].as_array();
        let condition = conditions
            .into_iter()
            .flatten()
            .find(|one| one["type"] == kind)
            .with_context(|| format!("no condition {kind}: {}", found["status"]))?;
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        Ok((text("status"), text("reason"), text("message")))
    }

    /// Waits until a resource says this of itself in its condition `Ready` or, where it waits for a
    /// person, `Stalled`.
    pub fn says(&self, name: &str, words: &str) -> Result<()> {
        eventually(&format!("{name} to say {words:?}"), || {
            let found = self.get(&["svm", name])?;
            let conditions = found["status"]["conditions"].to_string();
            ensure!(conditions.contains(words), "{conditions}");
            Ok(())
        })
    }

    /// Waits until so many servers of a bus are told to be ready.
    pub fn ready_servers(&self, name: &str, count: i64) -> Result<()> {
        eventually(&format!("{count} servers of {name} to be ready"), || {
            let found = self.get(&["svm", name])?;
            let ready = found["status"]["readyReplicas"].as_i64();
            ensure!(ready == Some(count), "{ready:?}");
            Ok(())
        })
    }

    /// Waits until there is nothing that these words name.
    pub fn wait_for_none(&self, words: &[&str]) -> Result<()> {
        eventually(&format!("no {}", words.join(" ")), || {
            let mut asked = vec!["get", "--output=name", "--ignore-not-found"];
            asked.extend(words);
            let found = self.run(&asked)?;
            ensure!(found.trim().is_empty(), "{found}");
            Ok(())
        })
    }

    /// The names of all Secrets with a digest of what each holds.
    pub fn secrets(&self) -> Result<Vec<(String, String)>> {
        let list = self.get(&["secrets"])?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        Ok(items
            .iter()
            .map(|secret| {
                let name = secret["metadata"]["name"].as_str().unwrap_or_default();
                (name.to_owned(), secret["data"].to_string())
            })
            .collect())
    }

    /// Says how everything is, for whoever reads why a test failed.
    pub fn tell(&self) {
        for words in [
            &["get", "svm,pods,pvc,statefulsets,services", "--output=wide"][..],
            &[
                "get",
                "svm",
                "--output=jsonpath={range .items[*].status.conditions[*]}{.type}={.status} {.reason}: {.message}{'\\n'}{end}",
            ],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &[
                "logs",
                "--selector=app.kubernetes.io/name=svom-messaging",
                "--tail=30",
                "--prefix",
            ],
        ] {
            let said = self.run(words);
            eprintln!("{}", said.unwrap_or_else(|error| format!("{error:#}")));
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let timeout = format!("--timeout={}s", LIMIT.as_secs());
        let delete = [
            "delete",
            "namespace",
            &self.namespace,
            "--ignore-not-found",
            &timeout,
        ];
        let command = &mut self.kubectl().command(delete);
        if let Err(problem) = svom_cluster::command::output(command, LIMIT) {
            eprintln!("{problem:#}");
        }
    }
}

/// One of the manifests, as it is written.
pub fn manifest(path: &str) -> Result<String> {
    let path = manifests().join(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests")
}

fn loaded(cluster: &Cluster) -> Result<Images> {
    let progress = Progress::shown();
    let cache = Cache::open()?;
    let [nats_server, operator, client] = [Image::NatsServer, Image::Operator, Image::Client]
        .map(|image| images::build(image, &cache, &progress));
    let (nats_server, operator, client) = (nats_server?, operator?, client?);
    let archives = [nats_server.archive, operator.archive, client.archive];
    cluster.load(&archives, &progress)?;
    Ok(Images {
        nats_server: nats_server.reference,
        operator: operator.reference,
        client: client.reference,
    })
}
