//! The manifests that run the agent.
//!
//! In: the files of `tests/kind/manifests/` and what differs from cluster to cluster. Out: one text
//! for `kubectl apply`. Nothing is asked of a cluster.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::versions::data;

/// The namespace of the testbed's own pods.
pub const NAMESPACE: &str = "svom-testbed";

/// Where the nodes have the folder that all share.
const SHARED_FOLDER: &str = "/var/local/testbed/shared";

/// What the agent does in a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The name of its image.
    pub image: &'a str,
    /// Whether the nodes have no other pod network.
    pub network: bool,
    /// Whether LoadBalancers get addresses from it.
    pub load_balancer: bool,
    /// Whether the nodes share a folder, so that volumes can follow their pods.
    pub shared: bool,
    /// The addresses of all pods.
    pub pod_subnet: &'a str,
    /// The addresses of all Services.
    pub service_subnet: &'a str,
}

/// The manifests, in the order in which they are applied.
///
/// # Errors
/// When a file cannot be read, or has a place that nothing fills.
pub fn manifests(options: &Options<'_>) -> Result<String> {
    let Options {
        image,
        network,
        load_balancer,
        shared,
        pod_subnet,
        service_subnet,
    } = *options;
    let mut files = vec!["access", "node", "controller", "storage", "name-service"];
    if shared {
        files.push("storage-shared");
    }
    let places = [
        ("${IMAGE}", image),
        ("${NETWORK}", if network { "true" } else { "false" }),
        (
            "${LOAD_BALANCER}",
            if load_balancer { "true" } else { "false" },
        ),
        ("${SHARED_FOLDER}", if shared { SHARED_FOLDER } else { "" }),
        ("${POD_SUBNET}", pod_subnet),
        ("${SERVICE_SUBNET}", service_subnet),
    ];
    let mut texts = Vec::new();
    for file in files {
        let path = data("manifests").join(format!("{file}.yaml"));
        let mut text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for (place, value) in places {
            text = text.replace(place, value);
        }
        ensure!(
            !text.contains("${"),
            "{} has a place that is not filled",
            path.display()
        );
        texts.push(text);
    }
    Ok(texts.join("---\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options<'_> = Options {
        image: "docker.io/library/svom-testbed:0123456789ab",
        network: true,
        load_balancer: true,
        shared: true,
        pod_subnet: "10.244.0.0/16",
        service_subnet: "10.96.0.0/16",
    };

    /// The lines that one set of options has and another has not.
    fn only_in(one: &str, other: &str) -> Vec<String> {
        let lines = one.lines().filter(|line| !other.contains(line));
        lines.map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn options_change_what_the_agent_is_told_and_which_classes_there_are() {
        let all = manifests(&OPTIONS).unwrap();
        let bare = manifests(&Options {
            network: false,
            load_balancer: false,
            shared: false,
            ..OPTIONS
        })
        .unwrap();
        expect_test::expect![[r#"
            [
                "- --network=false",
                "- --load-balancer=false",
                "- --load-balancer=false",
            ]
        "#]]
        .assert_debug_eq(&only_in(&bare, &all));
        assert!(all.contains("name: shared\n") && !bare.contains("name: shared\n"));
        assert!(all.contains(&format!("namespace: {NAMESPACE}\n")));
    }
}
