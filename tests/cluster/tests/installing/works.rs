//! From the chart to a bus that is proven, in a namespace that the release was told of. (What the manifests
//! make is what the suite of the operator runs.)

use std::time::Duration;

use anyhow::{Context, Result};
use svom_cluster::cache::Cache;
use svom_cluster::images::{self, Image};
use svom_cluster::notes::skip;
use svom_cluster::progress::Progress;

use crate::Place;
use crate::helm::{Helm, chart};
use crate::manifests::{manifest, moved};

/// Three servers with their volumes, on a machine that does much else.
const READY_WITHIN: Duration = Duration::from_secs(300);

#[test]
fn the_chart_makes_buses_also_in_further_namespaces() -> Result<()> {
    const TEST: &str = "the_chart_makes_buses_also_in_further_namespaces";
    let Some(place) = Place::prepare(TEST, &["released", "looked-after"])? else {
        return Ok(());
    };
    let Some(helm) = Helm::of(&place)? else {
        return skip(TEST, Helm::MISSING);
    };
    let (own, further) = (place.namespace(0)?, place.namespace(1)?);
    let [operator, nats_server] = load(&place)?;
    let (repository, tag) = named(&operator)?;
    let values = format!("image.repository={repository},image.tag={tag},namespaces={{{further}}}");
    let chart = chart();
    helm.run(&[
        "install",
        "svom",
        &chart.to_string_lossy(),
        "--set",
        &values,
    ])?;

    let kubectl = place.kubectl();
    kubectl.rolled_out(own, "deployment/svom-messaging", READY_WITHIN)?;
    let (repository, tag) = named(&nats_server)?;
    let spec = format!("spec:\n  image: {{repository: {repository}, tag: {tag}}}\n");
    let bus = moved(&manifest("examples/minimal.yaml")?, further).replace("spec:\n", &spec);
    kubectl.apply(&bus)?;
    let namespace = format!("--namespace={further}");
    let words = [namespace.as_str(), "svm/fsc"];
    let waited = kubectl.wait(&words, "condition=Ready", READY_WITHIN);
    waited.with_context(|| {
        let told = kubectl.run(["describe", words[0], words[1]]);
        told.unwrap_or_else(|error| error.to_string())
    })
}

/// Makes the images known to every node: the operator's and the servers', by their names.
fn load(place: &Place) -> Result<[String; 2]> {
    let progress = Progress::shown();
    let built = |image| images::build(image, &Cache::open()?, &progress);
    let (operator, nats_server) = (built(Image::Operator)?, built(Image::NatsServer)?);
    let archives = [operator.archive, nats_server.archive];
    place.cluster.load(&archives, &progress)?;
    Ok([operator.reference, nats_server.reference])
}

/// A repository, and a tag of it.
fn named(reference: &str) -> Result<(&str, &str)> {
    reference.rsplit_once(':').context("an image without a tag")
}
