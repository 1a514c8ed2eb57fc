//! The operator in an image: one static program.
//!
//! In: this checkout's source. Out: the image. Compiled dependencies stay in a folder of the cache,
//! so that a change of the operator's own source compiles that alone, in a new checkout too.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
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
        &build.dependencies_key(),
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
    /// As `CARGO_ENCODED_RUSTFLAGS` has them.
    flags: String,
}

impl<'a> Build<'a> {
    fn prepare(checkout: &'a Path) -> Result<Self> {
        let compiler = command::output(Command::new("rustc").arg("-vV"), ASKED_WITHIN)?;
        let target = Target::choose(&compiler)?;
        // What a program says of its own sources, when it panics, is not to depend on where they lie.
        let sources = cargo_home()?.join("registry/src");
        let renamed = format!("--remap-path-prefix={}=/sources", sources.display());
        let flags = [renamed.as_str(), target.flag];
        let flags = flags.into_iter().filter(|flag| !flag.is_empty());
        Ok(Self {
            checkout,
            compiler,
            flags: flags.collect::<Vec<_>>().join("\u{1f}"),
            target,
        })
    }

    fn compiler_key(&self) -> Key {
        Key::new()
            .text("compiler", &self.compiler)
            .text("target", &self.target.triple)
    }

    /// What the compiled dependencies are good for.
    fn dependencies_key(&self) -> Key {
        self.compiler_key().text("flags", &self.flags)
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
            .env("CARGO_ENCODED_RUSTFLAGS", &self.flags);
        cargo
    }
}

/// What a program without shared libraries is compiled for.
struct Target {
    triple: String,
    /// What the compiler is told besides; nothing where that is empty.
    flag: &'static str,
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
            return Ok(Self { triple, flag: "" });
        }
        let host = compiler
            .lines()
            .find_map(|line| line.strip_prefix("host: "));
        Ok(Self {
            triple: host.context("`rustc -vV` names no host")?.to_owned(),
            flag: "-Ctarget-feature=+crt-static",
        })
    }
}

/// Where cargo keeps the sources that it downloads.
fn cargo_home() -> Result<PathBuf> {
    let given = |name| env::var_os(name).filter(|value| !value.is_empty());
    let home = given("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| given("HOME").map(|home| Path::new(&home).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set: set one of them")
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
