//! Nodes that do not hear one another, and an API server that nobody hears.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use svom_cluster::fault::{Direction, Fault, Faults, Pod};

use crate::bed::{Bed, address, eventually, fresh};

const KUBELET: &str = "10250";
const API_SERVER: &str = "6443";
const DATAGRAMS: usize = 400;
/// Takes longer than everything that is done meanwhile.
const PUBLISHED: usize = 2000;

/// Neither hears the other, both hear the third, and the bus goes on. Nobody heals it but whoever comes
/// later: this is what is left by a test that is killed.
pub fn two_nodes_are_cut_from_each_other(bed: &Bed) -> Result<()> {
    let [first, second, third] = three(bed)?;
    let publisher = bed.publisher("cut")?;
    let fault = Fault::NodesCut {
        first: first.clone(),
        second: second.clone(),
        direction: Direction::Both,
    };
    std::mem::forget(bed.provoke(fault.clone())?);
    for (from, to) in [(first, second), (second, first)] {
        ensure!(bed.pod_to_pod(from, to)? == "silent", "{from} reaches {to}");
        ensure!(
            bed.node_to_node(from, to)? == "silent",
            "{from} reaches {to}"
        );
    }
    for node in [first, second] {
        ensure!(
            bed.pod_to_pod(node, third)? == "open",
            "{node} is cut from {third}"
        );
        ensure!(
            bed.pod_to_pod(third, node)? == "open",
            "{third} is cut from {node}"
        );
    }
    publisher.waits_for_more(50)?;
    ensure!(bed.faults.heal()? == [fault]);
    for (from, to) in [(first, second), (second, first)] {
        ensure!(
            bed.pod_to_pod(from, to)? == "open",
            "{from} does not reach {to}"
        );
    }
    bed.whole_with(&publisher.end())
}

/// Datagrams arrive one way only. A connection, which needs both ways, comes about from neither side.
pub fn one_node_does_not_hear_another(bed: &Bed) -> Result<()> {
    let [silenced, deaf, _] = three(bed)?;
    let cut = bed.provoke(Fault::NodesCut {
        first: silenced.clone(),
        second: deaf.clone(),
        direction: Direction::FromFirstToSecond,
    })?;
    ensure!(bed.datagrams(deaf, silenced, 20, "heard")? == 20);
    ensure!(bed.datagrams(silenced, deaf, 20, "unheard")? == 0);
    ensure!(bed.pod_to_pod(silenced, deaf)? == "silent");
    ensure!(bed.pod_to_pod(deaf, silenced)? == "silent");
    cut.heal()?;
    ensure!(bed.datagrams(silenced, deaf, 20, "heard again")? == 20);
    bed.whole()
}

/// Says where it is not so: from outside the node does not answer; from inside nobody does, but the node's
/// own pods, of which the server is one.
pub fn reaches_nobody(bed: &Bed, node: &str, other: &str, server: &Pod) -> Result<()> {
    ensure!(bed.node_to_node(other, node)? == "silent");
    ensure!(bed.node_to_node(node, other)? == "silent");
    let api_server = bed.address(&bed.control_plane)?;
    ensure!(bed.reached_from(node, &api_server, API_SERVER)? == "silent");
    ensure!(bed.reached_from(node, &address(server)?, "4222")? == "open");
    Ok(())
}

/// Of what is sent to the node, about as much is missing as was asked for.
pub fn packets_are_lost(bed: &Bed) -> Result<()> {
    let [node, other, _] = three(bed)?;
    let publisher = bed.publisher("loss")?;
    let before = bed.heard(node, "lossy")?;
    let loss = bed.provoke(Fault::PacketLoss {
        node: node.clone(),
        percent: 30,
    })?;
    bed.send_datagrams(other, node, DATAGRAMS, "lossy")?;
    publisher.waits_for_more(50)?;
    loss.heal()?;
    // Asked when nothing is lost any more: of the question, too, parts would be.
    let arrived = bed.heard(node, "lossy")? - before;
    // 280 with a deviation of 9: this is nine of them to either side.
    ensure!(
        (200..=360).contains(&arrived),
        "{arrived} of {DATAGRAMS} arrived at 30 of 100 lost"
    );
    ensure!(bed.datagrams(other, node, DATAGRAMS, "lossless")? == DATAGRAMS);
    bed.whole_with(&publisher.end())
}

/// A connection takes at least the delay.
pub fn packets_are_late(bed: &Bed) -> Result<()> {
    let [node, other, _] = three(bed)?;
    let milliseconds = 200;
    let delay = bed.provoke(Fault::Delay {
        node: node.clone(),
        milliseconds,
    })?;
    let client = address(&bed.pod_on(node, "client")?)?;
    let took = bed.ask_on(other, &["answer-after", &client])?;
    let took = Duration::from_secs_f64(took.parse()?);
    ensure!(
        took >= Duration::from_millis(milliseconds.into()),
        "it took {took:?}"
    );
    delay.heal()?;
    bed.whole()
}

/// Nobody reaches the API server, and the bus does not need it.
pub fn the_bus_goes_on_without_the_api_server(bed: &Bed) -> Result<()> {
    let [worker, ..] = three(bed)?;
    let api_server = bed.address(&bed.control_plane)?;
    let publishing = bed.publish_to_a_file("api-server")?;
    let away = bed.provoke(Fault::ApiServerAway)?;
    let asked = bed
        .kubectl
        .run(["get", "--raw=/readyz", "--request-timeout=3s"]);
    ensure!(asked.is_err(), "the API server answers");
    ensure!(bed.reached_from(worker, &api_server, API_SERVER)? == "refused");
    let before = publishing.acknowledged(&bed.faults)?.len();
    eventually("acknowledgements without the API server", || {
        let now = publishing.acknowledged(&bed.faults)?.len();
        ensure!(now > before + 50, "{now} after {before}");
        Ok(())
    })?;
    away.heal()?;
    bed.faults.hands().api_server()?;
    ensure!(bed.reached_from(worker, &api_server, API_SERVER)? == "open");
    let acknowledged = eventually("the end of publishing", || {
        let all = publishing.acknowledged(&bed.faults)?;
        ensure!(all.len() == PUBLISHED, "{} of {PUBLISHED}", all.len());
        Ok(all)
    })?;
    bed.whole_with(&acknowledged)
}

/// Messages that are published without anybody outside the pod, their names in a file of it.
struct Publishing {
    node: String,
    /// The file as the node sees it.
    file: String,
}

impl Publishing {
    fn acknowledged(&self, faults: &Faults) -> Result<Vec<String>> {
        let names = faults.hands().look(&self.node, &["cat", &self.file])?;
        // The last line may be half written.
        let whole = names.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(whole.lines().map(str::to_owned).collect())
    }
}

impl Bed {
    fn publish_to_a_file(&self, word: &str) -> Result<Publishing> {
        let word = fresh(word);
        let pod = self.outside()?;
        let servers = self.servers()?;
        let hosts = servers.iter().map(address).collect::<Result<Vec<_>>>()?;
        let publish = format!(
            "python3 /programs/client.py publish {word} {PUBLISHED} {} >/heard/{word} 2>/dev/null </dev/null &",
            hosts.join(" ")
        );
        let name = &pod.place.name;
        self.kubectl.exec(
            crate::bed::NAMESPACE,
            name,
            "client",
            &["sh", "-c", &publish],
        )?;
        let publishing = Publishing {
            file: format!(
                "/var/lib/kubelet/pods/{}/volumes/kubernetes.io~empty-dir/heard/{word}",
                pod.uid
            ),
            node: pod.node.clone(),
        };
        eventually("the first acknowledgement", || {
            let first = publishing.acknowledged(&self.faults)?;
            ensure!(!first.is_empty());
            Ok(())
        })?;
        Ok(publishing)
    }

    /// What becomes of a connection from a node's client pod to another node's server.
    fn pod_to_pod(&self, from: &str, to: &str) -> Result<String> {
        let server = address(&self.pod_on(to, "bus")?)?;
        self.ask_on(from, &["connect", &server, "4222"])
    }

    /// What becomes of a connection from one node to another's kubelet.
    fn node_to_node(&self, from: &str, to: &str) -> Result<String> {
        self.reached_from(from, &self.address(to)?, KUBELET)
    }

    /// What becomes of a connection that a program on the node itself asks for.
    fn reached_from(&self, node: &str, address: &str, port: &str) -> Result<String> {
        let script = format!(
            "timeout 2 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null; \
             case $? in 0) echo open;; 124) echo silent;; *) echo refused;; esac"
        );
        let said = self.faults.hands().look(node, &["bash", "-c", &script])?;
        Ok(said.trim().to_owned())
    }

    /// How many of so many datagrams from one node's client arrive at another's.
    fn datagrams(&self, from: &str, to: &str, count: usize, word: &str) -> Result<usize> {
        let before = self.heard(to, word)?;
        self.send_datagrams(from, to, count, word)?;
        Ok(self.heard(to, word)? - before)
    }

    /// How many datagrams with this word the client of a node has heard.
    fn heard(&self, node: &str, word: &str) -> Result<usize> {
        let ear = self.pod_on(node, "client")?;
        Ok(self.ask(&ear, &["heard", word])?.parse()?)
    }

    fn send_datagrams(&self, from: &str, to: &str, count: usize, word: &str) -> Result<()> {
        let ear = self.pod_on(to, "client")?;
        let words = ["send", &address(&ear)?, &count.to_string(), word];
        self.ask_on(from, &words).map(drop)
    }
}

fn three(bed: &Bed) -> Result<[&String; 3]> {
    let workers: Vec<_> = bed.workers.iter().collect();
    workers.try_into().ok().context("not three workers")
}
