//! Clients in a scene's namespace: pods with nothing but a user's Secret in them.

use std::thread;

use anyhow::{Result, anyhow, ensure};
use serde_json::json;

use super::Scene;
use crate::wait::LIMIT;

/// The program that the pods of [`Scene::client`] have.
const CLIENT: [&str; 2] = ["python3", "/programs/client.py"];

impl Scene {
    /// A pod with nothing but a user's Secret in it, which waits for programs to run.
    ///
    /// # Errors
    /// When it does not come to run.
    pub fn client(&self, pod: &str, secret: &str) -> Result<()> {
        self.client_away_from(None, pod, secret)
    }

    /// The same, on another node than this one.
    ///
    /// # Errors
    /// As [`Self::client`].
    pub fn client_away_from(&self, node: Option<&str>, pod: &str, secret: &str) -> Result<()> {
        let elsewhere = node.map(|node| {
            let is_not = json!({"key": "metadata.name", "operator": "NotIn", "values": [node]});
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [is_not]}],
            }}})
        });
        let labels = json!({"app": pod});
        let security = json!({
            "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        let restricted = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        let manifest = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod, "namespace": self.namespace, "labels": labels},
            "spec": {
                "affinity": elsewhere,
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 1,
                "securityContext": security,
                "containers": [{
                    "name": "client", "image": self.images.client,
                    "command": ["sleep", "86400"],
                    "env": [{"name": "HOME", "value": "/tmp"}],
                    "securityContext": restricted,
                    "volumeMounts": [
                        {"name": "credentials", "mountPath": "/etc/svom-messaging", "readOnly": true},
                        {"name": "programs", "mountPath": "/programs", "readOnly": true},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                }],
                "volumes": [
                    {"name": "credentials", "secret": {"secretName": secret, "defaultMode": 288}},
                    {"name": "programs", "configMap": {"name": "programs"}},
                    {"name": "tmp", "emptyDir": {}},
                ],
            },
        });
        let programs = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "programs", "namespace": self.namespace},
            "data": {"client.py": include_str!("client.py")},
        });
        self.kubectl().apply(&programs.to_string())?;
        self.kubectl().apply(&manifest.to_string())?;
        let namespace = self.option();
        self.kubectl().wait(
            &[&namespace, &format!("pod/{pod}")],
            "condition=Ready",
            LIMIT,
        )
    }

    /// What a program prints in a client's pod, where it ends well.
    ///
    /// # Errors
    /// When it ends badly.
    pub fn in_pod(&self, pod: &str, program: &[&str]) -> Result<String> {
        self.kubectl().exec(&self.namespace, pod, "client", program)
    }

    /// What the client program prints in a pod.
    ///
    /// # Errors
    /// When it ends badly.
    pub fn ask(&self, pod: &str, words: &[&str]) -> Result<String> {
        let said = self.in_pod(pod, &[&CLIENT, words].concat())?;
        Ok(said.trim().to_owned())
    }

    /// The same, for what takes its time and prints nothing.
    ///
    /// # Errors
    /// When it ends badly, or does not end.
    pub fn ask_for(&self, pod: &str, words: &[&str]) -> Result<()> {
        let program = [&CLIENT, words].concat();
        let kubectl = self.kubectl();
        let ended = kubectl.exec_outcome(&self.namespace, pod, "client", &program, 2 * LIMIT)?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "{words:?} in {pod}: {said}");
        Ok(())
    }

    /// Works while the client program runs in a pod, until the work is done.
    ///
    /// # Errors
    /// When the work fails, or the program does.
    pub fn beside(
        &self,
        pod: &str,
        words: &[&str],
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        thread::scope(|scope| {
            let running = scope.spawn(|| self.ask_for(pod, words));
            let worked = work();
            let told = self.in_pod(pod, &["touch", "/tmp/enough"]);
            let ran = running.join();
            worked?;
            told?;
            ran.map_err(|_| anyhow!("{words:?} panicked"))?
        })
    }
}
