//! The agent's image: its two programs, and of Debian what they call.
//!
//! In: `tests/kind/agent/`, `tests/kind/resizer/` and the registries of Go and Debian. Out: an archive,
//! kept in the cache by what went in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::archive::{Config, Entry, ImageArchive};
use crate::cache::{Cache, Key};
use crate::debian::{self, Dependencies};
use crate::progress::{Part, Progress};
use crate::versions::data;
use crate::{command, system};

/// What an image is made of beside its sources; raise it when this file changes that.
const LAYOUT: &str = "1";

const PACKAGES: [&str; 2] = ["nftables", "xfsprogs"];
const CALLED: [&str; 3] = ["/usr/sbin/nft", "/sbin/mkfs.xfs", "/usr/sbin/xfs_growfs"];

/// Each program: its module's folder, its package, and its name in the image's root.
const PROGRAMS: [(&str, &str, &str); 2] = [
    ("agent", ".", "testbed-agent"),
    (
        "resizer",
        "github.com/kubernetes-csi/external-resizer/cmd/csi-resizer",
        "csi-resizer",
    ),
];

const ASKED_WITHIN: Duration = Duration::from_secs(60);

/// An image in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentImage {
    /// The name that manifests know it by.
    pub reference: String,
    /// The file that `kind load image-archive` takes.
    pub archive: PathBuf,
}

/// The agent's image, built where it is not in the cache.
///
/// # Errors
/// When Go or apt is missing, something cannot be fetched or verified, or the build fails.
pub fn image(cache: &Cache, progress: &Progress) -> Result<AgentImage> {
    let compiler = command::output(Command::new("go").args(["env", "GOVERSION"]), ASKED_WITHIN)
        .context("Go is missing or too old: install Go 1.26 or later (https://go.dev/dl)")?;
    let system = debian::extracted(cache, &PACKAGES, Dependencies::All, progress)?;
    let mut key = Key::new()
        .text("layout", LAYOUT)
        .text("compiler", compiler.trim())
        .text("architecture", std::env::consts::ARCH)
        .text("system", &system.to_string_lossy());
    for (module, _, _) in PROGRAMS {
        key = key.folder(module, &data(module))?;
    }
    let reference = format!("docker.io/library/svom-testbed:{}", key.short());
    let folder = cache.entry("testbed", &key, progress, |folder| {
        progress.part("building the testbed's agent", |part| {
            write(&reference, &system, folder, part)
        })
    })?;
    Ok(AgentImage {
        reference,
        archive: archive_in(&folder),
    })
}

fn archive_in(folder: &Path) -> PathBuf {
    folder.join("image.tar")
}

fn write(reference: &str, system: &Path, folder: &Path, part: &Part) -> Result<()> {
    let config = Config {
        entrypoint: vec!["/testbed-agent".to_owned()],
        environment: vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
        ..Config::default()
    };
    let mut image = ImageArchive::new(reference, config);
    for below in ["/dev", "/etc", "/proc", "/run", "/sys", "/var"] {
        image.add(below, Entry::directory())?;
    }
    image.add("/tmp", Entry::directory().mode(0o1777))?;
    system::add_with_libraries(&mut image, system, &CALLED)?;
    let mut built = Vec::new();
    for (module, package, name) in PROGRAMS {
        let program = folder.join(name);
        part.note(&format!("building {name}"));
        part.run(&mut build(module, package, &program))?;
        image.add(
            Path::new("/").join(name),
            Entry::host_file(&program).mode(0o755),
        )?;
        built.push(program);
    }
    image.write(&archive_in(folder))?;
    built
        .iter()
        .try_for_each(|program| crate::cache::remove_all(program))
}

/// Go, with nothing of the user's settings that would change what is built.
fn build(module: &str, package: &str, program: &Path) -> Command {
    let mut build = Command::new("go");
    build
        .current_dir(data(module))
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(program)
        .arg(package);
    build
}
