//! Files that change together, in a folder that others read.
//!
//! In: a folder, and all its files. Out: the same on the disk, where a reader finds every file at its
//! own name and all of them of one age, however the writing ended. They lie in one of two folders inside,
//! `..data` is a link to the one that holds, and each name is a link through it: so one step changes
//! them all. It is what a mounted Secret of Kubernetes looks like, so that a client that watches one can
//! watch the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use svom_plan::Secret;

use super::files::{self, FileError, Files, Step, UNFINISHED};

/// The link to the folder that holds.
const HOLDS: &str = "..data";
/// The two folders: while one holds, the other is written.
const FOLDERS: [&str; 2] = ["..1", "..2"];

impl Files {
    /// Makes the folder hold exactly these files of those that are known. Files of other names in it are
    /// not ours and are left.
    ///
    /// # Errors
    /// The system refused; what was there before is still there.
    pub fn swap(
        &self,
        folder: &Path,
        wanted: &BTreeMap<String, Secret>,
        known: &[&str],
    ) -> Result<(), FileError> {
        self.folder(folder)?;
        let [first, second] = FOLDERS;
        let (holds, other) = match link_of(&folder.join(HOLDS))? {
            Some(target) if target == first => (Some(first), second),
            Some(target) if target == second => (Some(second), first),
            _ => (None, first),
        };
        let is_there = match holds {
            Some(holds) => self.holds(&folder.join(holds), wanted)?,
            None => false,
        };
        if !is_there {
            self.write_anew(&folder.join(other), wanted)?;
            self.link(&folder.join(HOLDS), other)?;
        }
        let mut changed = !is_there;
        for name in wanted.keys() {
            changed |= self.link(&folder.join(name), &format!("{HOLDS}/{name}"))?;
        }
        for name in known.iter().filter(|name| !wanted.contains_key(**name)) {
            changed |= self.remove_if_there(&folder.join(name))?;
        }
        if changed {
            self.sync_folder(folder)?;
        }
        let stale = if is_there { Some(other) } else { holds };
        stale.map_or(Ok(()), |stale| self.remove_all(&folder.join(stale)))
    }

    /// Takes away what [`Files::swap`] made of these files, and the folder where nothing else is in it.
    ///
    /// # Errors
    /// The system refused.
    pub fn take_away(&self, folder: &Path, known: &[&str]) -> Result<(), FileError> {
        self.folder(folder)?;
        for name in known.iter().chain([&HOLDS]) {
            self.remove_if_there(&folder.join(name))?;
        }
        for name in FOLDERS {
            self.remove_all(&folder.join(name))?;
        }
        self.remove_empty_folder(folder)?;
        Ok(())
    }

    fn holds(&self, folder: &Path, wanted: &BTreeMap<String, Secret>) -> Result<bool, FileError> {
        if files::metadata(folder)?.is_none() {
            return Ok(false);
        }
        self.folder(folder)?;
        let names = files::names(folder)?;
        if !names.iter().eq(wanted.keys()) {
            return Ok(false);
        }
        for (name, value) in wanted {
            let found = self.read(&folder.join(name))?;
            if found.is_none_or(|found| found.as_slice() != value.reveal().as_bytes()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn write_anew(
        &self,
        folder: &Path,
        wanted: &BTreeMap<String, Secret>,
    ) -> Result<(), FileError> {
        self.remove_all(folder)?;
        self.folder(folder)?;
        for (name, value) in wanted {
            self.write(&folder.join(name), value.reveal().as_bytes())?;
        }
        Ok(())
    }

    /// Makes a link, in the place of whatever file or link is there; says whether it did.
    fn link(&self, path: &Path, target: &str) -> Result<bool, FileError> {
        if link_of(path)?.as_deref() == Some(target) {
            return Ok(false);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = path.with_file_name(format!("{UNFINISHED}{name}"));
        self.step(Step::Create, &unfinished, "made", || {
            std::os::unix::fs::symlink(target, &unfinished)
        })?;
        self.step(Step::Rename, path, "put into its place", || {
            fs::rename(&unfinished, path)
        })?;
        Ok(true)
    }

    fn remove_all(&self, folder: &Path) -> Result<(), FileError> {
        if files::metadata(folder)?.is_none() {
            return Ok(());
        }
        self.step(Step::Remove, folder, "removed", || {
            fs::remove_dir_all(folder)
        })
    }
}

/// What a link names; none where there is none.
fn link_of(path: &Path) -> Result<Option<String>, FileError> {
    match files::metadata(path)? {
        Some(found) if found.is_symlink() => {
            let target = fs::read_link(path).map_err(files::io(path, "read"))?;
            Ok(Some(target.to_string_lossy().into_owned()))
        }
        _ => Ok(None),
    }
}
