//! The state folder: where in it things lie. In: a path that a person wrote. Out: absolute paths that
//! a server's configuration and a Unix socket can hold. It reads and writes no content.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::store::{FileError, OURS, check_name};

/// Bytes of a Unix socket's path, without the zero at its end: 107 on Linux, 103 elsewhere.
const SOCKET_PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// A state folder; its path is absolute, text and short enough for its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

/// Why a path cannot be a state folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something else is in its place.
    #[error("{} is not a folder: name another one with --dir, or move that file away", .0.display())]
    NotAFolder(PathBuf),
    /// It does not exist and is not to be made.
    #[error("no bus runs in {}: the folder does not exist. Start one with `svom-messaging local up`, or name its folder with --dir", .0.display())]
    Missing(PathBuf),
    /// It cannot be made, read or written.
    #[error("the state folder {} cannot be used: {source}. Name a folder of your own with --dir", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its socket's path is longer than the system allows.
    #[error("the path {} is {length} bytes long and a Unix socket's path has at most {max}: name a shorter folder with --dir, as `--dir /tmp/svom`", path.display())]
    TooLong {
        /// The socket.
        path: PathBuf,
        /// Bytes of its path.
        length: usize,
        /// Bytes that a path may have.
        max: usize,
    },
    /// Its path cannot stand in what is made here.
    #[error(transparent)]
    Path(#[from] FileError),
}

impl Folder {
    /// The folder at the path, made (0700) where it is missing.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable {
            path: path.to_owned(),
            source,
        };
        // Said before anything is made, so that a refused path leaves no folder behind.
        Self::absolute(std::path::absolute(path).map_err(unusable)?)?;
        if let Err(source) = DirBuilder::new().recursive(true).mode(0o700).create(path) {
            return Err(match source.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    FolderError::NotAFolder(first_other(path))
                }
                _ => unusable(source),
            });
        }
        Self::open(path)
    }

    /// The folder at the path, which must be there.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let real = fs::canonicalize(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => FolderError::Missing(path.to_owned()),
            io::ErrorKind::NotADirectory => FolderError::NotAFolder(first_other(path)),
            _ => FolderError::Unusable {
                path: path.to_owned(),
                source,
            },
        })?;
        if !real.is_dir() {
            return Err(FolderError::NotAFolder(path.to_owned()));
        }
        Self::absolute(real)
    }

    fn absolute(path: PathBuf) -> Result<Self, FolderError> {
        check_name(&path)?;
        let folder = Self(path);
        let socket = folder.socket();
        let length = socket.as_os_str().as_bytes().len();
        if length > SOCKET_PATH_MAX {
            return Err(FolderError::TooLong {
                path: socket,
                length,
                max: SOCKET_PATH_MAX,
            });
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file that is locked while a bus runs here.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The socket at which the runner listens.
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// The folder of a server.
    pub fn server(&self, name: &str) -> PathBuf {
        self.0.join("servers").join(name)
    }

    /// Deletes what a bus made here and nothing else, and the folder where nothing else is in it. The caller holds the
    /// lock and its servers have ended. The lock's file goes last, so that a delete that was cut short
    /// can be repeated.
    pub fn delete(&self) -> Result<(), FolderError> {
        let unusable = |source| FolderError::Unusable {
            path: self.0.clone(),
            source,
        };
        for name in OURS {
            let path = self.0.join(name);
            let removed = match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(missing) => Err(missing),
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unusable(error));
                }
                _ => {}
            }
        }
        match fs::remove_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => other.map_err(unusable),
        }
    }
}

/// The part of the path that is there and no folder.
fn first_other(path: &Path) -> PathBuf {
    let in_the_way = path
        .ancestors()
        .find(|part| part.exists() && !part.is_dir());
    in_the_way.unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use std::os::unix::fs::PermissionsExt;

    fn check(root: &Path, error: FolderError, expected: Expect) {
        expected.assert_eq(&error.to_string().replace(root.to_str().unwrap(), "ROOT"));
    }

    #[test]
    fn a_new_folder_is_its_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(&root.path().join("a/b")).unwrap();
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(Folder::open(folder.path()).unwrap(), folder);
    }

    #[test]
    fn what_cannot_be_a_folder_says_why() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("file"), "").unwrap();
        let refused = |path: &Path| Folder::create(path).unwrap_err();
        check(
            root.path(),
            refused(&at("file")),
            expect![
                "ROOT/file is not a folder: name another one with --dir, or move that file away"
            ],
        );
        check(
            root.path(),
            refused(&at("file/below")),
            expect![
                "ROOT/file is not a folder: name another one with --dir, or move that file away"
            ],
        );
        check(
            root.path(),
            Folder::open(&at("none")).unwrap_err(),
            expect![
                "no bus runs in ROOT/none: the folder does not exist. Start one with `svom-messaging local up`, or name its folder with --dir"
            ],
        );
        check(
            root.path(),
            refused(&at("a\nb")),
            expect![[r#"
                ROOT/a
                b: has a control character in its path: choose another folder with --dir"#]],
        );
        // Not even root may make a folder here.
        check(
            root.path(),
            refused(Path::new("/proc/svom")),
            expect![
                "the state folder /proc/svom cannot be used: No such file or directory (os error 2). Name a folder of your own with --dir"
            ],
        );
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_and_not_made() {
        let long =
            Path::new("/tmp").join("x".repeat(SOCKET_PATH_MAX - "/tmp//control.sock".len() + 1));
        let error = Folder::create(&long).unwrap_err();
        assert!(
            matches!(error, FolderError::TooLong { length, .. } if length == SOCKET_PATH_MAX + 1)
        );
        assert!(!long.exists());
    }

    #[test]
    fn a_delete_takes_what_is_ours_and_leaves_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(&root.path().join("state")).unwrap();
        fs::create_dir_all(folder.server("fsc-0").join("store")).unwrap();
        fs::write(folder.lock(), "1").unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        folder.delete().unwrap();
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["notes.txt"]);
        fs::remove_file(folder.path().join("notes.txt")).unwrap();
        folder.delete().unwrap();
        assert!(!folder.path().exists());
    }
}
