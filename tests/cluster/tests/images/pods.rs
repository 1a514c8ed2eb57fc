//! Each image in a pod that Pod Security `restricted` lets in, whose user the image alone names.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use svom_cluster::cluster::Cluster;
use svom_cluster::debian;
use svom_cluster::images::Image;
use svom_cluster::kubectl::Kubectl;
use svom_cluster::notes::skip;
use svom_cluster::progress::Progress;

use crate::build;

const LIMIT: Duration = Duration::from_secs(180);

/// One message there and back, by nats-py.
const ECHO: &str = "
import asyncio, nats, sys
async def main():
    client = await nats.connect(sys.argv[1])
    subscription = await client.subscribe('echo')
    await client.publish('echo', b'said')
    print((await subscription.next_msg(timeout=30)).data.decode())
    await client.close()
asyncio.run(main())
";

#[test]
fn every_image_runs_where_little_is_allowed() -> Result<()> {
    const TEST: &str = "every_image_runs_where_little_is_allowed";
    if let Some(why) = debian::missing() {
        return skip(TEST, why);
    }
    let cluster = match Cluster::for_tests("images")? {
        Ok(cluster) => cluster,
        Err(skipped) => return skip(TEST, skipped.why),
    };
    if cluster.engine().is_none() {
        return skip(
            TEST,
            "images can be loaded only into a cluster that was made here",
        );
    }
    let pods = Pods::run(&cluster)?;
    for (pod, image) in [
        ("new", Image::NatsServer),
        ("old", Image::NatsServerPrevious),
    ] {
        pods.serves(pod, &tag(image)?)?;
    }
    pods.completes(
        "operator",
        &format!("svom-messaging {}\n", env!("CARGO_PKG_VERSION")),
    )
}

fn tag(image: Image) -> Result<String> {
    let reference = build(image)?.reference;
    let (_, tag) = reference
        .rsplit_once(':')
        .context("an image without a tag")?;
    Ok(tag.to_owned())
}

/// A namespace with a pod of each image; it goes away with this.
struct Pods<'a> {
    kubectl: &'a Kubectl,
    namespace: String,
}

impl<'a> Pods<'a> {
    /// Loads the images and runs them.
    fn run(cluster: &'a Cluster) -> Result<Self> {
        let images = Image::ALL.map(build);
        let [new, old, operator, client] = images;
        let (new, old, operator, client) = (new?, old?, operator?, client?);
        let archives = [&new, &old, &operator, &client].map(|built| built.archive.clone());
        cluster.load(&archives, &Progress::shown())?;
        let pods = Self {
            kubectl: cluster.kubectl(),
            namespace: format!("images-{}", std::process::id()),
        };
        pods.kubectl.apply(&pods.namespace_manifest().to_string())?;
        for (name, image, arguments) in [
            ("new", &new, ["--jetstream", "--http_port=8222"].as_slice()),
            ("old", &old, &["--jetstream", "--http_port=8222"]),
            ("operator", &operator, &["--version"]),
            ("client", &client, &[]),
        ] {
            let manifest = pods.manifest(name, &image.reference, arguments);
            pods.kubectl.apply(&manifest.to_string())?;
        }
        let namespace = pods.in_namespace();
        let running = [&namespace, "pod/new", "pod/old", "pod/client"];
        pods.kubectl.wait(&running, "condition=Ready", LIMIT)?;
        Ok(pods)
    }

    /// The client reaches the server by everything it has, and the server is of this version.
    fn serves(&self, server: &str, version: &str) -> Result<()> {
        let pod = self.kubectl.get(&[&self.in_namespace(), "pod", server])?;
        let address = pod.pointer("/status/podIP").and_then(Value::as_str);
        let address = address.context("a ready pod without an address")?;
        let url = format!("nats://{address}:4222");
        ensure!(self.ask(&["python3", "-c", ECHO, &url])? == "said\n");
        let round_trip = self.ask(&["nats", "--server", &url, "rtt", "1"])?;
        ensure!(round_trip.contains(address), "{round_trip}");
        let state = self.ask(&["curl", "-sf", &format!("http://{address}:8222/varz")])?;
        let state: Value = serde_json::from_str(&state)?;
        ensure!(
            state.get("version") == Some(&json!(version)),
            "{server}: {state}"
        );
        ensure!(
            state.pointer("/jetstream/config").is_some(),
            "{server}: {state}"
        );
        Ok(())
    }

    /// The pod has done what it was told, and said this.
    fn completes(&self, pod: &str, said: &str) -> Result<()> {
        let namespace = self.in_namespace();
        let succeeded = "jsonpath={.status.phase}=Succeeded";
        self.kubectl
            .wait(&[&namespace, "pod", pod], succeeded, LIMIT)?;
        let log = self.kubectl.run(["logs", &namespace, pod])?;
        ensure!(log == said, "{pod} said {log:?}");
        Ok(())
    }

    fn ask(&self, program: &[&str]) -> Result<String> {
        self.kubectl.exec(&self.namespace, "client", "it", program)
    }

    fn in_namespace(&self) -> String {
        format!("--namespace={}", self.namespace)
    }

    fn namespace_manifest(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": self.namespace,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        })
    }

    fn manifest(&self, name: &str, image: &str, arguments: &[&str]) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "automountServiceAccountToken": false,
                "restartPolicy": "Never",
                "securityContext": {
                    "runAsNonRoot": true,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "name": "it",
                    "image": image,
                    "imagePullPolicy": "Never",
                    "args": arguments,
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        })
    }
}

impl Drop for Pods<'_> {
    fn drop(&mut self) {
        let manifest = self.namespace_manifest().to_string();
        if let Err(problem) = self.kubectl.delete(&manifest, LIMIT) {
            eprintln!("{problem:#}");
        }
    }
}
