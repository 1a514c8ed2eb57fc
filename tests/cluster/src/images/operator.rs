//! The operator in an image: one static program.
//!
//! In: this checkout's source. Out: the image. Compiled dependencies stay in a folder of the cache,
//! so that a change of the operator's own source compiles that alone, in a new checkout too.

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};

use super::{Built, PATH, PROGRAMS, Recipe};
use crate::archive::{Config, Entry};
use crate::cache::{Cache, Key};
use crate::command;
use crate::progress::{Part, Progress};

const PROGRAM: &str = "svom-messaging";
const PACKAGE: &str = "svom-operator";
const PROFILE: &str = "image";
const USER: &str = "65532:65532";

/// Of the workspace, what the program is compiled from.
const SOURCES: [&str; 2] = ["crds", "operator"];
const SETTINGS: [&str; 3] = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"];

const ASKED_WITHIN: Duration = Duration::from_secs(60);
const ADDED_WITHIN: Duration = Duration::from_secs(600);

/// Makes the image, or finds it made.
pub fn build(checkout: &Path, cache: &Cache, progress: &Progress) -> Result<Built> {
    let path = format!("{PROGRAMS}/{PROGRAM}");
    let build = Build::prepare(checkout)?;
    let recipe = Recipe {
        name: "operator",
        tag: None,
        config: Config {
            entrypoint: vec![path.clone()],
            environment: vec![PATH.to_owned()],
            user: USER.to_owned(),
            stop_signal: String::new(),
        },
        key: build.source_key()?,
    };
    let dependencies = cache.entry(
        "operator-build",
        &build.compiler_key(),
        progress,
        |_| Ok(()),
    )?;
    recipe.keep(cache, progress, |archive, parts, part| {
        let program = parts.join(PROGRAM);
        build.run(&dependencies, &program, part)?;
        archive.add(&path, Entry::host_file(program))
    })
}

/// How the program is compiled.
struct Build<'a> {
    checkout: &'a Path,
    /// What `rustc` says about itself.
    compiler: String,
    target: Target,
}

impl<'a> Build<'a> {
    fn prepare(checkout: &'a Path) -> Result<Self> {
        let compiler = command::output(Command::new("rustc").arg("-vV"), ASKED_WITHIN)?;
        let target = Target::choose(&compiler)?;
        Ok(Self {
            checkout,
            compiler,
            target,
        })
    }

    /// What the compiled dependencies are good for.
    fn compiler_key(&self) -> Key {
        Key::new()
            .text("compiler", &self.compiler)
            .text("target", &self.target.triple)
    }

    /// Everything that the program comes from.
    fn source_key(&self) -> Result<Key> {
        let recipe = include_str!("operator.rs");
        let mut key = self.compiler_key().text("recipe", recipe);
        for name in SETTINGS {
            key = key.file(name, &self.checkout.join(name))?;
        }
        for name in SOURCES {
            key = key.folder(name, &self.checkout.join(name))?;
        }
        Ok(key)
    }

    /// Compiles it in a folder that other checkouts use too. Cargo takes a file for unchanged by its
    /// time, which says nothing across checkouts, so the workspace's own crates are always compiled.
    fn run(&self, folder: &Path, output: &Path, part: &Part) -> Result<()> {
        let began = self.source_key()?.short();
        part.note("waiting for another build of the operator");
        let _lock = lock(&folder.join("lock"))?;
        part.run(self.cargo("clean", folder).arg("--workspace"))?;
        part.run(
            self.cargo("build", folder)
                .args(["--package", PACKAGE, "--bin", PROGRAM]),
        )?;
        let built = folder.join(&self.target.triple).join(PROFILE).join(PROGRAM);
        fs::copy(&built, output).with_context(|| format!("cannot copy {}", built.display()))?;
        ensure!(
            self.source_key()?.short() == began,
            "the operator's source changed while it was compiled: build the image again"
        );
        Ok(())
    }

    fn cargo(&self, subcommand: &str, folder: &Path) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // What cargo says about the package that runs must not reach the build scripts of others:
        // they run again when it changes.
        for (variable, _) in env::vars_os() {
            let variable = variable.to_string_lossy();
            if variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&*variable);
            }
        }
        cargo
            .args([
                subcommand,
                "--locked",
                "--profile",
                PROFILE,
                "--target",
                &self.target.triple,
            ])
            .arg("--target-dir")
            .arg(folder)
            .current_dir(self.checkout)
            .env("CARGO_ENCODED_RUSTFLAGS", self.target.flags);
        cargo
    }
}

/// What a program without shared libraries is compiled for.
struct Target {
    triple: String,
    /// As `CARGO_ENCODED_RUSTFLAGS` has them.
    flags: &'static str,
}

impl Target {
    /// musl, where Rust has it or rustup can add it; or else the machine's own C library.
    fn choose(compiler: &str) -> Result<Self> {
        let triple = format!("{}-unknown-linux-musl", env::consts::ARCH);
        if !installed(&triple)? {
            let mut rustup = Command::new("rustup");
            // Whether it worked is asked of the compiler.
            drop(command::output(
                rustup.args(["target", "add", &triple]),
                ADDED_WITHIN,
            ));
        }
        if installed(&triple)? {
            return Ok(Self { triple, flags: "" });
        }
        let host = compiler
            .lines()
            .find_map(|line| line.strip_prefix("host: "));
        Ok(Self {
            triple: host.context("`rustc -vV` names no host")?.to_owned(),
            flags: "-Ctarget-feature=+crt-static",
        })
    }
}

/// Whether Rust's own libraries are there for a target.
fn installed(triple: &str) -> Result<bool> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", triple]);
    let folder = command::output(&mut rustc, ASKED_WITHIN)?;
    Ok(Path::new(folder.trim()).is_dir())
}

fn lock(path: &Path) -> Result<File> {
    let unlockable = || format!("cannot lock {}", path.display());
    let lock = File::create(path).with_context(unlockable)?;
    flock(&lock, FlockOperation::LockExclusive).with_context(unlockable)?;
    Ok(lock)
}
