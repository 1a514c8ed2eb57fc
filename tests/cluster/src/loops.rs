//! Loop devices whose files are a cluster's volumes.
//!
//! In: a folder. Out: no loop device is attached to a file in it. The kernel detaches most by itself
//! when the last mount goes; one that was attached and not yet mounted stays.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{major, minor};
use serde_json::Value;

use crate::command;

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Detaches every loop device from the files below this folder.
///
/// # Errors
/// When the machine's loop devices cannot be listed, or one is still in use.
pub fn detach_all_in(folder: &Path) -> Result<()> {
    for device in attached_in(folder)? {
        let mut detach = Command::new("losetup");
        command::output(detach.args(["--detach", &device]), ANSWERS_WITHIN)?;
    }
    Ok(())
}

/// The loop devices, such as `/dev/loop0`, that are attached to files below this folder.
///
/// # Errors
/// When the machine's loop devices cannot be listed.
pub fn attached_in(folder: &Path) -> Result<Vec<String>> {
    let mut files = BTreeSet::new();
    collect(folder, &mut files);
    if files.is_empty() {
        return Ok(Vec::new());
    }
    // A device that another namespace attached has a path that means nothing here, so that the file's
    // number tells which it is.
    let mut list = Command::new("losetup");
    list.args(["--list", "--json", "--output=NAME,BACK-INO,BACK-MAJ:MIN"]);
    let listed = command::output(&mut list, ANSWERS_WITHIN)?;
    if listed.trim().is_empty() {
        return Ok(Vec::new());
    }
    let listed: Value = serde_json::from_str(&listed).context("losetup prints no JSON")?;
    let devices = listed.get("loopdevices").and_then(Value::as_array);
    let attached = |device: &Value| {
        let name = device.get("name")?.as_str()?;
        let disk = device.get("back-maj:min")?.as_str()?.trim();
        let file = (disk.to_owned(), inode(device.get("back-ino")?)?);
        files.contains(&file).then(|| name.to_owned())
    };
    Ok(devices.into_iter().flatten().filter_map(attached).collect())
}

/// Some versions print numbers as text.
fn inode(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// The files below a folder: the disk that each is on, and its number there.
fn collect(folder: &Path, files: &mut BTreeSet<(String, u64)>) {
    for child in fs::read_dir(folder).into_iter().flatten().flatten() {
        match child.metadata() {
            Ok(found) if found.is_dir() => collect(&child.path(), files),
            Ok(found) if found.is_file() => {
                let disk = format!("{}:{}", major(found.dev()), minor(found.dev()));
                files.insert((disk, found.ino()));
            }
            _ => {}
        }
    }
}
