//! The chart, as helm installs, upgrades and uninstalls it.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use svom_cluster::notes::skip;
use tempfile::TempDir;

use crate::helm::{Helm, chart};
use crate::{DEFINITION, Place};

/// A column of the definition that the chart before it is taken not to have had.
const COLUMN: &str = "    - description: Server that leads the JetStream meta group
      jsonPath: .status.metaLeader
      name: Leader
      type: string
";

#[test]
fn the_definition_is_upgraded_with_the_release_and_outlives_it() -> Result<()> {
    const TEST: &str = "the_definition_is_upgraded_with_the_release_and_outlives_it";
    let Some(place) = Place::prepare(TEST, &["chart", "further"])? else {
        return Ok(());
    };
    let Some(helm) = Helm::of(&place)? else {
        return skip(TEST, Helm::MISSING);
    };
    let (own, further) = (place.namespace(0)?, place.namespace(1)?);
    let chart = chart();
    let before = older(&chart)?;
    let both = format!("namespaces={{{further}}}");
    // No operator is started.
    let idle = |words: &[&str]| helm.run(&[words, &["--set", "replicas=0"]].concat());

    idle(&["install", "bus", &path(before.path()), "--set", &both])?;
    assert_eq!(columns(&place)?, "Ready Reason Servers Version Age");
    place.ask_for_a_bus(own)?;
    assert_ne!(
        may(&place, own, further)?,
        place.may("anybody", own, further)?
    );

    idle(&["upgrade", "bus", &path(&chart)])?;
    assert_eq!(columns(&place)?, "Ready Reason Servers Version Leader Age");
    // The further namespace is not named any more, so nothing is granted there.
    assert_eq!(
        may(&place, own, further)?,
        place.may("anybody", own, further)?
    );

    // Who lets somebody else install the definition does not lose it.
    idle(&[
        "upgrade",
        "bus",
        &path(&chart),
        "--set",
        "crd.install=false",
    ])?;
    ensure!(place.has_the_bus(own)?, "the bus went with the definition");
    helm.run(&["uninstall", "bus"])?;
    ensure!(place.has_the_bus(own)?, "the bus went with the release");
    // A release of another name takes the definition over where it is told to.
    idle(&["install", "again", &path(&chart), "--take-ownership"])?;
    ensure!(place.has_the_bus(own)?, "the bus went with the definition");
    Ok(())
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
