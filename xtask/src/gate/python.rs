//! The client library for Python: its form, its types, its packages, and its tests with every Python
//! that the machine has.
//!
//! In: `clients/python`. Out: counts. The packages are built from a copy, and the tests run against the
//! wheel, so that nothing is written into the checkout and what is tested is what is shipped.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::libtest::{Tally, pytest_line};
use super::step::{Tool, check, count};
use super::{Gate, Level, programs};
use crate::root;

const MISSING: &str = "Python is missing: install Python 3.10 or later with venv (Debian: apt-get install python3-venv)";
/// Has no wheel; it is Python alone.
const WITHOUT_WHEEL: &str = "nkeys";
const OLDEST: u32 = 10;
/// What the gate runs with Pythons beside the machine's own; the proof runs everything with each.
const WITH_OTHERS_IN_THE_GATE: [&str; 2] = ["tests/test_messages.py", "tests/test_publish.py"];

/// Everything with the machine's own Python, and with each of the others what the level asks for of what
/// depends on the Python.
pub fn run(gate: &Gate) -> anyhow::Result<Tally> {
    programs::build_all()?;
    let pythons = Interpreter::every();
    let Some((own, others)) = pythons.split_first() else {
        bail!(MISSING);
    };
    let environment = own.environment()?;
    let mut tally = environment.form_and_types()?;
    let (built, wheel) = environment.packages()?;
    tally += built;
    let Some(wheel) = wheel else {
        return Ok(tally);
    };
    tally += environment.tests(gate, &wheel, &[])?;
    for other in others {
        println!("with Python {}", other.version);
        let environment = other.environment()?;
        let words = ["-m", "not once"].iter().chain(match gate.level {
            Level::Gate => &WITH_OTHERS_IN_THE_GATE[..],
            Level::Proof => &[],
        });
        tally += environment.tests(gate, &wheel, &words.copied().collect::<Vec<_>>())?;
    }
    Ok(tally)
}

/// A Python.
struct Interpreter {
    program: PathBuf,
    version: String,
}

impl Interpreter {
    /// The machine's own first, then one of every other minor version from 3.10 on.
    fn every() -> Vec<Self> {
        let named = (OLDEST..OLDEST + 10).rev();
        let on_path = named.map(|minor| PathBuf::from(format!("python3.{minor}")));
        let candidates = std::iter::once(PathBuf::from("python3"))
            .chain(on_path)
            .chain(managed());
        let mut found: Vec<Self> = Vec::new();
        for candidate in candidates {
            if let Some(python) = Self::at(candidate)
                && found.iter().all(|known| known.minor() != python.minor())
            {
                found.push(python);
            }
        }
        found
    }

    fn at(program: PathBuf) -> Option<Self> {
        let ask = "import sys; print(*sys.version_info[:3], sep='.')";
        let version = Tool::new(&program, ["-c", ask]).prints().ok()?;
        let python = Self { program, version };
        python.minor().filter(|minor| *minor >= OLDEST)?;
        Some(python)
    }

    fn minor(&self) -> Option<u32> {
        self.version
            .strip_prefix("3.")?
            .split('.')
            .next()?
            .parse()
            .ok()
    }

    /// An environment with everything that the tests need, hashes checked; made once for each state of
    /// what is in it.
    fn environment(&self) -> anyhow::Result<Environment> {
        let requirements = client().join("tests").join("requirements.txt");
        let wanted = std::fs::read(&requirements)
            .with_context(|| format!("{} cannot be read", requirements.display()))?;
        let mut hasher = DefaultHasher::new();
        (&wanted, &self.version).hash(&mut hasher);
        let folder = root::cache().join(format!("python-{:016x}", hasher.finish()));
        let environment = Environment { folder };
        // Written last, so that an environment that was cut short is made anew.
        let done = environment.folder.join("installed");
        if !done.exists() {
            println!("making an environment of Python {} (once)", self.version);
            self.make(&environment, &requirements)?;
            std::fs::write(&done, &self.version)
                .with_context(|| format!("{} cannot be written", done.display()))?;
        }
        Ok(environment)
    }

    fn make(&self, environment: &Environment, requirements: &Path) -> anyhow::Result<()> {
        let mut venv = Tool::new(&self.program, ["-m", "venv", "--clear"]);
        venv.argument(&environment.folder);
        if !venv.holds()? {
            bail!("{MISSING}");
        }
        // What is built from source is built with the setuptools that are pinned: they come first.
        for without in [Some(WITHOUT_WHEEL), None] {
            let mut pip = environment.module("pip");
            for word in [
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
            ] {
                pip.argument(word);
            }
            pip.argument("--requirement");
            match without {
                Some(package) => pip.argument(only_others(requirements, package)?),
                None => {
                    pip.argument(requirements);
                    pip.argument("--no-build-isolation");
                }
            }
            if !pip.holds()? {
                bail!("the packages of clients/python/tests/requirements.txt cannot be installed");
            }
        }
        Ok(())
    }
}

/// Pythons that pyenv manages, the newest of each minor version first; its own names on the path run one
/// of them alone.
fn managed() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
    let Some(pyenv) = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home) else {
        return Vec::new();
    };
    let Ok(entries) = std::fs::read_dir(pyenv.join("versions")) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join("python3")))
        .filter(|python| python.exists())
        .collect();
    found.sort();
    found.reverse();
    found
}

/// The requirements without one package and its hashes, in a file beside the run's other notes.
fn only_others(requirements: &Path, package: &str) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(requirements)
        .with_context(|| format!("{} cannot be read", requirements.display()))?;
    let path = root::scratch().join("python-requirements.txt");
    std::fs::write(&path, without(&text, package))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

fn without(requirements: &str, package: &str) -> String {
    let mut left_out = false;
    let mut rest = String::new();
    for line in requirements.lines() {
        if !line.starts_with([' ', '#']) {
            left_out = line.starts_with(&format!("{package}=="));
        }
        if !left_out {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    rest
}

/// A Python with what the tests need.
struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// A module of it as a program, run in the client's folder, which it does not write into.
    fn module(&self, name: &str) -> Tool {
        let mut tool = Tool::new(self.folder.join("bin").join("python"), ["-m", name]);
        tool.folder(client());
        tool.env("PYTHONDONTWRITEBYTECODE", "1");
        tool
    }

    fn form_and_types(&self) -> anyhow::Result<Tally> {
        let cache = root::scratch().join("mypy");
        let mut format = self.module("ruff");
        for word in ["format", "--no-cache", "--check", "."] {
            format.argument(word);
        }
        let mut lint = self.module("ruff");
        for word in ["check", "--no-cache", "."] {
            lint.argument(word);
        }
        let mut types = self.module("mypy");
        types.argument("--cache-dir");
        types.argument(cache);
        let mut tally = check(format)?;
        tally += check(lint)?;
        tally += check(types)?;
        Ok(tally)
    }

    /// Wheel and source package, made from a copy; and where the wheel is.
    fn packages(&self) -> anyhow::Result<(Tally, Option<PathBuf>)> {
        let folder = root::scratch().join("python");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
        let mut copy = Tool::new("cp", ["-R"]);
        copy.argument(client());
        copy.argument(&folder);
        if !copy.holds()? {
            bail!("clients/python cannot be copied to {}", folder.display());
        }
        let mut build = self.module("build");
        build.folder(folder.clone());
        build.argument("--no-isolation");
        let tally = check(build)?;
        let packages = std::fs::read_dir(folder.join("dist"));
        let wheel = packages.into_iter().flatten().find_map(|entry| {
            let path = entry.ok()?.path();
            (path.extension()? == "whl").then_some(path)
        });
        Ok((tally, wheel))
    }

    fn tests(&self, gate: &Gate, wheel: &Path, words: &[&str]) -> anyhow::Result<Tally> {
        let mut pip = self.module("pip");
        for word in [
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--force-reinstall",
        ] {
            pip.argument(word);
        }
        pip.argument(wheel);
        if !pip.holds()? {
            return Ok(Tally::FAILED);
        }
        let mut pytest = self.module("pytest");
        for word in ["-p", "no:cacheprovider"].iter().chain(words) {
            pytest.argument(word);
        }
        // What it remembers of the source would lie in the checkout.
        pytest.env(
            "HYPOTHESIS_STORAGE_DIRECTORY",
            root::scratch().join("hypothesis"),
        );
        gate.inform(&mut pytest);
        for (name, path) in programs::variables()? {
            pytest.env(name, path);
        }
        count(pytest, pytest_line, &mut std::io::stdout())
    }
}

fn client() -> PathBuf {
    root::checkout().join("clients").join("python")
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn a_package_is_left_out_with_its_hashes() {
        let all = "a==1 \\\n    --hash=sha256:1\nnkeys==2 \\\n    --hash=sha256:2\n    # via nats-py\nz==3 \\\n    --hash=sha256:3\n";
        let rest = "a==1 \\\n    --hash=sha256:1\nz==3 \\\n    --hash=sha256:3\n";
        assert_eq!(without(all, "nkeys"), rest);
    }
}
