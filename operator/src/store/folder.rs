//! The state folder itself: which folder is taken, and in which state.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::files::{self, FileError, Files};

/// Everything that lies in a state folder, in the order in which it is deleted: the lock last. A folder
/// that holds nothing else is ours.
pub const OURS: [&str; 7] = [
    "ca.crt",
    "control.sock",
    "in-force.json",
    "secrets",
    "servers",
    "users",
    "lock",
];

/// Makes sure of the state folder and gives its absolute path. It is made where it is not there,
/// closed to others where it is empty or ours, and else refused.
///
/// # Errors
/// Says what is wrong with the folder and what to do.
pub fn prepare(files: &Files, dir: &Path) -> Result<PathBuf, FileError> {
    let absolute = std::path::absolute(dir)
        .map_err(|_| FileError::unfit(dir, "is not the path of a folder"))?;
    // Without a slash at its end, which would hide that it is a link.
    let path: PathBuf = absolute
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    check_name(&path)?;
    let Some(found) = files::metadata(&path)? else {
        let parent = path.parent().unwrap_or(Path::new("/"));
        if !parent.is_dir() {
            return Err(FileError::unfit(
                parent,
                "is not there: make it first, or choose another folder with --dir",
            ));
        }
        files.folder(&path)?;
        return Ok(path);
    };
    if found.is_dir() && found.mode() & 0o077 != 0 {
        files::check_owner(&path, found.uid())?;
        let foreign = files::names(&path)?
            .into_iter()
            .find(|name| !OURS.contains(&name.as_str()) && !name.starts_with('.'));
        if let Some(foreign) = foreign {
            return Err(FileError::unfit(
                &path,
                format!(
                    "is open to others and holds {foreign}, which is not of a bus: choose a folder of its own with --dir, or close it (chmod 700)"
                ),
            ));
        }
    }
    files.folder(&path)?;
    Ok(path)
}

/// The path stands in the servers' configuration and in contexts of the `nats` command, which takes
/// `$` for the begin of a variable.
///
/// # Errors
/// Says which character cannot be in it.
pub fn check_name(path: &Path) -> Result<(), FileError> {
    let text = path.to_str().ok_or_else(|| {
        FileError::unfit(
            path,
            "is not text (UTF-8): choose another folder with --dir",
        )
    })?;
    match text.chars().find(|c| c.is_control() || *c == '$') {
        None => Ok(()),
        Some('$') => Err(FileError::unfit(
            path,
            "has a $ in its path, which the nats command takes for a variable: choose another folder with --dir",
        )),
        Some(_) => Err(FileError::unfit(
            path,
            "has a control character in its path: choose another folder with --dir",
        )),
    }
}
