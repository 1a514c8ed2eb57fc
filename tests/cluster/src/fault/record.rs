//! Which faults are in force, kept in the cluster's state folder before they are provoked: whoever comes
//! later, also after a kill -9, can undo them.
//!
//! In: a folder. Out: the faults in force, for one at a time to read and change.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::kind::Fault;
use super::recipe::Step;
use super::rules::Rule;

const FILE: &str = "faults.json";

/// A fault in force, and what undoes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Tells it from others in force.
    pub id: u64,
    /// The fault.
    pub fault: Fault,
    /// The rules that are in force with it.
    pub rules: Vec<Rule>,
    /// What undoes it.
    pub undo: Vec<Step>,
}

/// Where the faults in force of one cluster are kept.
#[derive(Clone, Debug)]
pub struct Record {
    folder: PathBuf,
}

/// The faults in force, while nobody else reads or changes them.
#[derive(Debug)]
pub struct Opened {
    kept: Kept,
    path: PathBuf,
    _lock: File,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// No identifier is given twice: who holds an old one must not undo another's fault.
    given: u64,
    in_force: Vec<InForce>,
}

impl Record {
    /// The record in this folder, which is made with the first fault.
    pub fn of(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Reads it, and lets nobody else read it until what is returned is dropped.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(&self) -> Result<Opened> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let lock = self.folder.join("faults.lock");
        let lock = locked(&lock).with_context(|| format!("cannot lock {}", lock.display()))?;
        let path = self.folder.join(FILE);
        Ok(Opened {
            kept: read(&path)?,
            path,
            _lock: lock,
        })
    }
}

impl Opened {
    /// They themselves, the oldest first.
    pub fn in_force(&self) -> &[InForce] {
        &self.kept.in_force
    }

    /// Adds a fault, on the disk before it returns; the number that tells it from others.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn add(&mut self, fault: Fault, rules: Vec<Rule>, undo: Vec<Step>) -> Result<u64> {
        self.kept.given += 1;
        let id = self.kept.given;
        self.kept.in_force.push(InForce {
            id,
            fault,
            rules,
            undo,
        });
        self.write()?;
        Ok(id)
    }

    /// Takes faults out.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn remove(&mut self, gone: impl Fn(&InForce) -> bool) -> Result<()> {
        self.kept.in_force.retain(|fault| !gone(fault));
        self.write()
    }

    /// Written beside and renamed: a kill at any moment leaves the old record or the new one.
    fn write(&self) -> Result<()> {
        let unwritable = || format!("cannot write {}", self.path.display());
        let text = serde_json::to_vec_pretty(&self.kept)?;
        let beside = self.path.with_extension("json.new");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        };
        write().with_context(unwritable)
    }
}

fn locked(path: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

fn read(path: &Path) -> Result<Kept> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} is not a record of faults; remove the cluster with `cluster down`",
            path.display()
        )
    })
}
