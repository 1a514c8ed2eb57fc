//! Places for private engines. Each holds an engine's data, which is kept from run to run so that node
//! images need not be loaded again, and belongs to one cluster at a time.
//!
//! In: the folder of a cluster. Out: a place that no other cluster has. A place is free when the
//! folder of the cluster it belongs to is gone, so that nobody need give one back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache::{Cache, remove_all};
use crate::lock::Lock;

/// More clusters than this a machine does not bear.
const PLACES: usize = 32;

/// So many keep their data when their engine stops; it is some gigabytes each.
const KEPT: usize = 2;

/// A place for an engine.
#[derive(Clone, Debug)]
pub struct Slot {
    folder: PathBuf,
    kept: bool,
}

impl Slot {
    /// The place that belongs to the cluster in this folder, or the first free one, which then does.
    /// The cluster's folder must be there.
    ///
    /// # Errors
    /// When all are taken, or the cache cannot be written.
    pub fn take(cache: &Cache, cluster: &Path) -> Result<Self> {
        let engines = folder(cache);
        let _one_at_a_time = Lock::take(&engines.join("lock"), || {})?;
        let free = || all(cache).find(|slot| slot.owner().is_none());
        let Some(slot) = Self::of(cache, cluster).or_else(free) else {
            bail!(
                "all {PLACES} places for container engines in {} are taken: \
                 remove clusters with `cargo xtask cluster down --name NAME`",
                engines.display()
            );
        };
        let owner = slot.folder.join("owner");
        fs::create_dir_all(&slot.folder)
            .and_then(|()| fs::write(&owner, cluster.as_os_str().as_encoded_bytes()))
            .with_context(|| format!("cannot write {}", owner.display()))?;
        Ok(slot)
    }

    /// The place that belongs to the cluster in this folder, if one does.
    pub fn of(cache: &Cache, cluster: &Path) -> Option<Self> {
        all(cache).find(|slot| slot.owner().as_deref() == Some(cluster))
    }

    /// The name of the control group that everything of the engine is in.
    pub fn group(&self) -> String {
        let key = crate::cache::Key::new().text("slot", &self.folder.to_string_lossy());
        format!("svom-kind-{}", key.short())
    }

    /// The engine's data. What a run that was interrupted left is thrown away first: images can be
    /// loaded again, and containers must not come back.
    ///
    /// # Errors
    /// When it cannot be removed or made.
    pub fn begin(&self) -> Result<PathBuf> {
        let (data, in_use) = (self.folder.join("data"), self.in_use());
        if in_use.exists() {
            remove_all(&data)?;
        }
        fs::create_dir_all(&data)
            .and_then(|()| fs::write(&in_use, ""))
            .with_context(|| format!("cannot write {}", data.display()))?;
        Ok(data)
    }

    /// The engine has stopped as it should, without containers: its data can be used again.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn ended_well(&self) -> Result<()> {
        if self.kept {
            remove_all(&self.in_use())
        } else {
            self.ended_badly()
        }
    }

    /// Throws away the data, of which nobody knows what state it is in.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn ended_badly(&self) -> Result<()> {
        remove_all(&self.folder.join("data"))?;
        remove_all(&self.in_use())
    }

    fn in_use(&self) -> PathBuf {
        self.folder.join("in-use")
    }

    /// The folder of the cluster that it belongs to, where that is still there.
    fn owner(&self) -> Option<PathBuf> {
        let owner = fs::read_to_string(self.folder.join("owner")).ok()?;
        let owner = PathBuf::from(owner);
        owner.exists().then_some(owner)
    }
}

fn folder(cache: &Cache) -> PathBuf {
    cache.folder().join("engines")
}

fn all(cache: &Cache) -> impl Iterator<Item = Slot> {
    let engines = folder(cache);
    (0..PLACES).map(move |number| Slot {
        folder: engines.join(format!("svom-kind-{number}")),
        kept: number < KEPT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_belongs_to_one_cluster_while_its_folder_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache")).unwrap();
        let cluster = |name: &str| {
            let cluster = folder.path().join(name);
            fs::create_dir_all(&cluster).unwrap();
            Slot::take(&cache, &cluster).unwrap().folder
        };
        let (first, second) = (cluster("a"), cluster("b"));
        assert_ne!(first, second);
        assert_eq!(cluster("a"), first);
        fs::remove_dir(folder.path().join("a")).unwrap();
        assert_eq!(cluster("c"), first);
        assert_ne!(cluster("a"), first);
    }

    #[test]
    fn data_is_kept_by_an_engine_that_ended_well_and_by_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let slot = Slot {
            folder: folder.path().to_owned(),
            kept: true,
        };
        let image = slot.begin().unwrap().join("image");
        fs::write(&image, "").unwrap();
        slot.ended_well().unwrap();
        slot.begin().unwrap();
        assert!(image.exists());
        slot.begin().unwrap();
        assert!(!image.exists());
        fs::write(&image, "").unwrap();
        let one_too_many = Slot {
            kept: false,
            ..slot
        };
        one_too_many.ended_well().unwrap();
        assert!(!image.exists());
    }
}
