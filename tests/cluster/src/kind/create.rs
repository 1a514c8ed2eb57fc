//! A cluster is made.
//!
//! In: an order. Out: a cluster that is ready. What is made is written down before it is, so that
//! whoever comes after an interruption knows what there may be.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::config::{self, NODES, Settings};
use super::state::{Folder, Image, RunsIn, State};
use super::{limits, network, ready};
use crate::agent::{self, AgentImage};
use crate::cache::Cache;
use crate::cluster::Cluster;
use crate::engine::choice::Choice;
use crate::engine::{self, Engine, PrivateEngine, processes};
use crate::process::Process;
use crate::progress::Progress;
use crate::versions::{Kubernetes, Versions};
use crate::{forward, image, programs};

/// What is to be made, and of what.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    pub cache: &'a Cache,
    pub folder: &'a Folder,
    pub versions: &'a Versions,
    pub kubernetes: &'a Kubernetes,
    pub choice: &'a Choice,
    pub owner: Option<Process>,
}

/// Makes it. Of the cluster nothing must be there.
///
/// # Errors
/// When a part of it does not come up; then that part and what was made before are there.
pub fn create(order: &Order<'_>, progress: &Progress) -> Result<Cluster> {
    let Order { folder, .. } = *order;
    let parts = Parts::gather(order, progress)?;
    let mut state = State {
        runs_in: match order.choice {
            Choice::PrivateEngine => RunsIn::PrivateEngine,
            _ => RunsIn::MachineEngine,
        },
        kubernetes: order.kubernetes.version.clone(),
        image: parts.image,
        programs: parts.programs,
        made_network: false,
        owner: order.owner,
        ready: false,
    };
    folder.write(&state)?;
    let (engine, port) = start_engine(order, &state, progress)?;
    if let Some(archive) = parts.archive {
        progress.part("node image", |part| {
            let reference = state.image.reference();
            engine.load(reference, &archive, part)?;
            match state.runs_in {
                RunsIn::MachineEngine => Ok(()),
                RunsIn::PrivateEngine => engine.remove_others_than(reference),
            }
        })?;
    }
    if state.runs_in == RunsIn::MachineEngine && network::is_ours(&engine, folder)? {
        state.made_network = true;
        folder.write(&state)?;
    }
    configure(folder, &state, port)?;
    progress.part("kind create cluster", |part| {
        let mut kind = engine.command(state.programs.join("kind"));
        kind.args(["create", "cluster", "--retain", "--config"])
            .arg(folder.configuration())
            .arg("--kubeconfig")
            .arg(folder.kubeconfig());
        part.run(&mut kind)
    })?;
    let cluster = Cluster::made(folder.clone(), state.clone(), engine);
    let options = agent::Options {
        image: &parts.agent.reference,
        network: !state.image.has_network(),
        load_balancer: true,
        shared: true,
        pod_subnet: config::POD_SUBNET,
        service_subnet: config::SERVICE_SUBNET,
    };
    agent::install(&cluster, &parts.agent, &options, progress)?;
    ready::wait(&cluster, progress)?;
    state.ready = true;
    folder.write(&state)?;
    Ok(cluster)
}

/// What is built for a cluster before anything of it is made.
struct Parts {
    /// The nodes' image.
    image: Image,
    /// The archive to load it from, where it is built here.
    archive: Option<PathBuf>,
    /// The folder of kind and kubectl.
    programs: PathBuf,
    agent: AgentImage,
}

impl Parts {
    fn gather(order: &Order<'_>, progress: &Progress) -> Result<Self> {
        let Order {
            cache, kubernetes, ..
        } = *order;
        let agent = agent::image(cache, progress)?;
        if let Choice::PublicImage { image } = order.choice {
            return Ok(Self {
                image: Image::Public(image.clone()),
                archive: None,
                programs: image::commands(cache, kubernetes, progress)?,
                agent,
            });
        }
        let built = image::node(cache, order.versions, kubernetes, progress)?;
        Ok(Self {
            image: Image::Built(built.reference),
            archive: Some(built.archive),
            programs: image::binaries(cache, kubernetes, progress)?,
            agent,
        })
    }
}

/// The engine, and the API server's port where that must be known before.
fn start_engine(
    order: &Order<'_>,
    state: &State,
    progress: &Progress,
) -> Result<(Engine, Option<u16>)> {
    let Order { cache, folder, .. } = *order;
    if state.runs_in == RunsIn::MachineEngine {
        return Ok((Engine::of_machine_for(folder.path()), None));
    }
    limits::raise()?;
    let packages = engine::packages(cache, order.versions, progress)?;
    let private = PrivateEngine::for_cluster(folder.path(), cache)?;
    let engine = progress.part("container engine", |_| private.start(&packages))?;
    let first = engine
        .first_process()
        .context("a private engine has a first process")?;
    let program = programs::built("svom-cluster")?;
    let log = folder.path().join("forward.log");
    let mark = |command: &mut _| {
        processes::mark(command, folder.path());
    };
    let port = forward::start(&program, first, &log, mark)?;
    Ok((engine, Some(port)))
}

/// The files and folders that kind and the nodes are given.
fn configure(folder: &Folder, state: &State, port: Option<u16>) -> Result<()> {
    let (volumes, audit) = (folder.volumes(), folder.audit());
    let below = NODES
        .iter()
        .chain([&"shared"])
        .map(|name| volumes.join(name));
    for path in below.chain([audit.clone()]) {
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    let settings = Settings {
        name: folder.name(),
        image: state.image.reference(),
        port,
        own_network: !state.image.has_network(),
        volumes: &volumes,
        audit: &audit,
    };
    write(&folder.configuration(), &config::kind(&settings))?;
    write(&audit.join(config::AUDIT_POLICY), &config::audit_policy())
}

fn write(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_vec_pretty(value)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
