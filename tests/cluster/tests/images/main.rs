//! The images that tests run in a cluster: what is in them, and that they are the same wherever they
//! are built.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use svom_cluster::cache::Cache;
use svom_cluster::command;
use svom_cluster::debian;
use svom_cluster::images::{self, Built, Image as Name};
use svom_cluster::notes::{at_level, figure, skip};
use svom_cluster::progress::Progress;

mod archive;
mod containerfile;
mod pods;

use archive::{Image, asks_for_a_loader};

/// The operator's image is wanted to be at most this long, in MiB.
const OPERATOR: f64 = 20.0;
/// Everything that the operator depends on, on a busy machine.
const COMPILED_WITHIN: Duration = Duration::from_secs(3_600);

#[test]
fn images_of_programs_alone_need_nothing_else() -> Result<()> {
    let only = [
        (Name::NatsServer, "1000:1000"),
        (Name::NatsServerPrevious, "1000:1000"),
        (Name::Operator, "65532:65532"),
    ];
    for (name, user) in only {
        let built = build(name)?;
        let image = Image::read(&built.archive, &built.reference)?;
        assert_eq!(image.config["User"], user, "{name:?}");
        let program = image.config["Entrypoint"][0]
            .as_str()
            .context("no program")?;
        assert!(!asks_for_a_loader(image.file(program)?)?, "{name:?}");
        assert_eq!(image.files.len(), 1, "{name:?}: {:?}", image.files.keys());
    }
    Ok(())
}

#[test]
fn the_operators_image_is_small() -> Result<()> {
    let size = mebibytes(&build(Name::Operator)?)?;
    figure(
        "operator's image",
        format!("{size:.1} MiB, at most {OPERATOR} wanted"),
    )?;
    ensure!(size <= OPERATOR, "the operator's image has {size:.1} MiB");
    Ok(())
}

#[test]
fn the_client_has_what_clients_are_written_in() -> Result<()> {
    if let Some(why) = debian::missing() {
        return skip("the_client_has_what_clients_are_written_in", why);
    }
    let built = build(Name::Client)?;
    figure("client's image", format!("{:.1} MiB", mebibytes(&built)?))?;
    let image = Image::read(&built.archive, &built.reference)?;
    assert_eq!(image.config["User"], "1000:1000");
    assert!(!asks_for_a_loader(image.file("/usr/local/bin/nats")?)?);
    for path in [
        "/usr/bin/curl",
        "/usr/lib/python3/dist-packages/nats/__init__.py",
    ] {
        image.file(path)?;
    }
    Ok(())
}

#[test]
fn a_bus_can_be_upgraded_from_the_previous_minor() -> Result<()> {
    let minor = |name| -> Result<(u64, u64)> {
        let reference = build(name)?.reference;
        let version = reference.rsplit_once(':').context("no tag")?.1;
        let mut numbers = version.split('.').map(str::parse);
        let major = numbers.next().context("no major version")??;
        Ok((major, numbers.next().context("no minor version")??))
    };
    let (major, previous) = minor(Name::NatsServerPrevious)?;
    assert_eq!(minor(Name::NatsServer)?, (major, previous + 1));
    Ok(())
}

#[test]
fn nats_server_from_another_folder_is_the_same() -> Result<()> {
    the_same_from_another_folder(Name::NatsServer)?;
    the_same_from_another_folder(Name::NatsServerPrevious)
}

#[test]
fn a_client_from_another_folder_is_the_same() -> Result<()> {
    match debian::missing() {
        Some(why) => skip("a_client_from_another_folder_is_the_same", why),
        None => the_same_from_another_folder(Name::Client),
    }
}

/// The program names no folder that it was compiled from; the proof compiles it once more from another, and
/// everything once more with another of Cargo's.
#[test]
fn an_operator_is_the_same_from_wherever_it_was_compiled() -> Result<()> {
    let here = build(Name::Operator)?;
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let image = fs::read(&here.archive)?;
    for folder in [
        home.clone(),
        root().canonicalize()?,
        svom_cluster::cache::base()?,
    ] {
        let path = folder.to_string_lossy();
        let names = image
            .windows(path.len())
            .any(|part| part == path.as_bytes());
        ensure!(!names, "{} names {path}", here.reference);
    }
    if at_level(true, false) {
        return Ok(());
    }
    the_same_from_another_folder(Name::Operator)?;
    let folder = tempfile::tempdir()?;
    let other = folder.path().join("cargo");
    fs::create_dir(&other)?;
    symlink(home.join("registry"), other.join("registry"))?;
    let mut build = Command::new(env!("CARGO_BIN_EXE_svom-cluster"));
    build
        .args(["image", "operator"])
        .env("CARGO_HOME", &other)
        .env("XDG_CACHE_HOME", folder.path().join("cache"));
    let there = command::output(&mut build, COMPILED_WITHIN)?;
    ensure!(
        fs::read(there.trim())? == image,
        "{} compiled with another CARGO_HOME is another image",
        here.reference
    );
    Ok(())
}

fn the_same_from_another_folder(name: Name) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let checkout = folder.path().join("elsewhere");
    copy(&root(), &checkout)?;
    let here = build(name)?;
    let cache = Cache::at(folder.path().join("cache"))?;
    share_dependencies(&cache)?;
    let there = images::build_from(&checkout, name, &cache, &Progress::shown())?;
    assert_eq!(there.reference, here.reference);
    ensure!(
        fs::read(&there.archive)? == fs::read(&here.archive)?,
        "{} built from another folder is another image",
        here.reference
    );
    Ok(())
}

/// What the operator depends on comes from the same folder for every checkout, so it is not compiled
/// once more.
fn share_dependencies(cache: &Cache) -> Result<()> {
    for child in fs::read_dir(Cache::open()?.folder())? {
        let child = child?;
        let name = child.file_name();
        if name.to_string_lossy().starts_with("operator-build-") && child.file_type()?.is_dir() {
            symlink(child.path(), cache.folder().join(name))?;
        }
    }
    Ok(())
}

/// Copies a checkout without what was built in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for child in fs::read_dir(from)? {
        let child = child?;
        let (name, kind) = (child.file_name(), child.file_type()?);
        if name == "target" || name == ".git" {
            continue;
        } else if kind.is_dir() {
            copy(&child.path(), &to.join(name))?;
        } else if kind.is_file() {
            fs::copy(child.path(), to.join(name))?;
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn build(name: Name) -> Result<Built> {
    images::build(name, &Cache::open()?, &Progress::shown())
}

fn mebibytes(built: &Built) -> Result<f64> {
    Ok(built.size()? as f64 / f64::from(1 << 20))
}
