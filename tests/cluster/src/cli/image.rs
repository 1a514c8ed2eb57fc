//! `cargo xtask cluster image`: images without a registry.
//!
//! In: which. Out: their archives' paths, one a line; names and lengths where progress goes.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::cache::Cache;
use crate::image;
use crate::images::{self, Image};
use crate::progress::Progress;
use crate::versions::Versions;

/// An image, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// kind's node, of the Kubernetes that `SVOM_TEST_KUBERNETES` chooses
    Node,
    /// nats-server, of the version that the product pins
    NatsServer,
    /// nats-server, of the minor version before
    NatsServerPrevious,
    /// The operator, from this checkout
    Operator,
    /// A client's: Python with nats-py, the `nats` command, curl, a shell
    Client,
    /// All but the node's
    All,
}

/// Makes them, or finds them made; the paths of their archives.
pub fn archives(which: &[Which], progress: &Progress) -> Result<Vec<PathBuf>> {
    let cache = Cache::open()?;
    let mut archives = Vec::new();
    for one in which {
        let images: &[Image] = match one {
            Which::Node => {
                archives.push(node(&cache, progress)?);
                &[]
            }
            Which::NatsServer => &[Image::NatsServer],
            Which::NatsServerPrevious => &[Image::NatsServerPrevious],
            Which::Operator => &[Image::Operator],
            Which::Client => &[Image::Client],
            Which::All => &Image::ALL,
        };
        for image in images {
            let built = images::build(*image, &cache, progress)?;
            tell(&built.reference, built.size()?, progress);
            archives.push(built.archive);
        }
    }
    Ok(archives)
}

fn node(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let versions = Versions::read()?;
    let built = image::node(cache, &versions, versions.wanted_kubernetes()?, progress)?;
    let found = built.archive.metadata();
    let found = found.with_context(|| format!("cannot read {}", built.archive.display()))?;
    tell(&built.reference, found.len(), progress);
    Ok(built.archive)
}

fn tell(reference: &str, bytes: u64, progress: &Progress) {
    const TENTH: u64 = (1 << 20) / 10;
    let tenths = bytes.div_ceil(TENTH);
    progress.say(&format!("{reference}: {}.{} MiB", tenths / 10, tenths % 10));
}
