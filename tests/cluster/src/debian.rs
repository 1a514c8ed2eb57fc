//! Programs from Debian's packages, on a machine where they are not installed.
//!
//! In: names of packages. Out: a folder with their files. apt fetches them from the machine's own
//! sources and verifies signatures with the machine's own keys; lists and packages lie in the cache,
//! and neither apt's state nor one installed file of the machine changes. No package's scripts run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::cache::{Cache, Key};
use crate::progress::{Part, Progress};

/// The system whose packages these are; a machine that changes it gets them anew.
const SYSTEM: &str = "/etc/os-release";
const INSTALLED: &str = "/var/lib/dpkg/status";

/// What else is fetched along with the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependencies {
    /// What the machine lacks: for programs that run on the machine itself.
    Missing,
    /// All of them, the C library included: for programs that run on files of their own.
    All,
}

/// What is missing for packages to be fetched; nothing where nothing is.
pub fn missing() -> Option<String> {
    let runs = |program: &str| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let needed = ["apt-get", "dpkg-deb"];
    let program = needed.into_iter().find(|program| !runs(program))?;
    Some(format!("{program} is missing"))
}

/// A folder with the files of these packages and of what they depend on.
///
/// # Errors
/// When apt cannot fetch or verify a package, with its words.
pub fn extracted(
    cache: &Cache,
    packages: &[&str],
    dependencies: Dependencies,
    progress: &Progress,
) -> Result<PathBuf> {
    let key = Key::new()
        .text("dependencies", &format!("{dependencies:?}"))
        .text("packages", &packages.join(" "))
        .text("architecture", std::env::consts::ARCH)
        .file("system", Path::new(SYSTEM))?;
    cache.entry("debian", &key, progress, |folder| {
        let what = format!("Debian's packages {}", packages.join(", "));
        progress.part(&what, |part| {
            let fetched = Apt::prepare(cache, dependencies)?.fetch(packages, folder, part)?;
            for package in &fetched {
                part.note(&format!("unpacking {}", package.display()));
                part.run(
                    Command::new("dpkg-deb")
                        .arg("--extract")
                        .arg(package)
                        .arg(folder),
                )?;
                fs::remove_file(package)
                    .with_context(|| format!("cannot remove {}", package.display()))?;
            }
            Ok(())
        })
    })
}

/// apt with state of its own, held by one run at a time.
struct Apt {
    configuration: PathBuf,
    _lock: File,
}

impl Apt {
    fn prepare(cache: &Cache, dependencies: Dependencies) -> Result<Self> {
        let folder = cache.folder().join("apt");
        for below in ["state/lists/partial", "archives/partial", "log"] {
            let path = folder.join(below);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let path = folder.join("lock");
        let lock =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        flock(&lock, FlockOperation::LockExclusive)
            .with_context(|| format!("cannot lock {}", path.display()))?;
        let nothing = folder.join("nothing-installed");
        let installed = match dependencies {
            Dependencies::Missing => Path::new(INSTALLED),
            Dependencies::All => &nothing,
        };
        let configuration = folder.join("apt.conf");
        for (path, text) in [
            (&nothing, String::new()),
            (&configuration, apt_conf(&folder, installed)),
        ] {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self {
            configuration,
            _lock: lock,
        })
    }

    /// Downloads packages into `folder`; their paths.
    fn fetch(&self, packages: &[&str], folder: &Path, part: &Part) -> Result<Vec<PathBuf>> {
        // One of the machine's sources that is away need not be the one that has the packages, so what
        // counts is whether they can be had.
        let updated = part.run(self.get().arg("update"));
        let archives = format!("Dir::Cache::archives={}", folder.display());
        let mut install = self.get();
        install
            .args(["install", "--download-only", "--reinstall", "--option"])
            .arg(&archives)
            .args(packages);
        if let Err(problem) = part.run(&mut install) {
            return Err(match updated {
                Ok(()) => problem,
                Err(before) => problem.context(format!("{before:#}")),
            });
        }
        for left in ["lock", "partial"] {
            crate::cache::remove_all(&folder.join(left))?;
        }
        let mut found = Vec::new();
        let unreadable = || format!("cannot read {}", folder.display());
        for child in fs::read_dir(folder).with_context(unreadable)? {
            found.push(child.with_context(unreadable)?.path());
        }
        ensure!(
            found.len() >= packages.len(),
            "apt fetched {} packages for {}",
            found.len(),
            packages.join(", ")
        );
        found.sort();
        Ok(found)
    }

    fn get(&self) -> Command {
        let mut get = Command::new("apt-get");
        get.args(["--quiet", "--yes", "--config-file"])
            .arg(&self.configuration)
            .env("DEBIAN_FRONTEND", "noninteractive");
        get
    }
}

/// Read after the machine's own configuration, whose hooks would touch its packages.
fn apt_conf(folder: &Path, installed: &Path) -> String {
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
Dir::State "{folder}/state";
Dir::State::status "{installed}";
Dir::Cache "{folder}";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "{folder}/log";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::AllowUnauthenticated "false";
APT::Keep-Downloaded-Packages "true";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Retries "3";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
"#,
        folder = folder.display(),
        installed = installed.display(),
    )
}
