//! The Python environment with the stock client, made once and kept outside the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::kept::kept;
use crate::program::run;

/// The script that drives nats-py.
pub const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/client.py");

/// What is installed, in this order: the second needs the first, for a package that has no wheel.
const BUILD_REQUIREMENTS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/python/build-requirements.txt");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt");
/// That package; it is Python alone.
const WITHOUT_WHEEL: &str = "nkeys";

/// The interpreter with everything in `python/*requirements.txt`, hashes checked by pip.
///
/// # Errors
/// When there is no `python3` with `venv`, or the packages cannot be had.
pub fn interpreter() -> Result<PathBuf> {
    let folder = kept("venv", &[BUILD_REQUIREMENTS, REQUIREMENTS], make)?;
    Ok(folder.join("bin/python"))
}

fn make(folder: &Path) -> Result<()> {
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(folder))
    .context("the suites need python3 with venv (Debian: apt-get install python3-venv)")?;
    install(folder, BUILD_REQUIREMENTS, &[])?;
    let without_wheel = ["--no-binary", WITHOUT_WHEEL, "--no-build-isolation"];
    install(folder, REQUIREMENTS, &without_wheel)
}

fn install(folder: &Path, requirements: &str, options: &[&str]) -> Result<()> {
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "--require-hashes"])
        .args(["--only-binary", ":all:"])
        .args(options)
        .args(["--requirement", requirements]);
    run(&mut pip).map(|_| ())
}
