//! The files that are made from the source.
//!
//! In: the resource's types, the program's command line, the list of its calls to the API server, and
//! the health check for Argo CD. Out: files in the checkout, or the names of those that differ. What it
//! writes depends on the source alone: the same source, the same bytes.

use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use svom_operator::cli::Cli;
use svom_operator::kubernetes::rights::Scope;

use crate::gate::step::Tool;
use crate::root;

mod argocd;
mod chart;
mod command_line;
mod reference;
mod rights;

const HEALTH: &str = "manifests/gitops/argocd/health.lua";

/// A file that is made, and what belongs into it.
struct Generated {
    path: &'static str,
    content: String,
}

fn all() -> anyhow::Result<Vec<Generated>> {
    let crd =
        svom_crds::crd_yaml().context("the CustomResourceDefinition cannot be written as YAML")?;
    let value = serde_json::to_value(svom_crds::crd())
        .context("the CustomResourceDefinition cannot be written as JSON")?;
    let health = std::fs::read_to_string(root::checkout().join(HEALTH))
        .with_context(|| format!("cannot read {HEALTH}"))?;
    Ok(vec![
        Generated {
            path: "charts/svom-messaging/templates/_rights.tpl",
            content: rights::templates()?,
        },
        Generated {
            path: "charts/svom-messaging/templates/crd.yaml",
            content: chart::template(&crd)?,
        },
        Generated {
            path: "crds/svommessaging.yaml",
            content: crd,
        },
        Generated {
            path: "docs/command-line.md",
            content: command_line::page(Cli::command())?,
        },
        Generated {
            path: "docs/reference.md",
            content: reference::page(&value)?,
        },
        Generated {
            path: "docs/rights.md",
            content: rights::page()?,
        },
        Generated {
            path: "manifests/base/leader-election-role.yaml",
            content: rights::role("svom-messaging-leader-election", Scope::Own)?,
        },
        Generated {
            path: "manifests/gitops/argocd/argocd-cm.yaml",
            content: argocd::settings(&health),
        },
        Generated {
            path: "manifests/rights/role.yaml",
            content: rights::role("svom-messaging", Scope::Buses)?,
        },
    ])
}

/// Writes what differs, or, with `check`, only names it. True when nothing is left that differs.
pub fn run(check: bool) -> anyhow::Result<bool> {
    let different = different()?;
    for (path, content) in &different {
        if check {
            println!("differs from its source: {}", path.display());
            continue;
        }
        let whole = root::checkout().join(path);
        if let Some(folder) = whole.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(&whole, content)
            .with_context(|| format!("cannot write {}", whole.display()))?;
        println!("written: {}", path.display());
    }
    if check && !different.is_empty() {
        println!("run `cargo xtask generate` and commit what it writes");
        return Ok(false);
    }
    if check {
        return Ok(true);
    }
    install()
}

/// Renders `manifests/install.yaml`, which is kustomize's work; its own test compares it.
fn install() -> anyhow::Result<bool> {
    let test = "-run=^TestInstallIsWhatKustomizeRenders$";
    let mut tool = Tool::new("go", ["test", "-count=1", test, ".", "-update"]);
    tool.folder(root::checkout().join("tests/install"));
    tool.holds()
        .context("manifests/install.yaml is rendered by Go 1.26 or later")
}

fn different() -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut different = Vec::new();
    for Generated { path, content } in all()? {
        let found = std::fs::read_to_string(root::checkout().join(path)).ok();
        if found.as_deref() != Some(content.as_str()) {
            different.push((PathBuf::from(path), content));
        }
    }
    Ok(different)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use serde_json::Value;
    use svom_operator::cli::Cli;

    /// The chart says the same: `tests/install` compares the two.
    #[test]
    fn the_program_takes_the_words_that_its_deployment_says() {
        let path = crate::root::checkout().join("manifests/install.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let words = text
            .split("\n---\n")
            .map(|document| serde_yaml::from_str::<Value>(document).unwrap())
            .find(|object| object["kind"] == "Deployment")
            .map(|deployment| {
                deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone()
            })
            .unwrap();
        let mut words: Vec<String> = serde_json::from_value(words).unwrap();
        // What a further namespace adds.
        words.extend(["--namespace=svom", "--namespace=svom-test"].map(str::to_owned));
        assert_eq!(words[0], "run");
        words.insert(0, "svom-messaging".to_owned());
        Cli::command().try_get_matches_from(&words).unwrap();
    }
}
