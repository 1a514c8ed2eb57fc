//! Clusters by kind: made, loaded with images, removed.
//!
//! In: a name. Out: a cluster of one control plane and three workers that are ready and serve names,
//! or nothing of it. One run at a time makes or removes a cluster, and one that was interrupted is
//! cleaned up by the next.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use self::state::{Folder, RunsIn, State, clusters};
use crate::cache::Cache;
use crate::cluster::Cluster;
use crate::engine::choice::{Choice, Skipped, choose, given_kubeconfig, observe};
use crate::engine::{Engine, PrivateEngine};
use crate::image;
use crate::process::Process;
use crate::progress::Progress;
use crate::versions::{KUBERNETES_VARIABLE, Versions};

pub mod config;
mod create;
mod limits;
mod network;
mod of_run;
mod ready;
mod remove;
pub mod state;

pub use of_run::up_for_this_run;
pub use remove::{down, remove_abandoned};

/// A cluster to be brought up.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// The run whose end is the cluster's too: the next `up` of any cluster removes this one.
    pub owner: Option<Process>,
    /// Whether one that does not come up is left as it is, to be looked at.
    pub keep_failed: bool,
}

/// Brings a cluster up, or finds it up already.
///
/// # Errors
/// When it cannot be brought up although it should be possible.
pub fn up(wanted: &Wanted, progress: &Progress) -> Result<Result<Cluster, Skipped>> {
    let folder = Folder::of(&wanted.name)?;
    remove_abandoned(progress)?;
    let _alone = folder.lock(progress)?;
    let (cache, versions) = (Cache::open()?, Versions::read()?);
    if given_kubeconfig(&clusters()?).is_none() {
        if let Some((cluster, version)) = found_up(&folder)? {
            ensure!(
                versions.will_do(&version)?,
                "{} is up with Kubernetes {version}, and {KUBERNETES_VARIABLE} names another: take it \
                 down first",
                wanted.name
            );
            progress.say(&format!("{} is up already", wanted.name));
            return Ok(Ok(cluster));
        }
        remove::remains(&folder, progress)?;
    }
    let kubernetes = versions.wanted_kubernetes()?;
    let facts = observe(
        &cache,
        &clusters()?,
        kubernetes.public_image.as_deref(),
        progress,
    );
    let choice = match choose(&facts) {
        Err(skipped) => return Ok(Err(skipped)),
        Ok(choice) => choice,
    };
    progress.say(&choice.to_string());
    if let Choice::Given { kubeconfig } = &choice {
        let cluster = Cluster::given(kubeconfig)?;
        let answer = cluster.kubectl().run(["version"]);
        answer.with_context(|| format!("{cluster} does not answer"))?;
        return Ok(Ok(cluster));
    }
    let order = create::Order {
        cache: &cache,
        folder: &folder,
        versions: &versions,
        kubernetes,
        choice: &choice,
        owner: wanted.owner,
    };
    let created = create::create(&order, progress);
    if created.is_err() && !wanted.keep_failed {
        progress.say("it does not come up; what there is of it is removed");
        remove::remains(&folder, progress)?;
    }
    created.map(Ok)
}

/// The cluster of this folder and its Kubernetes, where it is up and answers.
fn found_up(folder: &Folder) -> Result<Option<(Cluster, String)>> {
    let Some(state) = folder.state()?.filter(|state| state.ready) else {
        return Ok(None);
    };
    let Some(engine) = running_engine(folder, &state)? else {
        return Ok(None);
    };
    let version = state.kubernetes.clone();
    let cluster = Cluster::made(folder.clone(), state, engine);
    let answers = cluster.kubectl().run(["version"]).is_ok();
    Ok(answers.then_some((cluster, version)))
}

/// The engine that a cluster's nodes are in, where it runs.
///
/// # Errors
/// When there is no cache.
pub fn running_engine(folder: &Folder, state: &State) -> Result<Option<Engine>> {
    Ok(match state.runs_in {
        RunsIn::MachineEngine => Some(Engine::of_machine_for(folder.path())),
        RunsIn::PrivateEngine => PrivateEngine::of_cluster(folder.path(), &Cache::open()?)
            .and_then(|private| private.running()),
    })
}

/// A folder with kind and kubectl.
///
/// # Errors
/// When they cannot be built.
pub fn programs(progress: &Progress) -> Result<PathBuf> {
    let versions = Versions::read()?;
    image::commands(&Cache::open()?, versions.wanted_kubernetes()?, progress)
}

/// Makes the images of archives known to every node of a cluster.
///
/// # Errors
/// When a node cannot read one.
pub fn load(
    name: &str,
    state: &State,
    engine: &Engine,
    archives: &[PathBuf],
    progress: &Progress,
) -> Result<()> {
    for archive in archives {
        progress.part(&format!("loading {}", archive.display()), |part| {
            let mut kind = engine.command(state.programs.join("kind"));
            kind.args(["load", "image-archive", "--name", name])
                .arg(archive);
            part.run(&mut kind)
        })?;
    }
    Ok(())
}
