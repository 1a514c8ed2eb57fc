//! The manifests, as `kubectl apply` installs them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{LIMIT, Place};

/// One of the manifests, as it is written.
pub fn manifest(path: &str) -> Result<String> {
    let path = manifests().join(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests")
}

/// The same in another namespace than its own.
pub fn moved(text: &str, namespace: &str) -> String {
    text.replace("namespace: svom\n", &format!("namespace: {namespace}\n"))
        .replace("  name: svom\n", &format!("  name: {namespace}\n"))
}

#[test]
fn one_file_installs_everything_grants_nothing_elsewhere_and_goes_without_the_buses() -> Result<()>
{
    const TEST: &str =
        "one_file_installs_everything_grants_nothing_elsewhere_and_goes_without_the_buses";
    let Some(place) = Place::prepare(TEST, &["manifests", "elsewhere"])? else {
        return Ok(());
    };
    let (own, elsewhere) = (place.namespace(0)?, place.namespace(1)?);
    // No operator is started.
    let installed =
        moved(&manifest("install.yaml")?, own).replace("replicas: 2\n", "replicas: 0\n");
    place.kubectl().apply(&installed)?;
    place.ask_for_a_bus(own)?;
    // The namespace takes only pods that are restricted.
    let clients = moved(&manifest("clients/client-pod.yaml")?, own);
    place.kubectl().apply(&clients)?;

    let account = "svom-messaging";
    let may = place.may(account, own, own)?;
    ensure!(may.contains("statefulsets.apps"), "{may}");
    let everybody = place.may("anybody", own, elsewhere)?;
    assert_eq!(place.may(account, own, elsewhere)?, everybody);

    let base = manifests().join("base");
    let operator = place
        .kubectl()
        .run([OsStr::new("kustomize"), base.as_os_str()])?;
    place.kubectl().delete(&moved(&operator, own), LIMIT)?;
    assert_eq!(place.may(account, own, own)?, everybody);
    ensure!(place.has_the_bus(own)?, "the bus went with the operator");
    Ok(())
}
