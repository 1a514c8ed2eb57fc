//! A container image of one layer, as a file that every engine loads.
//!
//! In: what the image holds and how it starts. Out: one tar that is an OCI layout and a docker archive
//! at once. The same content gives the same bytes: times are zero, and order is that of the paths.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};

mod file;

/// How a container of the image starts, unless it is told otherwise.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Variables, each `NAME=VALUE`.
    pub environment: Vec<String>,
    /// User, or user and group, as numbers: `1000:1000`. Empty is root.
    pub user: String,
    /// What ends it, such as `SIGTERM`. Empty is the engine's default.
    pub stop_signal: String,
}

/// One file, link or folder of the image.
#[derive(Clone, Debug)]
pub struct Entry {
    content: Content,
    mode: Option<u32>,
    owner: (u32, u32),
}

#[derive(Clone, Debug)]
enum Content {
    Bytes(Vec<u8>),
    HostFile(PathBuf),
    Symlink(PathBuf),
    Directory,
}

impl Entry {
    /// A file with this content; mode 0644.
    pub fn bytes(content: impl Into<Vec<u8>>) -> Self {
        Self::new(Content::Bytes(content.into()))
    }

    /// A copy of a file of this machine; mode 0755 where that is executable, or else 0644.
    pub fn host_file(path: impl Into<PathBuf>) -> Self {
        Self::new(Content::HostFile(path.into()))
    }

    /// A symbolic link.
    pub fn symlink(target: impl Into<PathBuf>) -> Self {
        Self::new(Content::Symlink(target.into()))
    }

    /// A folder; mode 0755.
    #[must_use]
    pub fn directory() -> Self {
        Self::new(Content::Directory)
    }

    /// With these permissions.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        let mode = Some(mode);
        Self { mode, ..self }
    }

    /// Of this user and group, and not root's.
    #[must_use]
    pub fn owner(self, user: u32, group: u32) -> Self {
        let owner = (user, group);
        Self { owner, ..self }
    }

    fn new(content: Content) -> Self {
        Self {
            content,
            mode: None,
            owner: (0, 0),
        }
    }
}

/// Whose the files of a copied folder are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Root's, whoever has them here.
    Root,
    /// Those who have them here.
    AsFound,
}

/// An image that is put together.
#[derive(Clone, Debug)]
pub struct ImageArchive {
    reference: String,
    config: Config,
    entries: BTreeMap<PathBuf, Entry>,
}

impl ImageArchive {
    /// An empty image with its full name: `registry/path:tag`.
    #[must_use]
    pub fn new(reference: &str, config: Config) -> Self {
        Self {
            reference: reference.to_owned(),
            config,
            entries: BTreeMap::new(),
        }
    }

    /// Puts an entry at an absolute path, in the place of what was there. Folders above it that
    /// nobody adds are root's with mode 0755.
    ///
    /// # Errors
    /// When the path is not absolute or has `..` in it.
    pub fn add(&mut self, path: impl AsRef<Path>, entry: Entry) -> Result<()> {
        self.entries.insert(inside(path.as_ref())?, entry);
        Ok(())
    }

    /// Puts everything below a folder of this machine below a path of the image, with modes as found.
    /// Devices, sockets and pipes are left out, and hard links become copies.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn add_tree(&mut self, path: impl AsRef<Path>, folder: &Path, owner: Owner) -> Result<()> {
        self.add_below(&inside(path.as_ref())?, folder, owner)
    }

    /// Takes a path and everything below it out again.
    ///
    /// # Errors
    /// When the path is not absolute or has `..` in it.
    pub fn remove(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = inside(path.as_ref())?;
        self.entries.retain(|entry, _| !entry.starts_with(&path));
        Ok(())
    }

    /// The paths of what is in it, without a leading slash.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.entries.keys().map(PathBuf::as_path)
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When a file of this machine cannot be read or the archive cannot be written, or an entry lies
    /// below one that is no folder.
    pub fn write(&self, archive: &Path) -> Result<()> {
        let layer = self.whole_layer()?;
        File::create(archive)
            .map_err(anyhow::Error::from)
            .and_then(|file| file::write(file, &self.reference, &self.config, &layer))
            .with_context(|| format!("cannot write the image {}", archive.display()))
    }

    fn add_below(&mut self, path: &Path, folder: &Path, owner: Owner) -> Result<()> {
        let unreadable = || format!("cannot read {}", folder.display());
        for child in fs::read_dir(folder).with_context(unreadable)? {
            let child = child.with_context(unreadable)?;
            let (host, path) = (child.path(), path.join(child.file_name()));
            let found = child.metadata().with_context(unreadable)?;
            let kind = found.file_type();
            let content = if kind.is_dir() {
                self.add_below(&path, &host, owner)?;
                Content::Directory
            } else if kind.is_symlink() {
                Content::Symlink(fs::read_link(&host).with_context(unreadable)?)
            } else if kind.is_file() {
                Content::HostFile(host)
            } else {
                continue;
            };
            let mut entry = Entry::new(content).mode(found.permissions().mode() & 0o7777);
            if owner == Owner::AsFound {
                entry = entry.owner(found.uid(), found.gid());
            }
            self.entries.insert(path, entry);
        }
        Ok(())
    }

    /// The entries with every folder above them.
    fn whole_layer(&self) -> Result<BTreeMap<PathBuf, Entry>> {
        let mut layer = self.entries.clone();
        for path in self.entries.keys() {
            for above in path
                .ancestors()
                .skip(1)
                .filter(|above| *above != Path::new(""))
            {
                let found = layer
                    .entry(above.to_owned())
                    .or_insert_with(Entry::directory);
                ensure!(
                    matches!(found.content, Content::Directory),
                    "/{} lies below /{}, which is no folder",
                    path.display(),
                    above.display()
                );
            }
        }
        Ok(layer)
    }
}

/// The path as it stands in a layer: relative to the image's root.
fn inside(path: &Path) -> Result<PathBuf> {
    let mut components = path.components();
    let absolute = components.next() == Some(Component::RootDir);
    let plain = components
        .clone()
        .all(|component| matches!(component, Component::Normal(_)));
    ensure!(
        absolute && plain,
        "{} is no path in an image: write an absolute one without `..`",
        path.display()
    );
    Ok(components.as_path().to_owned())
}

#[cfg(test)]
mod tests;
