//! `local env`: what a user's service exports. It reads the user's folder; no bus needs to run.

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use svom_plan::Secret;
use svom_plan::handout::{KEYS, exports};

use super::EnvArgs;
use crate::local::folder::Folder;
use crate::table;

pub(super) fn run(args: &EnvArgs) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(&args.dir.dir)?;
    let users = folder.path().join("users");
    let known: Vec<String> = fs::read_dir(&users)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    if known.is_empty() {
        anyhow::bail!(
            "{} has no users yet: start the bus with `svom-messaging local up`, or name its folder with --dir",
            folder.path().display()
        );
    }
    if !known.contains(&args.user) {
        anyhow::bail!(
            "there is no user {} in {}: known are {}",
            args.user,
            users.display(),
            sorted(known).join(", ")
        );
    }
    let folder = users.join(&args.user);
    let mut keys = std::collections::BTreeMap::new();
    for key in KEYS {
        let path = folder.join(key);
        if path.exists() {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            keys.insert(key.to_owned(), Secret::new(text));
        }
    }
    let text = exports(&keys, &folder.display().to_string(), args.reveal);
    table::print(text.reveal())?;
    Ok(ExitCode::SUCCESS)
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}
