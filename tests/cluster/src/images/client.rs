//! A client's image: Python with nats-py, the `nats` command, curl, and a shell to run them from.
//!
//! In: Debian's packages, nats-py as the suites pin it, the module of the `nats` command. Out: the
//! image.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::go::Program;
use super::{Built, PATH, PROGRAMS, Recipe};
use crate::archive::{Config, Entry, ImageArchive, Owner};
use crate::cache::{Cache, Key};
use crate::debian::{self, Dependencies};
use crate::progress::{Part, Progress};

const PACKAGES: [&str; 4] = ["coreutils", "curl", "dash", "python3"];

/// Where Debian's Python looks for packages.
const PYTHON_PACKAGES: &str = "/usr/lib/python3/dist-packages";

const USER: &str = "1000:1000";
const USERS: &str = "root:x:0:0::/:/bin/sh\nclient:x:1000:1000::/tmp:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nclient:x:1000:\n";

/// Makes the image, or finds it made.
pub fn build(checkout: &Path, cache: &Cache, progress: &Progress) -> Result<Built> {
    let debian = debian::extracted(cache, &PACKAGES, Dependencies::All, progress)?;
    let requirements = checkout.join("tests/kind/images/client-requirements.txt");
    let module = checkout.join("tests/nats-command");
    let nats = Program {
        module: &module,
        package: "github.com/nats-io/natscli/nats",
    };
    let key = Key::new()
        .text("image", include_str!("client.rs"))
        .folder("debian", &debian)?
        .file("python", &requirements)?;
    let recipe = Recipe {
        name: "client",
        tag: None,
        config: config(),
        key: nats.into_key(key)?,
    };
    recipe.keep(cache, progress, |archive, parts, part| {
        add_debian(archive, &debian)?;
        let python = parts.join("python");
        install(&requirements, parts, &python, part)?;
        archive.add_tree(PYTHON_PACKAGES, &python, Owner::Root)?;
        let command = parts.join("nats");
        nats.build(&command, part)?;
        archive.add(format!("{PROGRAMS}/nats"), Entry::host_file(command))
    })
}

fn config() -> Config {
    Config {
        // A client waits to be told what to do.
        entrypoint: ["sleep", "infinity"].map(str::to_owned).to_vec(),
        environment: [
            PATH,
            "HOME=/tmp",
            "PYTHONUNBUFFERED=1",
            // Nothing of the image is compiled, and its folders are not the client's: what the first
            // run compiles, the next one finds here.
            "PYTHONPYCACHEPREFIX=/tmp/python",
        ]
        .map(str::to_owned)
        .to_vec(),
        user: USER.to_owned(),
        // `sleep` has no handler, so that as the first process it would let SIGTERM pass.
        stop_signal: "SIGKILL".to_owned(),
    }
}

/// The packages' files without what no program reads: texts, and tables of character sets.
fn add_debian(archive: &mut ImageArchive, debian: &Path) -> Result<()> {
    archive.add_tree("/", debian, Owner::Root)?;
    let tables = format!("/usr/lib/{}-linux-gnu/gconv", std::env::consts::ARCH);
    for path in ["/usr/share", "/var", &tables] {
        archive.remove(path)?;
    }
    // Suites whose packages have everything below /usr leave these links to an installation.
    for folder in ["bin", "lib", "lib64"] {
        if !debian.join(folder).exists() {
            archive.add(
                format!("/{folder}"),
                Entry::symlink(format!("usr/{folder}")),
            )?;
        }
    }
    archive.add("/etc/passwd", Entry::bytes(USERS))?;
    archive.add("/etc/group", Entry::bytes(GROUPS))?;
    archive.add("/tmp", Entry::directory().mode(0o1777))
}

/// Installs the packages into a folder of their own, hashes checked by pip. The interpreter here is
/// another than the image's, so only packages of Python alone will do.
fn install(requirements: &Path, parts: &Path, packages: &Path, part: &Part) -> Result<()> {
    let environment = parts.join("venv");
    part.run(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    )
    .context("nats-py is fetched with Python 3.11 or later and venv (Debian: python3-venv)")?;
    part.run(
        Command::new(environment.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--require-hashes", "--no-deps", "--no-compile"])
            .args([
                "--only-binary",
                ":all:",
                "--platform",
                "any",
                "--abi",
                "none",
            ])
            .args(["--implementation", "py", "--requirement"])
            .arg(requirements)
            .arg("--target")
            .arg(packages),
    )
}
