//! What is done for each fault, and what undoes it, without doing it.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use crate::fault::facts::{Node, Pod};
use crate::fault::recipe::{Act, Step, Subject, recipe};
use crate::fault::rules::{Effect, table};
use crate::fault::{Direction, Fault, Place};

fn node(name: &str, last: u8, control_plane: bool) -> Node {
    Node {
        name: name.to_owned(),
        addresses: vec![format!("172.18.0.{last}").parse().unwrap()],
        pod_ranges: vec![format!("10.244.{last}.0/24")],
        control_plane,
        ready: true,
    }
}

fn subject() -> Subject {
    Subject {
        nodes: vec![
            node("c", 5, true),
            node("w1", 10, false),
            node("w2", 4, false),
        ],
        pod: Some(Pod {
            place: Place::new("bus", "bus-0"),
            node: "w1".to_owned(),
            uid: "u-1".to_owned(),
            address: None,
            ready: true,
            restarts: 0,
            containers: vec![("nats".to_owned(), "0123".to_owned())],
            claims: vec!["data-bus-0".to_owned()],
        }),
        volume: Some("pv-1".to_owned()),
    }
}

/// As one would type it: who does it, and the words.
fn typed(step: &Step) -> String {
    let line = match &step.act {
        Act::Engine(words) => format!("engine: {}", words.join(" ")),
        Act::InNode { node, words } => format!("in {node}: {}", words.join(" ")),
        Act::Rules { node } => format!("in {node}: nft"),
        Act::Kubectl(words) => format!("kubectl: {}", words.join(" ")),
        Act::Agent { node, words } => format!("agent on {node}: {}", words.join(" ")),
    };
    match step.or_said.as_slice() {
        [] => line,
        words => format!("{line}   or said: {}", words.join(" | ")),
    }
}

fn check(fault: &Fault, expected: &Expect) {
    let text = match recipe(fault, &subject()) {
        Ok(recipe) => {
            let mut text = format!("{fault}\n");
            for step in &recipe.provoke {
                writeln!(text, "{}", typed(step)).unwrap();
            }
            for rule in &recipe.rules {
                writeln!(text, "rule on {}: {:?}", rule.node, rule.effect).unwrap();
            }
            for step in &recipe.undo {
                writeln!(text, "undo {}", typed(step)).unwrap();
            }
            text
        }
        Err(error) => format!("{error:#}\n"),
    };
    expected.assert_eq(&text);
}

fn w1() -> String {
    "w1".to_owned()
}

#[test]
fn faults_of_pods() {
    let pod = Place::new("bus", "bus-0");
    check(
        &Fault::ContainerKilled {
            pod: pod.clone(),
            container: "nats".to_owned(),
        },
        &expect![[r#"
            container nats of pod bus/bus-0 is killed
            in w1: ctr --namespace k8s.io task kill --signal SIGKILL 0123
        "#]],
    );
    check(
        &Fault::ContainerKilled {
            pod: pod.clone(),
            container: "other".to_owned(),
        },
        &expect![[r#"
            pod bus/bus-0 runs no container other
        "#]],
    );
    check(
        &Fault::PodDeleted { pod },
        &expect![[r#"
        pod bus/bus-0 is deleted
        kubectl: delete pod bus-0 --namespace=bus --ignore-not-found --wait=false
    "#]],
    );
}

#[test]
fn faults_of_nodes() {
    check(
        &Fault::NodeFrozen { node: w1() },
        &expect![[r#"
        node w1 is frozen
        engine: pause w1
        undo engine: unpause w1   or said: is not paused | is not running
    "#]],
    );
    check(
        &Fault::NodeCrashed { node: w1() },
        &expect![[r#"
        node w1 has crashed
        engine: kill w1   or said: is not running
        undo engine: start w1
    "#]],
    );
    check(
        &Fault::NodeDrained { node: w1() },
        &expect![[r#"
        node w1 is drained
        kubectl: drain w1 --timeout=90s --ignore-daemonsets --delete-emptydir-data --force
        undo kubectl: uncordon w1
    "#]],
    );
    check(
        &Fault::NodeLost { node: w1() },
        &expect![[r#"
        node w1 is lost for good
        engine: kill w1   or said: is not running
        kubectl: taint node w1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute --overwrite
        undo engine: start w1
        undo kubectl: taint node w1 node.kubernetes.io/out-of-service-   or said: not found
    "#]],
    );
    check(
        &Fault::KubeletKilled { node: w1() },
        &expect![[r#"
        the kubelet of node w1 is killed
        in w1: systemctl kill --signal=SIGKILL kubelet
        in w1: systemctl stop kubelet
        undo in w1: systemctl start kubelet   or said: is not running
    "#]],
    );
    let node = "c".to_owned();
    check(
        &Fault::NodeLost { node },
        &expect![[r#"
        node c cannot be lost for good: without it nobody moves its pods; crash it
    "#]],
    );
    let node = "w9".to_owned();
    check(
        &Fault::NodeFrozen { node },
        &expect![[r#"
        there is no node w9; the nodes are c, w1, w2
    "#]],
    );
}

#[test]
fn faults_of_the_network() {
    let cut = |second: &str, direction| Fault::NodesCut {
        first: w1(),
        second: second.to_owned(),
        direction,
    };
    check(
        &Fault::NodeCutOff { node: w1() },
        &expect![[r#"
        node w1 is cut off
        in w1: nft
        rule on w1: CutOff
        undo in w1: nft   or said: is not running
    "#]],
    );
    check(
        &cut("w2", Direction::Both),
        &expect![[r#"
        nodes w1 and w2 are cut from each other
        in w1: nft
        in w2: nft
        rule on w1: Deaf { to: ["172.18.0.4", "10.244.4.0/24"] }
        rule on w2: Deaf { to: ["172.18.0.10", "10.244.10.0/24"] }
        undo in w1: nft   or said: is not running
        undo in w2: nft   or said: is not running
    "#]],
    );
    check(
        &cut("w2", Direction::FromFirstToSecond),
        &expect![[r#"
        what node w1 sends does not reach node w2
        in w2: nft
        rule on w2: Deaf { to: ["172.18.0.10", "10.244.10.0/24"] }
        undo in w2: nft   or said: is not running
    "#]],
    );
    check(
        &cut("w1", Direction::Both),
        &expect![[r#"
        a node cannot be cut from itself; name two nodes
    "#]],
    );
    let loss = |percent| Fault::PacketLoss {
        node: w1(),
        percent,
    };
    check(
        &loss(20),
        &expect![[r#"
        node w1 loses 20 of 100 packets each way
        in w1: nft
        rule on w1: Loss { percent: 20 }
        undo in w1: nft   or said: is not running
    "#]],
    );
    check(
        &loss(101),
        &expect![[r#"
        101 of 100 packets cannot be lost; give 1 to 100
    "#]],
    );
    check(
        &Fault::Delay {
            node: w1(),
            milliseconds: 100,
        },
        &expect![[r#"
            what node w1 sends is 100 ms late
            in w1: tc qdisc replace dev eth0 root netem delay 100ms
            undo in w1: tc qdisc del dev eth0 root   or said: handle of zero | No such file | is not running
        "#]],
    );
    check(
        &Fault::ApiServerAway,
        &expect![[r#"
        the API server is away
        in c: nft
        rule on c: ApiServerAway
        undo in c: nft   or said: is not running
    "#]],
    );
}

#[test]
fn faults_of_disks() {
    let claim = Place::new("bus", "data-bus-0");
    let full = Fault::DiskFull {
        claim: claim.clone(),
    };
    check(
        &full,
        &expect![[r#"
            the volume of claim bus/data-bus-0 is full
            agent on w1: volume fill pv-1
            undo agent on w1: volume unfill pv-1
        "#]],
    );
    check(
        &Fault::DiskFailed { claim },
        &expect![[r#"
            the volume of claim bus/data-bus-0 has failed
            agent on w1: volume shutdown pv-1
            undo kubectl: delete pod bus-0 --namespace=bus --ignore-not-found --timeout=50s
        "#]],
    );
}

#[test]
fn a_power_cut_stops_whoever_writes_then_all_volumes_then_all_nodes() {
    let nodes = |names: &[&str]| Fault::PowerCut {
        nodes: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    check(
        &nodes(&["w1", "w2", "c"]),
        &expect![[r#"
            power cut of w1, w2, c
            in w1: sh -c for process in /proc/[0-9]*; do
              grep -q kubepods "$process/cgroup" 2>/dev/null || continue
              grep -q -- ' - xfs /dev/loop' "$process/mountinfo" 2>/dev/null || continue
              grep -q ' /var/lib/kubelet/[^ ]* .* - xfs /dev/loop' "$process/mountinfo" && continue
              kill -STOP "${process#/proc/}"
            done
            true
            in w2: sh -c for process in /proc/[0-9]*; do
              grep -q kubepods "$process/cgroup" 2>/dev/null || continue
              grep -q -- ' - xfs /dev/loop' "$process/mountinfo" 2>/dev/null || continue
              grep -q ' /var/lib/kubelet/[^ ]* .* - xfs /dev/loop' "$process/mountinfo" && continue
              kill -STOP "${process#/proc/}"
            done
            true
            in c: sh -c for process in /proc/[0-9]*; do
              grep -q kubepods "$process/cgroup" 2>/dev/null || continue
              grep -q -- ' - xfs /dev/loop' "$process/mountinfo" 2>/dev/null || continue
              grep -q ' /var/lib/kubelet/[^ ]* .* - xfs /dev/loop' "$process/mountinfo" && continue
              kill -STOP "${process#/proc/}"
            done
            true
            agent on w1: volume shutdown --all
            agent on w2: volume shutdown --all
            agent on c: volume shutdown --all
            engine: kill w2 c w1   or said: is not running
            undo engine: start w2
            undo engine: start c
            undo engine: start w1
        "#]],
    );
    check(
        &nodes(&[]),
        &expect![[r#"
        no node is named
    "#]],
    );
}

#[test]
fn the_tables_of_nodes() {
    expect![[r#"
        table inet testbed_fault
        delete table inet testbed_fault
    "#]]
    .assert_eq(&table([]));
    expect![[r#"
        table inet testbed_fault
        delete table inet testbed_fault
        table inet testbed_fault {
        	chain for_the_node {
        		type filter hook input priority -310; policy accept;
        		tcp dport 6443 counter reject with tcp reset
        	}
        }
    "#]]
    .assert_eq(&table([&Effect::ApiServerAway]));
    let to = vec!["172.18.0.4".to_owned(), "fd00::/64".to_owned()];
    expect![[r#"
        table inet testbed_fault
        delete table inet testbed_fault
        table inet testbed_fault {
        	chain arriving {
        		type filter hook prerouting priority -310; policy accept;
        		ip saddr 172.18.0.4 counter drop
        		ip6 saddr fd00::/64 counter drop
        		iifname "eth0" counter drop
        		iifname "eth0" numgen random mod 100 < 20 counter drop
        	}
        	chain leaving {
        		type filter hook postrouting priority 310; policy accept;
        		oifname "eth0" counter drop
        		oifname "eth0" numgen random mod 100 < 20 counter drop
        	}
        }
    "#]]
    .assert_eq(&table([
        &Effect::Deaf { to },
        &Effect::CutOff,
        &Effect::Loss { percent: 20 },
    ]));
}
