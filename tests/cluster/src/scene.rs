//! A namespace with an operator in it, installed by the manifests as they are but for the images.
//!
//! In: a cluster. Out: resources applied and waited for, clients in pods, and what
//! there is in the namespace. One that is made for a test goes with it; one that lasts is there for the
//! next run on the cluster.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::cache::Cache;
use crate::cluster::Cluster;
use crate::command;
use crate::engine::choice::Skipped;
use crate::images::{self, Built, Image};
use crate::kubectl::Kubectl;
use crate::progress::Progress;
use crate::wait::{LIMIT, eventually};

mod clients;
mod told;

const OPERATOR: &str = "deployment/svom-messaging";

/// How many scenes this run has seen: each has a namespace, and with it an account, of its own.
static SCENES: AtomicU32 = AtomicU32::new(0);

static IMAGES: OnceLock<Result<Images, String>> = OnceLock::new();

/// Where the nodes of a cluster that was made elsewhere find the images: what stands before their names.
const IMAGES_VARIABLE: &str = "SVOM_TEST_IMAGES";

/// On which clusters something can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// On every one whose nodes know the images.
    Any,
    /// On one that was made here: it takes its nodes' engine, its audit log, or what all of its users share.
    MadeHere,
}

/// Images as pods name them.
#[derive(Clone, Debug)]
pub struct Images {
    /// The servers'.
    pub nats_server: String,
    operator: String,
    client: String,
}

/// A namespace with an operator in it.
#[derive(Debug)]
pub struct Scene {
    /// The cluster.
    pub cluster: Cluster,
    /// The namespace.
    pub namespace: String,
    /// The images that the cluster's nodes know.
    pub images: Images,
    lasts: bool,
}

impl Scene {
    /// One for a test of this suite, which goes when it is dropped; or why there can be none.
    ///
    /// # Errors
    /// When the cluster, an image or the operator cannot be had although it should be possible.
    pub fn prepare(suite: &str, on: On) -> Result<Result<Self, Skipped>> {
        let number = SCENES.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{suite}-{}-{number}", std::process::id());
        Self::make(suite, on, namespace, false)
    }

    /// The one of these suites, which stays for their next run on the cluster; or why there can be none.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn lasting(suites: &str) -> Result<Result<Self, Skipped>> {
        Self::make(suites, On::MadeHere, suites.to_owned(), true)
    }

    fn make(suite: &str, on: On, namespace: String, lasts: bool) -> Result<Result<Self, Skipped>> {
        let cluster = match Cluster::for_tests(suite)? {
            Ok(cluster) => cluster,
            Err(skipped) => return Ok(Err(skipped)),
        };
        if let Some(why) = impossible(&cluster, on) {
            return Ok(Err(Skipped { why }));
        }
        let images = IMAGES.get_or_init(|| loaded(&cluster).map_err(|error| format!("{error:#}")));
        let images = images.clone().map_err(|error| anyhow!("{error}"))?;
        let scene = Self {
            cluster,
            namespace,
            images,
            lasts,
        };
        scene.install()?;
        Ok(Ok(scene))
    }

    /// kubectl for the cluster.
    pub fn kubectl(&self) -> &Kubectl {
        self.cluster.kubectl()
    }

    /// Installs the operator as the manifests say.
    ///
    /// # Errors
    /// When the cluster refuses them, or the operator does not become ready.
    pub fn install(&self) -> Result<()> {
        let manifests = self.moved(&manifest("install.yaml")?);
        self.kubectl().apply(&manifests)?;
        self.kubectl().rolled_out(&self.namespace, OPERATOR, LIMIT)
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
    ///
    /// # Errors
    /// When they do not.
    pub fn operators(&self, count: u8) -> Result<()> {
        let replicas = format!("--replicas={count}");
        self.run(&["scale", OPERATOR, &replicas])?;
        if count == 0 {
            let pods = ["pods", "--selector=app.kubernetes.io/name=svom-messaging"];
            return self.wait_for_none(&pods);
        }
        self.kubectl().rolled_out(&self.namespace, OPERATOR, LIMIT)
    }

    /// kubectl in this namespace.
    ///
    /// # Errors
    /// When it ends badly; with what it said.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let namespace = self.option();
        self.kubectl()
            .run(words.iter().copied().chain([namespace.as_str()]))
    }

    /// As kubectl is told of the namespace.
    fn option(&self) -> String {
        format!("--namespace={}", self.namespace)
    }

    /// A resource with this `spec`, whose servers have the image at hand.
    pub fn resource(&self, name: &str, spec: &Value) -> Value {
        let nats_server = &self.images.nats_server;
        let (repository, tag) = nats_server.rsplit_once(':').unwrap_or((nats_server, ""));
        let mut spec = spec.clone();
        if let Some(fields) = spec.as_object_mut() {
            let image = || json!({"repository": repository, "tag": tag});
            fields.entry("image").or_insert_with(image);
            fields
                .entry("storage")
                .or_insert_with(|| json!({"size": "5Gi"}));
        }
        json!({
            "apiVersion": "messaging.svom.eu/v1alpha1",
            "kind": "SvomMessaging",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        })
    }

    /// Applies a resource with this `spec`.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply(&self, name: &str, spec: &Value) -> Result<()> {
        let resource = self.resource(name, spec);
        self.kubectl().apply(&resource.to_string())
    }

    /// Does this while no pod can be made, so that a server that goes is away for as long: its pod may be
    /// back before anybody looked.
    ///
    /// # Errors
    /// When kubectl refuses, or what is done fails.
    pub fn without_new_pods(&self, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        self.run(&["create", "quota", "none", "--hard=pods=0"])?;
        let done = meanwhile();
        self.run(&["delete", "quota", "none"])?;
        done
    }

    /// The one wait.
    ///
    /// # Errors
    /// When the bus does not become ready.
    pub fn ready(&self, name: &str) -> Result<()> {
        // A wait is satisfied by what was told of the generation before; kstatus is not.
        eventually("the status of this generation", || {
            let found = self.get(&["svm", name])?;
            let observed = found.pointer("/status/observedGeneration");
            let generation = found.pointer("/metadata/generation");
            ensure!(observed == generation, "{observed:?}");
            Ok(())
        })?;
        let words = [self.option(), format!("svm/{name}")];
        let words = words.each_ref().map(String::as_str);
        self.kubectl().wait(&words, "condition=Ready", LIMIT)?;
        // What is ready is written down: else the next change might take the bus for one that never formed.
        let noted = self.get(&["secret", &format!("{name}-in-force")])?;
        let noted = noted.pointer("/data/in-force.json");
        ensure!(noted.is_some_and(Value::is_string), "{noted:?}");
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.lasts {
            return;
        }
        let timeout = format!("--timeout={}s", LIMIT.as_secs());
        let delete = [
            "delete",
            "namespace",
            &self.namespace,
            "--ignore-not-found",
            &timeout,
        ];
        if let Err(problem) = command::output(&mut self.kubectl().command(delete), LIMIT) {
            crate::notes::print(format!("{problem:#}"));
        }
    }
}

/// One of the manifests, as it is written.
///
/// # Errors
/// When it cannot be read.
pub fn manifest(path: &str) -> Result<String> {
    let path = manifests().join(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests")
}

/// Why this cannot be tried on a cluster; nothing where it can.
fn impossible(cluster: &Cluster, on: On) -> Option<String> {
    if cluster.engine().is_some() {
        return None;
    }
    match on {
        On::MadeHere => Some(
            "it takes more than kubectl, and is tried only on a cluster that was made here"
                .to_owned(),
        ),
        On::Any if elsewhere().is_none() => Some(format!(
            "the images are made here: make them known to the cluster's nodes, and say in \
             {IMAGES_VARIABLE} where those find them"
        )),
        On::Any => None,
    }
}

fn elsewhere() -> Option<String> {
    let given = env::var(IMAGES_VARIABLE).ok()?;
    (!given.is_empty()).then_some(given)
}

fn loaded(cluster: &Cluster) -> Result<Images> {
    let progress = Progress::shown();
    let cache = Cache::open()?;
    let [nats_server, operator, client] = [Image::NatsServer, Image::Operator, Image::Client]
        .map(|image| images::build(image, &cache, &progress));
    let (nats_server, operator, client) = (nats_server?, operator?, client?);
    if cluster.engine().is_some() {
        let mut archives = vec![nats_server.archive.clone()];
        // The tags of the others say what is in them, so that one of the name is this one.
        for image in [&operator, &client] {
            if !cluster.knows(&image.reference)? {
                archives.push(image.archive.clone());
            }
        }
        cluster.load(&archives, &progress)?;
    }
    let place = elsewhere().filter(|_| cluster.engine().is_none());
    let named = |image: Built| match &place {
        Some(place) => image.below(place),
        None => image.reference,
    };
    Ok(Images {
        nats_server: named(nats_server),
        operator: named(operator),
        client: named(client),
    })
}
