//! `operator/Containerfile`, by which the operator's image is built where there is an engine.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use svom_cluster::cluster::Cluster;
use svom_cluster::engine::Engine;
use svom_cluster::images::Image as Name;
use svom_cluster::notes::skip;
use tempfile::TempDir;

use crate::archive::Image;
use crate::{build, root};

#[test]
fn the_containerfile_makes_the_image_that_tests_run() -> Result<()> {
    const TEST: &str = "the_containerfile_makes_the_image_that_tests_run";
    let cluster = match Cluster::for_tests("images")? {
        Ok(cluster) => cluster,
        Err(skipped) => return skip(TEST, skipped.why),
    };
    let Some(engine) = cluster.engine() else {
        return skip(TEST, "the cluster's container engine is not within reach");
    };
    let tested = build(Name::Operator)?;
    let tested = Image::read(&tested.archive, &tested.reference)?;
    let made = Made::around(engine, tested.file("/usr/local/bin/svom-messaging")?)?.read()?;
    assert!(made.files == tested.files, "{:?}", made.files.keys());
    for field in ["User", "Entrypoint", "Env", "Cmd"] {
        let value = |image: &Image| image.config.get(field).cloned().unwrap_or_default();
        assert_eq!(value(&made), value(&tested), "{field}");
    }
    Ok(())
}

/// An image in an engine, which goes away with this.
struct Made<'a> {
    engine: &'a Engine,
    folder: TempDir,
    name: String,
}

impl<'a> Made<'a> {
    fn around(engine: &'a Engine, program: &[u8]) -> Result<Self> {
        let made = Self {
            engine,
            folder: tempfile::tempdir()?,
            name: format!("containerfile:{}", std::process::id()),
        };
        let path = made.folder.path().join("svom-messaging");
        fs::write(&path, program)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        let file = root().join("operator/Containerfile");
        let (file, folder) = (file.to_string_lossy(), made.folder.path().to_string_lossy());
        engine.run(["build", "--file", &*file, "--tag", &made.name, &*folder])?;
        Ok(made)
    }

    fn read(&self) -> Result<Image> {
        let archive = self.folder.path().join("saved.tar");
        let path = archive.to_string_lossy();
        self.engine.run(["save", "--output", &*path, &self.name])?;
        Image::read(&archive, &self.name)
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if let Err(problem) = self.engine.run(["image", "rm", &self.name]) {
            eprintln!("{problem:#}");
        }
    }
}
