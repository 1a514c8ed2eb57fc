//! A cluster becomes ready.
//!
//! In: a cluster whose control plane answers. Out: every node is ready and finds names through the
//! cluster's own name service; or what stands in the way.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::agent;
use crate::cluster::Cluster;
use crate::progress::Progress;

const READY_WITHIN: Duration = Duration::from_secs(300);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The cluster's name service, by kubeadm's choice the tenth address of the services.
const NAME_SERVICE: &str = "10.96.0.10";
const ASKED_NAME: &str = "kubernetes.default.svc.cluster.local";

/// Waits until it is.
///
/// # Errors
/// When it is not within five minutes, with what nodes and pods say.
pub fn wait(cluster: &Cluster, progress: &Progress) -> Result<()> {
    let waited = progress.part("three workers and the name service", |part| {
        let kubectl = cluster.kubectl();
        part.note("waiting for the nodes");
        kubectl.wait(&["nodes", "--all"], "condition=Ready", READY_WITHIN)?;
        part.note("waiting for the name service");
        kubectl.rolled_out("kube-system", "deployment/coredns", READY_WITHIN)?;
        part.note("waiting for the testbed's agent");
        agent::installed(kubectl, READY_WITHIN)?;
        for node in cluster.nodes()? {
            part.note(&format!("waiting for names in {node}"));
            names_are_found(cluster, &node)?;
        }
        Ok(())
    });
    waited.with_context(|| explanation(cluster))
}

/// Asks the name service from a node, over TCP, with nothing but what every node has.
fn names_are_found(cluster: &Cluster, node: &str) -> Result<()> {
    let Some(engine) = cluster.engine() else {
        return Ok(());
    };
    let script = format!(
        "exec 3<>/dev/tcp/{NAME_SERVICE}/53; printf '{}' >&3; head --bytes=10 <&3 | od -An -v -tx1",
        escaped(&question(ASKED_NAME))
    );
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let answer = engine.in_node(node, &["timeout", "5", "bash", "-c", &script]);
        match answer {
            Ok(answer) if is_good(&answer) => return Ok(()),
            Err(problem) if Instant::now() > deadline => return Err(problem),
            Ok(answer) if Instant::now() > deadline => {
                bail!("{node} asks for {ASKED_NAME} and is answered {answer}")
            }
            _ => thread::sleep(BETWEEN_LOOKS),
        }
    }
}

/// A question for a name's address as it goes over TCP: its length first.
fn question(name: &str) -> Vec<u8> {
    // A number of its own, recursion desired, one question, nothing else.
    let mut message = vec![0x53, 0x56, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.extend(u8::try_from(label.len()));
        message.extend(label.bytes());
    }
    // The root, type A, class IN.
    message.extend([0, 0, 1, 0, 1]);
    let mut question = u16::try_from(message.len())
        .unwrap_or(0)
        .to_be_bytes()
        .to_vec();
    question.extend(message);
    question
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// Of the first ten bytes in hexadecimal: no error, and at least one address.
fn is_good(answer: &str) -> bool {
    let bytes: Vec<_> = answer
        .split_whitespace()
        .filter_map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    matches!(bytes.as_slice(), [_, _, 0x53, 0x56, _, flags, _, _, more, some]
        if flags & 0x0f == 0 && (*more, *some) != (0, 0))
}

/// What nodes and pods say of themselves.
fn explanation(cluster: &Cluster) -> String {
    let kubectl = cluster.kubectl();
    let said = [
        vec!["get", "nodes", "--output=wide"],
        vec!["get", "pods", "--all-namespaces", "--output=wide"],
        vec![
            "get",
            "events",
            "--all-namespaces",
            "--field-selector=type=Warning",
        ],
    ]
    .map(|words| {
        kubectl
            .run(words)
            .unwrap_or_else(|problem| format!("{problem:#}"))
    });
    format!("the cluster does not become ready:\n{}", said.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_what_a_name_server_expects() {
        let expected = b"\x00\x15\x53\x56\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x01b\x00\x00\x01\x00\x01";
        assert_eq!(question("a.b"), expected);
        assert_eq!(escaped(&[0, 0xff]), "\\x00\\xff");
    }

    #[test]
    fn an_answer_is_good_when_it_has_an_address_and_no_error() {
        let cases = [
            (" 00 46 53 56 85 80 00 01 00 01\n", true),
            (" 00 46 53 56 85 83 00 01 00 00\n", false),
            (" 00 46 53 56 85 80 00 01 00 00\n", false),
            (" 00 46 53 57 85 80 00 01 00 01\n", false),
            (" 00 46\n", false),
            ("", false),
        ];
        for (answer, good) in cases {
            assert_eq!(is_good(answer), good, "{answer}");
        }
    }
}
