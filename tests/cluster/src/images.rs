//! The images that tests run in a cluster, made without an image registry.
//!
//! In: Go modules, this checkout's own source, Debian's and Python's packages. Out: archives in the
//! cache, one layer each, which any engine or cluster loads. The same content is the same bytes,
//! whichever folder it was built in. All of them run as users that are not root.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::archive::{Config, ImageArchive};
use crate::cache::{Cache, Key, remove_all};
use crate::progress::{Part, Progress};

mod client;
mod go;
mod nats_server;
mod operator;

/// Names of these images begin with it. No registry has that name, so none is ever asked.
const REGISTRY: &str = "localhost/svom-messaging";

/// Where programs are, in every image.
const PROGRAMS: &str = "/usr/local/bin";

const PATH: &str = "PATH=/usr/local/bin:/usr/bin:/bin";

const ARCHIVE: &str = "image.tar";

/// What writes archives is part of what goes into each.
const ARCHIVE_SOURCE: &str = concat!(include_str!("archive.rs"), include_str!("archive/file.rs"));

/// An image that tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// nats-server, of the version that the product pins.
    NatsServer,
    /// nats-server, of the minor version before.
    NatsServerPrevious,
    /// The operator, from this checkout.
    Operator,
    /// A client's: Python with nats-py, the `nats` command, curl, a shell.
    Client,
}

impl Image {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::NatsServer,
        Self::NatsServerPrevious,
        Self::Operator,
        Self::Client,
    ];
}

/// An image in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its full name, as a pod names it.
    pub reference: String,
    /// The archive to load.
    pub archive: PathBuf,
}

impl Built {
    /// The archive's length, which is the image's: its one layer is not compressed.
    ///
    /// # Errors
    /// When the archive is not there.
    pub fn size(&self) -> Result<u64> {
        let found = self.archive.metadata();
        let found = found.with_context(|| format!("cannot read {}", self.archive.display()))?;
        Ok(found.len())
    }

    /// Its name where it was put elsewhere, as `registry.example.org/team`.
    pub fn below(&self, place: &str) -> String {
        let name = self.reference.strip_prefix(REGISTRY);
        format!("{place}{}", name.unwrap_or(&self.reference))
    }
}

/// Makes an image from this checkout, or finds it made.
///
/// # Errors
/// When a program cannot be built or a package cannot be had, and why.
pub fn build(image: Image, cache: &Cache, progress: &Progress) -> Result<Built> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    build_from(&checkout, image, cache, progress)
}

/// The same, from a given checkout.
///
/// # Errors
/// As [`build`].
pub fn build_from(
    checkout: &Path,
    image: Image,
    cache: &Cache,
    progress: &Progress,
) -> Result<Built> {
    match image {
        Image::NatsServer => nats_server::build(checkout, nats_server::PRODUCT, cache, progress),
        Image::NatsServerPrevious => {
            nats_server::build(checkout, nats_server::PREVIOUS, cache, progress)
        }
        Image::Operator => operator::build(checkout, cache, progress),
        Image::Client => client::build(checkout, cache, progress),
    }
}

/// What is about to be made.
struct Recipe {
    /// The image's name, without its tag.
    name: &'static str,
    /// `None` where each state of what goes in has a tag of its own.
    tag: Option<String>,
    config: Config,
    /// Everything that goes in.
    key: Key,
}

impl Recipe {
    /// Keeps the image in the cache. `fill` puts its files in, with a folder for what it makes on the
    /// way.
    fn keep(
        self,
        cache: &Cache,
        progress: &Progress,
        fill: impl FnOnce(&mut ImageArchive, &Path, &Part) -> Result<()>,
    ) -> Result<Built> {
        let key = self.key.text("archive", ARCHIVE_SOURCE);
        let tag = self.tag.unwrap_or_else(|| key.short());
        let reference = format!("{REGISTRY}/{}:{tag}", self.name);
        let entry = format!("image-{}", self.name);
        let folder = cache.entry(&entry, &key, progress, |folder| {
            progress.part(&format!("the image {reference}"), |part| {
                let parts = folder.join("parts");
                fs::create_dir(&parts)
                    .with_context(|| format!("cannot make {}", parts.display()))?;
                let mut archive = ImageArchive::new(&reference, self.config);
                fill(&mut archive, &parts, part)?;
                part.note("writing the archive");
                archive.write(&folder.join(ARCHIVE))?;
                remove_all(&parts)
            })
        })?;
        Ok(Built {
            reference,
            archive: folder.join(ARCHIVE),
        })
    }
}
