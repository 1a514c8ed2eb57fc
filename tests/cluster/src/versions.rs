//! What the testbed is made of, by version: `tests/kind/versions.json`.
//!
//! In: that file, and the variable that chooses a Kubernetes. Out: typed versions. Go modules have
//! theirs in `go.mod` and its sums; a test holds the two together.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// Which Kubernetes the cluster is, such as `1.33`; unset, the first of the file.
pub const KUBERNETES_VARIABLE: &str = "SVOM_TEST_KUBERNETES";

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Every Kubernetes that the tests run on, the newest first and the oldest supported last.
    pub kubernetes: Vec<Kubernetes>,
    /// A private container engine.
    pub engine: Engine,
    /// What a node's system is made of.
    pub node: Node,
}

/// A Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// As in `1.36.3`.
    pub version: String,
    /// The folder under `tests/kind/` of the Go module that its programs are built from.
    pub modules: String,
    /// The node image that kind's own release names for it or for a later patch of it, with its
    /// digest, where there is one.
    pub public_image: Option<String>,
}

/// A private container engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// The packages of the machine's own Debian that it is made of.
    pub packages: Vec<String>,
}

/// A node's system: a Debian.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name, such as `bookworm`.
    pub suite: String,
    /// The packages beside the essential ones.
    pub packages: Vec<String>,
}

impl Versions {
    /// Reads the file of this checkout.
    ///
    /// # Errors
    /// When it is not as it should be.
    pub fn read() -> Result<Self> {
        let path = data("versions.json");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not in order", path.display()))
    }

    /// The Kubernetes that [`KUBERNETES_VARIABLE`] names, or the first.
    ///
    /// # Errors
    /// When it names none of the file.
    pub fn wanted_kubernetes(&self) -> Result<&Kubernetes> {
        let wanted = env::var(KUBERNETES_VARIABLE).unwrap_or_default();
        self.kubernetes(&wanted).with_context(|| {
            let known: Vec<_> = self
                .kubernetes
                .iter()
                .map(|one| one.version.as_str())
                .collect();
            format!(
                "{KUBERNETES_VARIABLE} is {wanted:?}; write one of {}",
                known.join(", ")
            )
        })
    }

    /// Whether a cluster of this version will do: [`KUBERNETES_VARIABLE`] is unset, or chooses it.
    ///
    /// # Errors
    /// When the variable names none of the file.
    pub fn will_do(&self, version: &str) -> Result<bool> {
        let chosen = env::var_os(KUBERNETES_VARIABLE).is_some_and(|wanted| !wanted.is_empty());
        Ok(!chosen || self.wanted_kubernetes()?.version == version)
    }

    /// The first whose version is `wanted` or begins with it, up to a dot.
    fn kubernetes(&self, wanted: &str) -> Option<&Kubernetes> {
        let is_wanted = |version: &str| {
            let rest = version.strip_prefix(wanted.trim_start_matches('v'));
            wanted.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.kubernetes.iter().find(|one| is_wanted(&one.version))
    }
}

/// A file or folder under `tests/kind/` of this checkout.
#[must_use]
pub fn data(name: &str) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = crate_folder.parent().unwrap_or(crate_folder);
    tests.join("kind").join(name)
}

/// The version of a module that a `go.mod` requires, as in `v1.36.3`.
#[must_use]
pub fn of_module<'a>(modfile: &'a str, module: &str) -> Option<&'a str> {
    let words = modfile.lines().map(|line| {
        let line = line.trim_start();
        line.strip_prefix("require ")
            .unwrap_or(line)
            .split_whitespace()
    });
    let mut found = words.filter_map(|mut words| {
        let here = words.next() == Some(module);
        words
            .next()
            .filter(|version| here && version.starts_with('v'))
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kubernetes_is_the_one_that_its_modules_require() {
        let versions = Versions::read().unwrap();
        assert!(versions.kubernetes.len() >= 2);
        for Kubernetes {
            version, modules, ..
        } in &versions.kubernetes
        {
            let text = fs::read_to_string(data(modules).join("go.mod")).unwrap();
            let required = of_module(&text, "k8s.io/kubernetes");
            assert_eq!(required, Some(format!("v{version}").as_str()), "{modules}");
            let staging = format!("v0.{}", version.strip_prefix("1.").unwrap());
            let replaced: Vec<_> = text.lines().filter(|line| line.contains(" => ")).collect();
            assert!(replaced.len() > 20, "{modules}");
            for line in replaced {
                assert!(line.ends_with(&format!(" {staging}")), "{modules}: {line}");
            }
        }
    }

    #[test]
    fn a_public_image_is_pinned_and_of_the_same_minor() {
        for kubernetes in Versions::read().unwrap().kubernetes {
            let Some(image) = kubernetes.public_image else {
                continue;
            };
            let (minor, _) = kubernetes.version.rsplit_once('.').unwrap();
            assert!(
                image.starts_with(&format!("kindest/node:v{minor}.")),
                "{image}"
            );
            assert!(image.contains("@sha256:"), "{image}");
        }
    }

    #[test]
    fn the_newest_is_first_and_the_oldest_supported_is_last() {
        let versions = Versions::read().unwrap();
        let numbers = |one: &Kubernetes| -> Vec<u32> {
            one.version
                .split('.')
                .map(|part| part.parse().unwrap())
                .collect()
        };
        let found: Vec<_> = versions.kubernetes.iter().map(numbers).collect();
        assert!(
            found.is_sorted_by(|newer, older| newer > older),
            "{found:?}"
        );
        assert_eq!(found.last().unwrap()[..2], [1, 33]);
    }

    #[test]
    fn a_kubernetes_is_chosen_by_the_beginning_of_its_version() {
        let one = |version: &str| Kubernetes {
            version: version.to_owned(),
            modules: ".".to_owned(),
            public_image: None,
        };
        let versions = Versions {
            kubernetes: vec![one("1.36.3"), one("1.33.13")],
            ..Versions::read().unwrap()
        };
        let chosen = |wanted| versions.kubernetes(wanted).map(|one| one.version.as_str());
        assert_eq!(chosen(""), Some("1.36.3"));
        for wanted in ["1.33", "v1.33", "1.33.13"] {
            assert_eq!(chosen(wanted), Some("1.33.13"), "{wanted}");
        }
        for wanted in ["1.3", "1.33.", "latest"] {
            assert_eq!(chosen(wanted), None, "{wanted}");
        }
    }

    #[test]
    fn a_modules_version_is_found_in_both_forms_and_not_in_a_replacement() {
        let modfile = "module m\nrequire a v1.0.0\nrequire (\n\tb/c v2.1.0 // indirect\n)\nreplace (\n\td => e v3.0.0\n)\n";
        assert_eq!(of_module(modfile, "a"), Some("v1.0.0"));
        assert_eq!(of_module(modfile, "b/c"), Some("v2.1.0"));
        assert_eq!(of_module(modfile, "d"), None);
        assert_eq!(of_module(modfile, "b"), None);
    }
}
