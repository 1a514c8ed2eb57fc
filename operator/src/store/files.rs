//! Files and folders that only their owner can read, and that are whole or not there.
//!
//! In: paths and bytes. Out: the same on the disk, or an error that names the path and says what to
//! do. A file is written beside its place under another name, made durable, and put into its place
//! in one step; whoever reads it sees the old one or the new one. Follows no link inside a folder of
//! the state, and widens no mode for a moment.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Names of files that are being written begin so; what a crash leaves of them is swept away.
pub(super) const UNFINISHED: &str = ".unfinished-";
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Nothing that is kept here is nearly as large.
const LARGEST: u64 = 1 << 20;

/// Why a file or folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: could not be {doing}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {what}", path.display())]
    Unfit {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
}

impl FileError {
    pub(super) fn unfit(path: &Path, what: impl Into<String>) -> Self {
        Self::Unfit {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Io {
        path: path.to_owned(),
        doing,
        source,
    }
}

/// One step that changes the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes a folder.
    CreateFolder,
    /// Makes an empty file, or a link, beside its place.
    Create,
    /// Writes into it.
    Write,
    /// Makes its contents durable.
    Sync,
    /// Puts it into its place.
    Rename,
    /// Makes a folder's entries durable.
    SyncFolder,
    /// Removes a file or a folder.
    Remove,
    /// Narrows a mode.
    Narrow,
}

type Ask = dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync;

/// Writes files. Before each step it asks, so that a test can stop at any of them.
pub struct Files {
    before: Box<Ask>,
}

impl Default for Files {
    fn default() -> Self {
        Self::asking(|_, _| Ok(()))
    }
}

impl Files {
    /// Files that ask before each step.
    pub fn asking(before: impl Fn(Step, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self {
            before: Box::new(before),
        }
    }

    pub(super) fn step<T>(
        &self,
        step: Step,
        path: &Path,
        doing: &'static str,
        act: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, FileError> {
        (self.before)(step, path)
            .and_then(|()| act())
            .map_err(io(path, doing))
    }

    /// Makes sure of a folder that only its owner can enter, and sweeps away what a crash left in it.
    ///
    /// # Errors
    /// It is something else, or another user's, or cannot be made.
    pub fn folder(&self, path: &Path) -> Result<(), FileError> {
        if !self.narrow(path, Kind::Folder)? {
            self.step(Step::CreateFolder, path, "made", || {
                DirBuilder::new().mode(FOLDER_MODE).create(path)
            })?;
            // Whatever the umask took away.
            self.narrow_to(path, FOLDER_MODE)?;
            return self.sync_folder_of(path);
        }
        for entry in names(path)? {
            if entry.starts_with(UNFINISHED) {
                self.remove_file(&path.join(entry))?;
            }
        }
        Ok(())
    }

    /// Reads a file of the state; `None` where there is none. A mode that is too wide is narrowed.
    ///
    /// # Errors
    /// It is something else, or another user's, or cannot be read.
    pub fn read(&self, path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        if !self.narrow(path, Kind::File)? {
            return Ok(None);
        }
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
            .map_err(io(path, "opened"))?;
        contents(path, &file).map(Some)
    }

    /// Writes a file: whole and durable when this returns, and as it was before where it does not.
    ///
    /// # Errors
    /// The system refused one of the steps.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = path.with_file_name(format!("{UNFINISHED}{name}"));
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io(&unfinished, "removed")(error));
            }
            _ => {}
        }
        let mut file = self.step(Step::Create, &unfinished, "made", || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(FILE_MODE);
            let file = options.open(&unfinished)?;
            // Whatever the umask took away.
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            Ok(file)
        })?;
        self.step(Step::Write, &unfinished, "written", || {
            file.write_all(bytes)
        })?;
        self.step(Step::Sync, &unfinished, "made durable", || file.sync_all())?;
        self.step(Step::Rename, path, "put into its place", || {
            fs::rename(&unfinished, path)
        })?;
        self.sync_folder_of(path)
    }

    /// Writes a file where it is not the same already; says whether it did.
    ///
    /// # Errors
    /// As [`Files::read`] and [`Files::write`].
    pub fn write_if_different(&self, path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
        let same = self
            .read(path)?
            .is_some_and(|found| found.as_slice() == bytes);
        if !same {
            self.write(path, bytes)?;
        }
        Ok(!same)
    }

    fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        self.step(Step::Remove, path, "removed", || fs::remove_file(path))
    }

    /// Makes sure that there is no such file, for good when this returns.
    ///
    /// # Errors
    /// The system refused.
    pub fn forget(&self, path: &Path) -> Result<(), FileError> {
        if self.remove_if_there(path)? {
            self.sync_folder_of(path)?;
        }
        Ok(())
    }

    /// Removes a file or link; says whether there was one.
    ///
    /// # Errors
    /// The system refused.
    pub fn remove_if_there(&self, path: &Path) -> Result<bool, FileError> {
        let is_there = metadata(path)?.is_some();
        if is_there {
            self.remove_file(path)?;
        }
        Ok(is_there)
    }

    /// Removes a folder where nothing is in it; says whether it did.
    ///
    /// # Errors
    /// The system refused.
    pub fn remove_empty_folder(&self, path: &Path) -> Result<bool, FileError> {
        if !names(path)?.is_empty() {
            return Ok(false);
        }
        self.step(Step::Remove, path, "removed", || fs::remove_dir(path))?;
        Ok(true)
    }

    fn sync_folder_of(&self, path: &Path) -> Result<(), FileError> {
        self.sync_folder(path.parent().unwrap_or(Path::new("/")))
    }

    pub(super) fn sync_folder(&self, folder: &Path) -> Result<(), FileError> {
        self.step(Step::SyncFolder, folder, "made durable", || {
            File::open(folder)?.sync_all()
        })
    }

    /// Whether it is there; if so it is of this kind, ours, and nobody else's to read.
    fn narrow(&self, path: &Path, kind: Kind) -> Result<bool, FileError> {
        let Some(found) = metadata(path)? else {
            return Ok(false);
        };
        let (fits, mode) = match kind {
            Kind::File => (found.is_file(), FILE_MODE),
            Kind::Folder => (found.is_dir(), FOLDER_MODE),
        };
        if !fits {
            let what = format!("is not a {}: move it away", kind.word());
            return Err(FileError::unfit(path, what));
        }
        check_owner(path, found.uid())?;
        if found.mode() & 0o077 != 0 {
            self.narrow_to(path, mode)?;
        }
        Ok(true)
    }

    fn narrow_to(&self, path: &Path, mode: u32) -> Result<(), FileError> {
        self.step(Step::Narrow, path, "closed to others (chmod)", || {
            fs::set_permissions(path, Permissions::from_mode(mode))
        })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Folder,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::File => "plain file",
            Self::Folder => "folder (a link is not followed)",
        }
    }
}

/// What lies at a path, of itself and not of what it links to.
pub(super) fn metadata(path: &Path) -> Result<Option<fs::Metadata>, FileError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path, "looked at")(error)),
    }
}

pub(super) fn check_owner(path: &Path, owner: u32) -> Result<(), FileError> {
    let we = rustix::process::geteuid().as_raw();
    if owner == we {
        return Ok(());
    }
    Err(FileError::unfit(
        path,
        format!(
            "belongs to user {owner}, and this runs as user {we}: run it as that user, or choose another folder with --dir"
        ),
    ))
}

/// The names in a folder, sorted.
pub(super) fn names(path: &Path) -> Result<Vec<String>, FileError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(io(path, "read"))? {
        let entry = entry.map_err(io(path, "read"))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Reads a file that somebody else laid there; links are followed. `None` where there is none.
pub(super) fn read_brought(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let mut options = OpenOptions::new();
    match options.read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => contents(path, &file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path, "opened")(error)),
    }
}

fn contents(path: &Path, file: &File) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let found = file.metadata().map_err(io(path, "looked at"))?;
    if !found.is_file() {
        return Err(FileError::unfit(path, "is not a plain file: move it away"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let mut limited = file.take(LARGEST + 1);
    limited.read_to_end(&mut bytes).map_err(io(path, "read"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(FileError::unfit(
            path,
            "has more than 1 MiB, which nothing of its kind has: move it away",
        ));
    }
    Ok(bytes)
}
