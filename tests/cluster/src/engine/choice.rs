//! Which cluster the tests run on.
//!
//! In: what is true of the machine. Out: the one way to a cluster that is taken, or why there is none.
//! The decision is pure; looking at the machine is apart from it.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Engine, machine_answers, private};
use crate::cache::Cache;
use crate::debian;
use crate::progress::Progress;

/// Names a cluster that is there already.
pub const KUBECONFIG_VARIABLE: &str = "KUBECONFIG";

/// The way to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A cluster that is there already.
    Given {
        /// The file that names it.
        kubeconfig: PathBuf,
    },
    /// The machine's engine with kind's own node image, which it has pulled.
    PublicImage {
        /// The image.
        image: String,
    },
    /// The machine's engine with the node image that is built here.
    BuiltImage,
    /// An engine of the cluster's own, with the node image that is built here.
    PrivateEngine,
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given { kubeconfig } => write!(
                formatter,
                "the cluster that {KUBECONFIG_VARIABLE} names ({}), used as it is",
                kubeconfig.display()
            ),
            Self::PublicImage { image } => {
                write!(formatter, "this machine's container engine, with {image}")
            }
            Self::BuiltImage => formatter.write_str(
                "this machine's container engine, with a node image built from package registries",
            ),
            Self::PrivateEngine => formatter.write_str(
                "a container engine of its own, with a node image built from package registries",
            ),
        }
    }
}

/// Why there is no cluster here, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub why: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "skipped: {}", self.why)
    }
}

/// What is true of the machine. Where something cannot be, the text says why.
#[derive(Clone, Debug)]
pub struct Facts {
    /// A kubeconfig of somebody else's making.
    pub kubeconfig: Option<PathBuf>,
    /// Whether programs can be built and packages fetched, which every cluster made here needs.
    pub tools: Result<(), String>,
    /// Whether a container engine answers.
    pub engine: Result<(), String>,
    /// Kind's node image that the engine has or could pull.
    pub public_image: Result<String, String>,
    /// Whether this is run by root, as the build of a node image must be.
    pub root: bool,
    /// Whether a private engine can be started.
    pub private_engine: Result<(), String>,
}

/// Decides. What costs least comes first, and what somebody has set up is preferred to what would
/// have to be made.
///
/// # Errors
/// With the reason, when there is no way to a cluster.
pub fn choose(facts: &Facts) -> Result<Choice, Skipped> {
    let Facts {
        kubeconfig,
        tools,
        engine,
        public_image,
        root,
        private_engine,
    } = facts;
    if let Some(kubeconfig) = kubeconfig {
        let kubeconfig = kubeconfig.clone();
        return Ok(Choice::Given { kubeconfig });
    }
    let skipped = |why: String| {
        let why = why.replace('\n', " ");
        Err(Skipped { why })
    };
    if let Err(missing) = tools {
        return skipped(missing.clone());
    }
    match (engine, public_image, root, private_engine) {
        (Ok(()), Ok(image), _, _) => Ok(Choice::PublicImage {
            image: image.clone(),
        }),
        (Ok(()), Err(_), true, _) => Ok(Choice::BuiltImage),
        (Ok(()), Err(no_image), false, _) => skipped(format!(
            "the container engine cannot have kind's node image: {no_image}; only root can build one"
        )),
        (Err(_), _, _, Ok(())) => Ok(Choice::PrivateEngine),
        (Err(no_engine), _, _, Err(no_private)) => skipped(format!(
            "{no_engine}; no private one can be started: {no_private}"
        )),
    }
}

/// Looks at the machine, no further than the decision needs. An image that can be pulled is pulled.
///
/// `clusters` is the folder of the clusters made here: a kubeconfig in it is no given one.
pub fn observe(
    cache: &Cache,
    clusters: &Path,
    public_image: Option<&str>,
    progress: &Progress,
) -> Facts {
    let unknown = "not looked at";
    let mut facts = Facts {
        kubeconfig: given_kubeconfig(clusters),
        tools: Err(unknown.to_owned()),
        engine: Err(unknown.to_owned()),
        public_image: Err(unknown.to_owned()),
        root: rustix::process::geteuid().is_root(),
        private_engine: Err(unknown.to_owned()),
    };
    if facts.kubeconfig.is_some() {
        return facts;
    }
    facts.tools = missing_tool().map_or(Ok(()), Err);
    if facts.tools.is_err() {
        return facts;
    }
    facts.engine = match machine_answers() {
        Ok(version) => {
            progress.say(&format!("a container engine answers, version {version}"));
            Ok(())
        }
        Err(problem) => Err(problem.to_string()),
    };
    if facts.engine.is_ok() {
        facts.public_image = pulled(public_image, progress);
    } else {
        facts.private_engine = private::impossible(cache).map_or(Ok(()), Err);
    }
    facts
}

/// The kubeconfig that the environment names, unless it is of a cluster made here.
pub fn given_kubeconfig(clusters: &Path) -> Option<PathBuf> {
    let given = env::var_os(KUBECONFIG_VARIABLE).filter(|given| !given.is_empty())?;
    let given = PathBuf::from(given);
    (!given.starts_with(clusters)).then_some(given)
}

fn pulled(image: Option<&str>, progress: &Progress) -> Result<String, String> {
    let image = image.ok_or("kind has none for this Kubernetes")?;
    let engine = Engine::of_machine();
    if engine
        .run(["image", "inspect", "--format={{.Id}}", image])
        .is_ok()
    {
        return Ok(image.to_owned());
    }
    progress
        .part(&format!("pulling {image}"), |part| {
            part.run(&mut engine.docker(["pull", image]))
        })
        .map(|()| image.to_owned())
        .map_err(|problem| last_line(&problem))
}

fn last_line(problem: &anyhow::Error) -> String {
    let text = format!("{problem:#}");
    text.lines().last().unwrap_or_default().to_owned()
}

fn missing_tool() -> Option<String> {
    let go = Command::new("go").arg("version").output();
    if go.is_ok_and(|output| output.status.success()) {
        return debian::missing();
    }
    Some("Go is missing: install Go 1.26 or later (https://go.dev/dl)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with Go and apt, and nothing more.
    fn bare() -> Facts {
        Facts {
            kubeconfig: None,
            tools: Ok(()),
            engine: Err("no engine".to_owned()),
            public_image: Err("no registry".to_owned()),
            root: false,
            private_engine: Err("not root".to_owned()),
        }
    }

    fn with(change: impl FnOnce(&mut Facts)) -> Result<Choice, String> {
        let mut facts = bare();
        change(&mut facts);
        choose(&facts).map_err(|skipped| skipped.to_string())
    }

    /// A machine where everything is possible.
    fn everything(facts: &mut Facts) {
        facts.engine = Ok(());
        facts.public_image = Ok("image".to_owned());
        facts.root = true;
        facts.private_engine = Ok(());
    }

    #[test]
    fn what_is_given_is_used_before_anything_else() {
        let given = with(|facts| {
            everything(facts);
            facts.kubeconfig = Some("/k".into());
        });
        let kubeconfig = PathBuf::from("/k");
        assert_eq!(given, Ok(Choice::Given { kubeconfig }));
    }

    #[test]
    fn a_given_cluster_needs_no_tools() {
        let given = with(|facts| {
            facts.tools = Err("no Go".to_owned());
            facts.kubeconfig = Some("/k".into());
        });
        assert!(given.is_ok());
    }

    #[test]
    fn an_engine_that_answers_is_used_with_the_public_image_where_it_can_be_had() {
        let image = "image".to_owned();
        assert_eq!(with(everything), Ok(Choice::PublicImage { image }));
        let builds = with(|facts| {
            everything(facts);
            facts.public_image = Err("no registry".to_owned());
        });
        assert_eq!(builds, Ok(Choice::BuiltImage));
    }

    #[test]
    fn without_an_engine_a_private_one_is_started() {
        let private = with(|facts| facts.private_engine = Ok(()));
        assert_eq!(private, Ok(Choice::PrivateEngine));
    }

    #[test]
    fn where_nothing_can_be_done_one_line_says_why() {
        let cases = [
            (
                with(|_| {}),
                "skipped: no engine; no private one can be started: not root",
            ),
            (
                with(|facts| facts.engine = Ok(())),
                "skipped: the container engine cannot have kind's node image: no registry; only root \
                 can build one",
            ),
            (
                with(|facts| {
                    everything(facts);
                    facts.tools = Err("Go is missing".to_owned());
                }),
                "skipped: Go is missing",
            ),
            (
                with(|facts| facts.engine = Err("two\nlines".to_owned())),
                "skipped: two lines; no private one can be started: not root",
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found, Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_choice_says_what_it_is() {
        let kubeconfig = PathBuf::from("/k");
        let image = "kindest/node:v1.36.4".to_owned();
        let cases = [
            (
                Choice::Given { kubeconfig },
                "the cluster that KUBECONFIG names (/k), used as it is",
            ),
            (
                Choice::PublicImage { image },
                "this machine's container engine, with kindest/node:v1.36.4",
            ),
            (
                Choice::BuiltImage,
                "this machine's container engine, with a node image built from package registries",
            ),
            (
                Choice::PrivateEngine,
                "a container engine of its own, with a node image built from package registries",
            ),
        ];
        for (choice, expected) in cases {
            assert_eq!(choice.to_string(), expected);
        }
    }
}
