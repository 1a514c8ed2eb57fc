//! The chart, as helm installs, upgrades and uninstalls it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use svom_cluster::command;
use svom_cluster::notes::skip;
use tempfile::TempDir;

use crate::{DEFINITION, Place};

const ENDS_WITHIN: Duration = Duration::from_secs(120);
/// A column of the definition that the chart before it is taken not to have had.
const COLUMN: &str = "    - description: Server that leads the JetStream meta group
      jsonPath: .status.metaLeader
      name: Leader
      type: string
";

#[test]
fn the_definition_is_upgraded_with_the_release_and_outlives_it() -> Result<()> {
    const TEST: &str = "the_definition_is_upgraded_with_the_release_and_outlives_it";
    let Some(program) = env::var_os("SVOM_HELM") else {
        return skip(
            TEST,
            "SVOM_HELM names no helm, which `cargo xtask test` builds",
        );
    };
    let Some(place) = Place::prepare(TEST, &["chart", "further"])? else {
        return Ok(());
    };
    let (own, further) = (place.namespace(0)?, place.namespace(1)?);
    let chart = chart();
    let before = older(&chart)?;
    let helm = Helm::new(program.into(), &place)?;
    let both = format!("namespaces={{{further}}}");

    helm.run(&["install", "bus", &path(before.path())], &["--set", &both])?;
    assert_eq!(columns(&place)?, "Ready Reason Servers Version Age");
    place.ask_for_a_bus(own)?;
    assert_ne!(
        may(&place, own, further)?,
        place.may("anybody", own, further)?
    );

    helm.run(&["upgrade", "bus", &path(&chart)], &[])?;
    assert_eq!(columns(&place)?, "Ready Reason Servers Version Leader Age");
    // The further namespace is not named any more, so nothing is granted there.
    assert_eq!(
        may(&place, own, further)?,
        place.may("anybody", own, further)?
    );

    // Who lets somebody else install the definition does not lose it.
    helm.run(
        &["upgrade", "bus", &path(&chart)],
        &["--set", "crd.install=false"],
    )?;
    ensure!(place.has_the_bus(own)?, "the bus went with the definition");
    helm.run(&["uninstall", "bus"], &[])?;
    ensure!(place.has_the_bus(own)?, "the bus went with the release");
    // A release of another name takes the definition over where it is told to.
    helm.run(&["install", "again", &path(&chart)], &["--take-ownership"])?;
    ensure!(place.has_the_bus(own)?, "the bus went with the definition");
    Ok(())
}

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/svom-messaging")
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The chart as it could have been in an older release.
fn older(chart: &Path) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("templates"))?;
    for part in ["", "templates"] {
        for entry in fs::read_dir(chart.join(part))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let copy = folder.path().join(part).join(entry.file_name());
                fs::copy(entry.path(), copy)?;
            }
        }
    }
    let definition = folder.path().join("templates/crd.yaml");
    let text = fs::read_to_string(&definition)?;
    ensure!(text.contains(COLUMN), "the definition has no column Leader");
    fs::write(&definition, text.replace(COLUMN, ""))?;
    Ok(folder)
}

fn columns(place: &Place) -> Result<String> {
    let names = "{.spec.versions[0].additionalPrinterColumns[*].name}";
    place.kubectl().run([
        "get",
        "crd",
        DEFINITION,
        &format!("--output=jsonpath={names}"),
    ])
}

fn may(place: &Place, of: &str, namespace: &str) -> Result<String> {
    place.may("svom-messaging", of, namespace)
}

/// helm for one cluster and one namespace, with settings of its own.
struct Helm<'a> {
    program: PathBuf,
    kubeconfig: &'a Path,
    namespace: &'a str,
    home: TempDir,
}

impl<'a> Helm<'a> {
    fn new(program: PathBuf, place: &'a Place) -> Result<Self> {
        Ok(Self {
            program,
            kubeconfig: place.cluster.kubeconfig(),
            namespace: place.namespace(0)?,
            home: tempfile::tempdir()?,
        })
    }

    /// Runs a command; where it installs something, no operator is started.
    fn run(&self, command: &[&str], options: &[&str]) -> Result<()> {
        let mut helm = Command::new(&self.program);
        helm.args(command)
            .args(["--namespace", self.namespace])
            .args(options)
            .env("KUBECONFIG", self.kubeconfig);
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            helm.env(variable, self.home.path());
        }
        if command.first() != Some(&"uninstall") {
            helm.args(["--set", "replicas=0"]);
        }
        let done = command::output(&mut helm, ENDS_WITHIN);
        done.map(drop).with_context(|| command.join(" "))
    }
}
