//! The manifests, as `kubectl apply` installs them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::Place;

/// One of the manifests, in another namespace than its own, with as many operators.
fn manifest(path: &str, namespace: &str, operators: u8) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../manifests")
        .join(path);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text
        .replace("namespace: svom\n", &format!("namespace: {namespace}\n"))
        .replace("  name: svom\n", &format!("  name: {namespace}\n"))
        .replace("replicas: 2\n", &format!("replicas: {operators}\n")))
}

#[test]
fn one_file_installs_everything_and_grants_nothing_elsewhere() -> Result<()> {
    const TEST: &str = "one_file_installs_everything_and_grants_nothing_elsewhere";
    let Some(place) = Place::prepare(TEST, &["manifests", "elsewhere"])? else {
        return Ok(());
    };
    let (own, elsewhere) = (place.namespace(0)?, place.namespace(1)?);
    let installed = manifest("install.yaml", own, 0)?;
    // What is taken twice is as it was written: nothing of it is refused, dropped or fought over.
    place.kubectl().apply(&installed)?;
    place.kubectl().apply(&installed)?;
    place.ask_for_a_bus(own)?;
    // The namespace takes only pods that are restricted.
    place
        .kubectl()
        .apply(&manifest("clients/client-pod.yaml", own, 0)?)?;

    let account = "svom-messaging";
    let may = place.may(account, own, own)?;
    ensure!(may.contains("statefulsets.apps"), "{may}");
    let everybody = place.may("anybody", own, elsewhere)?;
    assert_eq!(place.may(account, own, elsewhere)?, everybody);
    Ok(())
}
