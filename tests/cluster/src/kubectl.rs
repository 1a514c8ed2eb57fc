//! A cluster as kubectl reaches it.
//!
//! In: a kubectl program and a kubeconfig. Out: what the cluster answers. Every call has an end: one
//! that a frozen node holds up is given up with an error.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;
use crate::engine::processes;

const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// What kubectl needs beside the time that it was told to wait.
const TO_SAY_SO: Duration = Duration::from_secs(15);

/// kubectl with one cluster's kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    /// The cluster that was made here, and takes its kubectls with it when it goes.
    folder: Option<PathBuf>,
}

impl Kubectl {
    /// This program, for the cluster that this kubeconfig names.
    pub fn new(program: impl Into<PathBuf>, kubeconfig: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            kubeconfig: kubeconfig.into(),
            folder: None,
        }
    }

    /// The same for the cluster in this folder: what it starts ends with the cluster at the latest, also
    /// when who started it was killed.
    pub fn of_cluster(self, folder: &Path) -> Self {
        Self {
            folder: Some(folder.to_owned()),
            ..self
        }
    }

    /// A command that is not yet started, for those who read its output while it runs.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", &self.kubeconfig).args(arguments);
        if let Some(folder) = &self.folder {
            processes::mark(&mut command, folder);
        }
        command
    }

    /// What a command prints, where it ends well.
    ///
    /// # Errors
    /// When it ends badly, with what it said, or does not end within a minute.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        command::output(&mut self.command(arguments), ANSWERS_WITHIN)
    }

    /// Applies manifests, on the server's side; fields that others own are taken over.
    ///
    /// # Errors
    /// When the API server refuses one, with its words.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--filename=-",
        ];
        let mut apply = self.command(arguments);
        command::output_of_input(&mut apply, manifests.as_bytes(), ANSWERS_WITHIN).map(drop)
    }

    /// Deletes what the manifests name and waits until it is gone; what is gone already is no error.
    ///
    /// # Errors
    /// When it is not gone within `limit`.
    pub fn delete(&self, manifests: &str, limit: Duration) -> Result<()> {
        let timeout = timeout(limit);
        let arguments = ["delete", "--ignore-not-found", "--filename=-", &timeout];
        let mut delete = self.command(arguments);
        command::output_of_input(&mut delete, manifests.as_bytes(), limit + TO_SAY_SO).map(drop)
    }

    /// What `get` answers: an object, or a list of objects. `words` name it, as in
    /// `["--namespace", "a", "pod", "b"]`.
    ///
    /// # Errors
    /// When there is no such object, or no answer.
    pub fn get(&self, words: &[&str]) -> Result<Value> {
        self.find(words)?
            .with_context(|| format!("the cluster has no {}", words.join(" ")))
    }

    /// The same, and nothing where there is no such object.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn find(&self, words: &[&str]) -> Result<Option<Value>> {
        let options = ["get", "--output=json", "--ignore-not-found"];
        let answer = self.run(options.iter().chain(words))?;
        if answer.trim().is_empty() {
            return Ok(None);
        }
        let value = serde_json::from_str(&answer)
            .with_context(|| format!("kubectl get {} answers no JSON", words.join(" ")))?;
        Ok(Some(value))
    }

    /// Waits until the objects that `words` name fulfil `condition`, which is what `kubectl wait`
    /// takes after `--for=`: `condition=Ready`, `delete`, `jsonpath=...`.
    ///
    /// # Errors
    /// When they do not within `limit`.
    pub fn wait(&self, words: &[&str], condition: &str, limit: Duration) -> Result<()> {
        let condition = format!("--for={condition}");
        let timeout = timeout(limit);
        let options = ["wait", &condition, &timeout];
        let mut wait = self.command(options.iter().chain(words));
        command::output(&mut wait, limit + TO_SAY_SO).map(drop)
    }

    /// Waits until a Deployment, DaemonSet or StatefulSet runs as it is written.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn rolled_out(&self, namespace: &str, what: &str, limit: Duration) -> Result<()> {
        let timeout = timeout(limit);
        let arguments = [
            "rollout",
            "status",
            "--namespace",
            namespace,
            what,
            &timeout,
        ];
        command::output(&mut self.command(arguments), limit + TO_SAY_SO).map(drop)
    }

    /// What a program prints that runs in a pod's container, where it ends well. The pod is a name, or
    /// `KIND/NAME` for one pod of a workload.
    ///
    /// # Errors
    /// When it ends badly, with what it said, or does not end within a minute.
    pub fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        program: &[&str],
    ) -> Result<String> {
        command::output(
            &mut self.exec_command(namespace, pod, container, program),
            ANSWERS_WITHIN,
        )
    }

    /// How a program ends that runs in a pod's container, good or bad, and what it prints.
    ///
    /// # Errors
    /// When kubectl cannot be started or does not end within `limit`.
    pub fn exec_outcome(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        program: &[&str],
        limit: Duration,
    ) -> Result<Output> {
        let mut exec = self.exec_command(namespace, pod, container, program);
        command::outcome(&mut exec, &[], limit)
    }

    fn exec_command(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        program: &[&str],
    ) -> Command {
        let options = [
            "exec",
            "--namespace",
            namespace,
            pod,
            "--container",
            container,
            "--",
        ];
        self.command(options.iter().chain(program))
    }
}

fn timeout(limit: Duration) -> String {
    format!("--timeout={}s", limit.as_secs().max(1))
}
