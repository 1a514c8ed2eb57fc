//! A cluster is removed, in whatever state it is.
//!
//! In: a cluster's folder. Out: nothing of the cluster is left: no node, no engine of its own, no
//! volume, no file. Images stay with the engine, as a cache.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::state::{Folder, RunsIn, State, names};
use super::{limits, network};
use crate::cache::Cache;
use crate::engine::{Engine, PrivateEngine, processes};
use crate::progress::{Part, Progress};
use crate::{command, loops};

const DELETED_WITHIN: Duration = Duration::from_secs(60);

/// Removes the cluster of this name; whether there was anything of it.
///
/// # Errors
/// When something of it cannot be removed.
pub fn down(name: &str, progress: &Progress) -> Result<bool> {
    let folder = Folder::of(name)?;
    let _alone = folder.lock(progress)?;
    remains(&folder, progress)
}

/// Removes the clusters whose runs have ended without removing them.
///
/// # Errors
/// When something of one cannot be removed.
pub fn remove_abandoned(progress: &Progress) -> Result<()> {
    for name in names()? {
        let folder = Folder::of(&name)?;
        let owner = folder.state()?.and_then(|state| state.owner);
        if owner.is_some_and(|owner| !owner.runs()) {
            progress.say(&format!("{name} was left by a run that has ended"));
            down(&name, progress)?;
        }
    }
    Ok(())
}

/// Removes what there is of a cluster, while no other run makes or removes it; whether there was
/// anything.
///
/// # Errors
/// When something of it cannot be removed.
pub fn remains(folder: &Folder, progress: &Progress) -> Result<bool> {
    let Some(state) = folder.state()? else {
        // The folder is made for what is written into it first.
        folder.remove()?;
        return Ok(false);
    };
    progress.part(&format!("removing {}", folder.name()), |part| {
        // A run that was killed may have left them, and they would go on making what is removed.
        processes::kill_programs(folder.path(), &["kind", "docker", "kubectl"]);
        match state.runs_in {
            RunsIn::MachineEngine => remove_from_machine(folder, &state, part)?,
            RunsIn::PrivateEngine => {
                remove_with_engine(folder, &state, part)?;
                limits::restore_after(folder.name())?;
            }
        }
        folder.remove()?;
        Ok(true)
    })
}

fn remove_from_machine(folder: &Folder, state: &State, part: &Part) -> Result<()> {
    let engine = Engine::of_machine_for(folder.path());
    part.note("deleting the nodes");
    delete_nodes(folder, state, &engine)?;
    if state.made_network {
        network::remove(&engine, folder, part)?;
    }
    processes::kill(folder.path())?;
    loops::detach_all_in(folder.path())?;
    if fs::remove_dir_all(folder.volumes()).is_err() {
        remove_as_root(folder, state)?;
    }
    Ok(())
}

fn remove_with_engine(folder: &Folder, state: &State, part: &Part) -> Result<()> {
    let Some(private) = PrivateEngine::of_cluster(folder.path(), &Cache::open()?) else {
        return Ok(());
    };
    if let Some(engine) = private.running() {
        part.note("deleting the nodes");
        // Those that stay end with their engine.
        let _ = delete_nodes(folder, state, &engine);
    }
    part.note("stopping the container engine");
    private.stop()
}

fn delete_nodes(folder: &Folder, state: &State, engine: &Engine) -> Result<()> {
    let mut kind = engine.command(state.programs.join("kind"));
    kind.args(["delete", "cluster", "--name", folder.name(), "--kubeconfig"])
        .arg(folder.kubeconfig());
    command::output(&mut kind, DELETED_WITHIN).map(drop)
}

/// Where this is not run by root, the nodes' files are those of the engine, which is.
fn remove_as_root(folder: &Folder, state: &State) -> Result<()> {
    let mount = format!("{}:/cluster", folder.path().display());
    let image = state.image.reference();
    let options = [
        "run",
        "--rm",
        "--entrypoint",
        "rm",
        "--volume",
        &mount,
        image,
    ];
    let arguments = [
        "--recursive",
        "--force",
        "/cluster/volumes",
        "/cluster/audit",
    ];
    Engine::of_machine()
        .run(options.iter().chain(&arguments))
        .map(drop)
        .with_context(|| {
            format!(
                "cannot remove what nodes wrote in {}",
                folder.path().display()
            )
        })
}
