//! The network that all of kind's clusters in one engine share: kind makes it, and never removes it.
//!
//! In: the machine's engine, and which clusters are there. Out: whether a cluster made here is to remove
//! it, and its removal with the last of them.

use anyhow::Result;

use super::state::{Folder, RunsIn, State, names};
use crate::engine::Engine;
use crate::progress::Part;

/// What kind calls it.
const NAME: &str = "kind";

/// Whether the network is this cluster's to remove: it is not there yet, or another cluster that was
/// made here had it made. The cluster's state must be written already, so that the other sees it.
///
/// # Errors
/// When the engine does not answer, or a cluster's state cannot be read.
pub fn is_ours(engine: &Engine, folder: &Folder) -> Result<bool> {
    Ok(!is_there(engine)? || others(folder)?.iter().any(|state| state.made_network))
}

/// Removes it, where nobody needs it any more: it goes with the last cluster.
///
/// # Errors
/// When the engine does not answer or refuses it.
pub fn remove(engine: &Engine, folder: &Folder, part: &Part) -> Result<()> {
    if !is_there(engine)? {
        return Ok(());
    }
    let users = [
        "network",
        "inspect",
        "--format",
        "{{len .Containers}}",
        NAME,
    ];
    let is_used = engine.run(users)?.trim() != "0";
    if is_used || !others(folder)?.is_empty() {
        part.note(&format!("the network {NAME} stays: others use it"));
        return Ok(());
    }
    engine.run(["network", "rm", NAME]).map(drop)
}

fn is_there(engine: &Engine) -> Result<bool> {
    // The filter takes parts of names, too.
    let filter = format!("name={NAME}");
    let found = engine.run(["network", "ls", "--format={{.Name}}", "--filter", &filter])?;
    Ok(found.lines().any(|name| name.trim() == NAME))
}

/// The other clusters made here that are in the machine's engine.
fn others(folder: &Folder) -> Result<Vec<State>> {
    let mut others = Vec::new();
    for name in names()? {
        if name != folder.name() {
            others.extend(Folder::of(&name)?.state()?);
        }
    }
    others.retain(|state| state.runs_in == RunsIn::MachineEngine);
    Ok(others)
}
