//! Which API server, as whom, and which namespaces.

use std::path::Path;

use anyhow::Context;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// How to reach the API server: as a pod's service account, or as a kubeconfig says.
///
/// # Errors
/// When neither is there or can be read.
pub async fn config(kubeconfig: Option<&Path>, context: Option<&str>) -> anyhow::Result<Config> {
    if kubeconfig.is_none() && context.is_none() {
        return Config::infer().await.context(
            "no API server is known: run in a pod with a service account, or name a file with --kubeconfig",
        );
    }
    let read = match kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let file = kubeconfig.map_or("the kubeconfig".to_owned(), |file| {
        file.display().to_string()
    });
    let read = read.with_context(|| format!("cannot read {file}"))?;
    let config = Config::from_custom_kubeconfig(read, &options).await;
    config.with_context(|| format!("{file} does not say how to reach the API server"))
}

/// The namespaces to look after: those that were named, else the own one; each once.
pub fn namespaces(named: &[String], own: &str) -> Vec<String> {
    let mut namespaces = named.to_vec();
    if namespaces.is_empty() {
        namespaces.push(own.to_owned());
    }
    namespaces.sort_unstable();
    namespaces.dedup();
    namespaces
}

/// What this process is called among those that ask for the same Lease.
///
/// In a pod that knows its uid this is the pod: a container that is started anew in it goes on at once,
/// since the one before it has ended. Elsewhere it is the machine, and a number that no other process
/// has.
pub fn identity(pod: Option<String>, uid: Option<String>, host: &str, random: u64) -> String {
    let filled = |text: &String| !text.is_empty();
    match (pod.filter(filled), uid.filter(filled)) {
        (Some(pod), Some(uid)) => format!("{pod}_{uid}"),
        (pod, _) => format!("{}_{random:016x}", pod.as_deref().unwrap_or(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_those_named_or_ones_own() {
        let named = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            namespaces(&named, "own").join(" ")
        };
        assert_eq!([named(&[]), named(&["b", "a", "b"])], ["own", "a b"]);
    }

    #[test]
    fn a_pod_is_the_same_process_and_elsewhere_each_is_its_own() {
        let identity = |pod: Option<&str>, uid: Option<&str>| {
            identity(pod.map(str::to_owned), uid.map(str::to_owned), "host", 255)
        };
        let told = [
            identity(Some("operator-x"), Some("uid-1")),
            identity(Some("operator-x"), None),
            identity(Some("operator-x"), Some("")),
            identity(None, Some("uid-1")),
            identity(Some(""), None),
        ];
        let expected = [
            "operator-x_uid-1",
            "operator-x_00000000000000ff",
            "operator-x_00000000000000ff",
            "host_00000000000000ff",
            "host_00000000000000ff",
        ];
        assert_eq!(told, expected);
    }
}
