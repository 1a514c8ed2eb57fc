//! From the installation to a bus that is proven, and to clients that have nothing but their Secrets.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use svom_cluster::cache::Cache;
use svom_cluster::debian;
use svom_cluster::images::{self, Image};
use svom_cluster::notes::skip;
use svom_cluster::progress::Progress;

use crate::Place;
use crate::helm::{Helm, chart};
use crate::manifests::{manifest, moved};

/// Three servers with their volumes, on a machine that does much else.
const READY_WITHIN: Duration = Duration::from_secs(300);
const TOLD_WITHIN: Duration = Duration::from_secs(60);
const CONTEXT: &str = "/etc/svom-messaging/nats-context.json";
/// The image of the operator, as the manifests name it.
const OPERATOR: &str = concat!("svom-messaging:", env!("CARGO_PKG_VERSION"));

/// The names of the images, which every node knows.
struct Images {
    operator: String,
    nats_server: String,
    client: String,
}

impl Images {
    fn load(place: &Place) -> Result<Self> {
        let progress = Progress::shown();
        let built = |image| images::build(image, &Cache::open()?, &progress);
        let [operator, nats_server, client] =
            [Image::Operator, Image::NatsServer, Image::Client].map(built);
        let (operator, nats_server, client) = (operator?, nats_server?, client?);
        let archives = [&operator, &nats_server, &client].map(|built| built.archive.clone());
        place.cluster.load(&archives, &progress)?;
        Ok(Self {
            operator: operator.reference,
            nats_server: nats_server.reference,
            client: client.reference,
        })
    }

    /// The smallest bus of the examples, from the image that is here.
    fn bus(&self, namespace: &str) -> Result<String> {
        let (repository, tag) = self.nats_server.rsplit_once(':').context("no tag")?;
        let spec = format!("spec:\n  image: {{repository: {repository}, tag: {tag}}}\n");
        Ok(moved(&manifest("examples/minimal.yaml")?, namespace).replace("spec:\n", &spec))
    }

    fn clients(&self, namespace: &str) -> Result<String> {
        let clients = moved(&manifest("clients/client-pod.yaml")?, namespace);
        Ok(clients.replace("natsio/nats-box", &self.client))
    }
}

#[test]
fn the_manifests_make_a_bus_that_clients_with_their_secrets_alone_can_use() -> Result<()> {
    const TEST: &str = "the_manifests_make_a_bus_that_clients_with_their_secrets_alone_can_use";
    let Some(place) = prepare(TEST, "used")? else {
        return Ok(());
    };
    let namespace = place.namespace(0)?;
    let images = Images::load(&place)?;
    let installed = moved(&manifest("install.yaml")?, namespace);
    ensure!(installed.contains(OPERATOR), "another image is installed");
    let installed = installed.replace(OPERATOR, &images.operator);
    place.kubectl().apply(&installed)?;
    becomes_ready(&place, &images)?;
    clients_do_what_they_may(&place, &images)
}

#[test]
fn the_chart_makes_a_bus() -> Result<()> {
    const TEST: &str = "the_chart_makes_a_bus";
    let Some(place) = prepare(TEST, "released")? else {
        return Ok(());
    };
    let Some(helm) = Helm::of(&place)? else {
        return skip(TEST, Helm::MISSING);
    };
    let images = Images::load(&place)?;
    let (repository, tag) = images.operator.rsplit_once(':').context("no tag")?;
    let image = format!("image.repository={repository},image.tag={tag}");
    let chart = chart();
    helm.run(&["install", "svom", &chart.to_string_lossy(), "--set", &image])?;
    becomes_ready(&place, &images)
}

fn prepare(test: &str, namespace: &str) -> Result<Option<Place>> {
    match debian::missing() {
        Some(why) => skip(test, why).map(|()| None),
        None => Place::prepare(test, &[namespace]),
    }
}

/// What a person does: one look at the operator, one file, one wait.
fn becomes_ready(place: &Place, images: &Images) -> Result<()> {
    let namespace = place.namespace(0)?;
    let kubectl = place.kubectl();
    kubectl.rolled_out(namespace, "deployment/svom-messaging", READY_WITHIN)?;
    kubectl.apply(&images.bus(namespace)?)?;
    let words = [&format!("--namespace={namespace}"), "svm/fsc"];
    let waited = kubectl.wait(&words, "condition=Ready", READY_WITHIN);
    waited.with_context(|| {
        let told = kubectl.run([words[0], "describe", "svm/fsc"]);
        told.unwrap_or_else(|error| error.to_string())
    })
}

/// Each publishes or hears what its rights say, and nothing else.
fn clients_do_what_they_may(place: &Place, images: &Images) -> Result<()> {
    let namespace = place.namespace(0)?;
    let kubectl = place.kubectl();
    let in_namespace = format!("--namespace={namespace}");
    let [listener, publisher] = documents(&images.clients(namespace)?)?;
    kubectl.apply(&listener)?;
    let listening = [in_namespace.as_str(), "pod/alert-desk"];
    kubectl.wait(&listening, "condition=Ready", READY_WITHIN)?;
    // Until it listens nothing that is published live is for it.
    says(place, "Subscribing on data.vhf")?;
    kubectl.apply(&publisher)?;
    let published = [in_namespace.as_str(), "pod/vhf-listener"];
    kubectl.wait(
        &published,
        "jsonpath={.status.phase}=Succeeded",
        READY_WITHIN,
    )?;
    says(place, "new data")?;

    for forbidden in [
        ["pub", "--jetstream", "data.vhf", "not mine"].as_slice(),
        &["pub", "--jetstream", "data.mdb", "not mine"],
        &["subscribe", "--count=1", "--wait=2s", "data.mdb"],
    ] {
        let program = [&["nats", "--context", CONTEXT], forbidden].concat();
        let ended =
            kubectl.exec_outcome(namespace, "alert-desk", "client", &program, TOLD_WITHIN)?;
        let said = [ended.stdout, ended.stderr].concat();
        let said = String::from_utf8_lossy(&said).to_lowercase();
        ensure!(
            said.contains("permissions violation"),
            "{forbidden:?}: {said}"
        );
    }
    Ok(())
}

/// Waits until the client that listens says this.
fn says(place: &Place, expected: &str) -> Result<()> {
    let began = std::time::Instant::now();
    loop {
        let namespace = format!("--namespace={}", place.namespace(0)?);
        let said = place.kubectl().run(["logs", &namespace, "alert-desk"])?;
        if said.contains(expected) {
            return Ok(());
        }
        ensure!(
            began.elapsed() < TOLD_WITHIN,
            "{expected:?} is not among: {said}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn documents(text: &str) -> Result<[String; 2]> {
    let (first, second) = text.split_once("\n---\n").context("not two pods")?;
    Ok([first.to_owned(), second.to_owned()])
}
