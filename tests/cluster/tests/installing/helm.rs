//! helm, for one cluster and one namespace, with settings of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use svom_cluster::command;
use tempfile::TempDir;

use crate::Place;

const PROGRAM: &str = "SVOM_HELM";
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// The folder of the chart.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/svom-messaging")
}

/// The command.
pub struct Helm<'a> {
    program: PathBuf,
    kubeconfig: &'a Path,
    namespace: &'a str,
    home: TempDir,
}

impl<'a> Helm<'a> {
    /// Why there is none.
    pub const MISSING: &'static str = "SVOM_HELM names no helm, which `cargo xtask test` builds";

    /// helm for the first namespace of a place, where there is one.
    pub fn of(place: &'a Place) -> Result<Option<Self>> {
        let Some(program) = env::var_os(PROGRAM) else {
            return Ok(None);
        };
        Ok(Some(Self {
            program: program.into(),
            kubeconfig: place.cluster.kubeconfig(),
            namespace: place.namespace(0)?,
            home: tempfile::tempdir()?,
        }))
    }

    /// Runs it with these words.
    pub fn run(&self, words: &[&str]) -> Result<()> {
        let mut helm = Command::new(&self.program);
        helm.args(words)
            .args(["--namespace", self.namespace])
            .env("KUBECONFIG", self.kubeconfig);
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            helm.env(variable, self.home.path());
        }
        let done = command::output(&mut helm, ENDS_WITHIN);
        done.map(drop).with_context(|| words.join(" "))
    }
}
