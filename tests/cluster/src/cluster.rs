//! A cluster that tests run on.
//!
//! In: a name, or a kubeconfig in the environment. Out: its kubectl, its nodes, its container engine
//! where it is within reach, its audit log.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::engine::Engine;
use crate::engine::choice::{Skipped, given_kubeconfig};
use crate::kind;
use crate::kind::state::{Folder, State, clusters};
use crate::kubectl::Kubectl;
use crate::progress::Progress;

/// Names the cluster that the tests run on. One that `KUBECONFIG` names is taken before it; where
/// there is neither, a test program brings one up for itself.
pub const CLUSTER_VARIABLE: &str = "SVOM_TEST_CLUSTER";

/// A cluster that is up.
#[derive(Clone, Debug)]
pub struct Cluster {
    kubectl: Kubectl,
    kubeconfig: PathBuf,
    made: Option<Made>,
}

/// What there is of a cluster beyond its API, where it was made here.
#[derive(Clone, Debug)]
struct Made {
    folder: Folder,
    state: State,
    engine: Engine,
}

impl Cluster {
    /// The cluster that a test runs on: the one that the environment names, or one that is brought up
    /// for this run of `suite` and goes away when the run ends, however it ends.
    ///
    /// # Errors
    /// When it is not there, or cannot be brought up although it should be possible.
    pub fn for_tests(suite: &str) -> Result<Result<Self, Skipped>> {
        if let Some(kubeconfig) = given_kubeconfig(&clusters()?) {
            return Ok(Ok(Self::given(&kubeconfig)?));
        }
        if let Some(name) = env::var_os(CLUSTER_VARIABLE).filter(|name| !name.is_empty()) {
            let name = name.to_string_lossy();
            return Ok(Ok(Self::open(&name)?));
        }
        kind::up_for_this_run(suite)
    }

    /// The cluster of this name, which must be up.
    ///
    /// # Errors
    /// When it is not, or its engine does not run.
    pub fn open(name: &str) -> Result<Self> {
        let folder = Folder::of(name)?;
        let state = folder.state()?;
        let Some(state) = state.filter(|state| state.ready) else {
            bail!("{name} is not up: bring it up with `cargo xtask cluster up --name {name}`");
        };
        let engine = kind::running_engine(&folder, &state)?;
        let engine = engine.with_context(|| {
            format!("the container engine of {name} does not run: bring {name} up again")
        })?;
        Ok(Self::made(folder, state, engine))
    }

    /// The cluster that a kubeconfig names, which was made elsewhere.
    ///
    /// # Errors
    /// When there is no kubectl.
    pub fn given(kubeconfig: &Path) -> Result<Self> {
        let of_machine = Command::new("kubectl")
            .args(["version", "--client"])
            .output();
        let program = if of_machine.is_ok_and(|output| output.status.success()) {
            PathBuf::from("kubectl")
        } else {
            kind::programs(&Progress::shown())?.join("kubectl")
        };
        Ok(Self {
            kubectl: Kubectl::new(program, kubeconfig),
            kubeconfig: kubeconfig.to_owned(),
            made: None,
        })
    }

    pub(crate) fn made(folder: Folder, state: State, engine: Engine) -> Self {
        let kubeconfig = folder.kubeconfig();
        Self {
            kubectl: Kubectl::new(state.programs.join("kubectl"), &kubeconfig)
                .of_cluster(folder.path()),
            kubeconfig,
            made: Some(Made {
                folder,
                state,
                engine,
            }),
        }
    }

    /// kubectl for the cluster.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// The file that names the cluster and who may do what in it: everything.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The cluster's name, where it was made here.
    pub fn name(&self) -> Option<&str> {
        Some(self.made.as_ref()?.folder.name())
    }

    /// The engine that the nodes are containers of, where the cluster was made here.
    pub fn engine(&self) -> Option<&Engine> {
        Some(&self.made.as_ref()?.engine)
    }

    /// What is kept of the cluster on the machine, where it was made here.
    pub fn folder(&self) -> Option<&Folder> {
        Some(&self.made.as_ref()?.folder)
    }

    /// How it was made, where it was made here.
    pub fn state(&self) -> Option<&State> {
        Some(&self.made.as_ref()?.state)
    }

    /// The API server's log of requests, one JSON object a line, where the cluster was made here.
    pub fn audit_log(&self) -> Option<PathBuf> {
        let folder = self.folder()?.audit();
        Some(folder.join(kind::config::AUDIT_LOG))
    }

    /// The names of all nodes, those of the control plane first.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn nodes(&self) -> Result<Vec<String>> {
        let [mut nodes, workers] = [
            "node-role.kubernetes.io/control-plane",
            "!node-role.kubernetes.io/control-plane",
        ]
        .map(|label| self.nodes_with(label));
        if let Ok(nodes) = &mut nodes {
            nodes.extend(workers?);
        }
        nodes
    }

    /// The names of the nodes that are no control plane.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn workers(&self) -> Result<Vec<String>> {
        self.nodes_with("!node-role.kubernetes.io/control-plane")
    }

    fn nodes_with(&self, label: &str) -> Result<Vec<String>> {
        let nodes = self.kubectl.get(&["nodes", "--selector", label])?;
        let items = nodes.get("items").and_then(Value::as_array);
        let name = |node: &Value| Some(node.pointer("/metadata/name")?.as_str()?.to_owned());
        Ok(items.into_iter().flatten().filter_map(name).collect())
    }

    /// Whether every node knows the image of this name. Of a cluster that was made elsewhere it cannot be
    /// said.
    ///
    /// # Errors
    /// When a node cannot be asked.
    pub fn knows(&self, image: &str) -> Result<bool> {
        let Some(made) = &self.made else {
            return Ok(false);
        };
        let named = format!("name=={image}");
        let list = [
            "ctr",
            "--namespace=k8s.io",
            "images",
            "list",
            "--quiet",
            &named,
        ];
        for node in self.nodes()? {
            if made.engine.in_node(&node, &list)?.trim().is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes the images of archives known to every node.
    ///
    /// # Errors
    /// When the cluster was not made here, or a node cannot read one.
    pub fn load(&self, archives: &[PathBuf], progress: &Progress) -> Result<()> {
        let Some(made) = &self.made else {
            bail!(
                "images can be loaded only into a cluster that was made here: have the nodes of \
                 this one pull them"
            );
        };
        kind::load(
            made.folder.name(),
            &made.state,
            &made.engine,
            archives,
            progress,
        )
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "the cluster of {}", self.kubeconfig.display()),
        }
    }
}
