//! Images in the store of a containerd that is started later, on a node.
//!
//! In: containerd itself, and image archives. Out: the folder that becomes its root, with every image
//! unpacked in it and known to the kubelet.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{contained, path_with};
use crate::progress::Part;

/// Starts containerd, imports what it is given, and ends it. Its state lies in a file system in
/// memory that goes with these processes.
const IMPORT: &str = r#"
set -eu
configuration=$1
shift
mount -t tmpfs tmpfs /run
containerd --config "$configuration" &
server=$!
until ctr version >/run/version 2>&1; do
    kill -0 "$server"
    sleep 0.1
done
for archive in "$@"; do
    echo "importing $archive"
    ctr --namespace k8s.io images import --snapshotter overlayfs "$archive"
done
for image in $(ctr --namespace k8s.io images list --quiet); do
    # Without this the kubelet does not see it, and asks the registry.
    ctr --namespace k8s.io images label "$image" io.cri-containerd.image=managed
done
# The layers are unpacked; nothing needs them packed again.
ctr --namespace k8s.io content prune references
kill "$server"
wait "$server"
"#;

/// Makes the store in `folder` with the containerd of `binaries`.
pub fn preload(binaries: &Path, archives: &[PathBuf], folder: &Path, part: &Part) -> Result<()> {
    let configuration = folder.with_extension("toml");
    fs::write(&configuration, settings(folder))
        .with_context(|| format!("cannot write {}", configuration.display()))?;
    let mut import = contained(Path::new("sh"));
    import
        .env("PATH", path_with(binaries))
        .args(["-c", IMPORT, "preload"])
        .arg(configuration)
        .args(archives);
    part.run(&mut import)
}

/// Only the store and its interface; nothing here runs a container. What of it would make folders of its own
/// on the machine, outside the store, is left out too.
fn settings(folder: &Path) -> String {
    format!(
        r#"version = 3
root = "{}"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
]
"#,
        folder.display()
    )
}
