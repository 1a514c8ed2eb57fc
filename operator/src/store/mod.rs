//! The secrets of a bus in the state folder of one machine.
//!
//! In: what was minted. Out: what is there, as [`Material`]. Each secret is one file in
//! `DIR/secrets/`, whole or absent; what is handed to a user lies in `DIR/users/NAME/`, all of one age,
//! and can be written anew from the secrets at any time. What a person brings is read from `--secrets
//! DIR/NAME/` at each start and never copied into `DIR/secrets/`.
//!
//! A damaged certificate or hash is passed over, since another is made and nobody notices. A damaged
//! authority, key or password is refused, and so is one that was laid in the place of the one in force:
//! clients depend on it. Decides nothing else, and mints nothing.

mod complete;
mod files;
#[cfg(test)]
pub(crate) mod fixtures;
mod folder;
mod handouts;
mod items;
pub mod kept;
mod load;
#[cfg(test)]
mod tests;
mod together;

use std::path::{Path, PathBuf};

use svom_plan::Problem;
use svom_plan::material::AuthorityName;

use crate::mint::{Item, MintError};

pub use files::{FileError, Files, Step};
pub use folder::{OURS, check_name, prepare};

/// Why the secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// Several things at once that a person has to put right.
    #[error("{}", lines(.0))]
    Problems(Vec<Problem>),
    /// Something could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// What was made does not satisfy the plan, which would ask for it for ever.
    #[error("made anew, and still asked for: {0}; set the clock, or report this")]
    StillWanted(String),
}

impl From<Vec<Problem>> for StoreError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The state folder of a bus. Only one process at a time may have it; who opens it holds its lock.
pub struct Store {
    files: Files,
    dir: PathBuf,
    brought: Option<PathBuf>,
}

impl Store {
    /// Opens a state folder that [`prepare`] gave.
    ///
    /// # Errors
    /// A folder in it is not as it should be.
    pub fn open(files: Files, dir: PathBuf, brought: Option<PathBuf>) -> Result<Self, StoreError> {
        let store = Self {
            files,
            dir,
            brought,
        };
        store.files.folder(&store.secrets())?;
        store.files.folder(&store.users())?;
        Ok(store)
    }

    /// The state folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes into the state folder what is no secret of its own kind.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Where the certificate of the authority lies that clients trust.
    pub fn authority_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    fn secrets(&self) -> PathBuf {
        self.dir.join("secrets")
    }

    fn users(&self) -> PathBuf {
        self.dir.join("users")
    }

    /// Persists one secret. It is on the disk when this returns.
    ///
    /// # Errors
    /// The system refused; what was there before is still there.
    pub fn save(&self, item: &Item) -> Result<(), StoreError> {
        // What the one before it left would say of it that it is another one.
        match item {
            Item::Password(user, _) => self.forget(&items::hash(user))?,
            Item::Nkey(user, _) => self.forget(&items::nkey_public(user))?,
            Item::Authority(AuthorityName::Clients, _) => {
                self.files.forget(&self.authority_file())?;
            }
            _ => {}
        }
        let (name, bytes) = items::file(item);
        Ok(self.files.write(&self.secrets().join(name), &bytes)?)
    }

    fn forget(&self, name: &str) -> Result<(), FileError> {
        self.files.forget(&self.secrets().join(name))
    }
}
