//! What is in force is undone by dropping, by a panic, and by whoever comes after a kill -9. The engine and
//! kubectl are programs here that write down what they are told.

use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::Command;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::fault::{Direction, Fault, Faults, Hands, Place, Provoked};
use crate::kubectl::Kubectl;

/// Programs that are never written while a test runs: one that is just being written cannot be started,
/// and a process that another thread has begun holds it open for a moment.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fault/tests/programs");

/// A cluster of which there are only the programs that reach it.
struct Heard {
    folder: TempDir,
}

impl Heard {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let heard = Self { folder };
        for name in ["engine", "kubectl"] {
            symlink(format!("{PROGRAMS}/{name}.sh"), heard.at(name)).unwrap();
        }
        heard
    }

    fn faults(&self) -> Faults {
        let engine = self.at("engine");
        let hands = Hands {
            kubectl: Kubectl::new(self.at("kubectl"), self.at("kubeconfig")),
            engine: Some(Box::new(move || Command::new(&engine))),
        };
        Faults::new(hands, self.at("state"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> PathBuf {
        self.at("log")
    }

    fn refused(&self) -> PathBuf {
        self.at("refused")
    }

    /// The engine refuses what begins with this word.
    fn refuse(&self, word: &str) {
        fs::write(self.refused(), word).unwrap();
    }

    /// What was done since the last look, without what was only read.
    fn check(&self, expected: &Expect) {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        fs::write(self.log(), "").unwrap();
        let done = log
            .lines()
            .filter(|line| !line.starts_with("kubectl get"))
            .fold(String::new(), |text, line| text + line + "\n");
        expected.assert_eq(&done);
    }
}

fn frozen(node: &str) -> Fault {
    Fault::NodeFrozen {
        node: node.to_owned(),
    }
}

fn cut(direction: Direction) -> Fault {
    Fault::NodesCut {
        first: "w1".to_owned(),
        second: "w2".to_owned(),
        direction,
    }
}

#[test]
fn a_fault_is_undone_when_it_is_dropped() {
    let heard = Heard::new();
    let faults = heard.faults();
    let provoked = faults.provoke(frozen("w1")).unwrap();
    assert_eq!(faults.in_force().unwrap(), [frozen("w1")]);
    heard.check(&expect![[r#"
        pause w1
    "#]]);
    drop(provoked);
    heard.check(&expect![[r#"
        unpause w1
    "#]]);
    assert_eq!(faults.in_force().unwrap(), []);
}

#[test]
fn a_fault_is_undone_by_a_panic() {
    let heard = Heard::new();
    let faults = heard.faults();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _provoked = faults.provoke(frozen("w1")).unwrap();
        panic!("a test fails");
    }));
    assert!(panicked.is_err());
    heard.check(&expect![[r#"
        pause w1
        unpause w1
    "#]]);
    assert_eq!(faults.in_force().unwrap(), []);
}

/// A process that is killed drops nothing.
#[test]
fn whoever_comes_later_undoes_what_is_in_force() {
    let heard = Heard::new();
    let killed = heard.faults();
    for fault in [
        Fault::NodeDrained {
            node: "w1".to_owned(),
        },
        cut(Direction::Both),
        frozen("w2"),
    ] {
        std::mem::forget(killed.provoke(fault).unwrap());
    }
    heard.check(&expect![[r#"
        kubectl drain w1 --timeout=90s --ignore-daemonsets --delete-emptydir-data --force
        exec --interactive w1 nft -f -
        table inet testbed_fault
        delete table inet testbed_fault
        table inet testbed_fault {
        	chain arriving {
        		type filter hook prerouting priority -310; policy accept;
        		ip saddr 172.18.0.4 counter drop
        		ip saddr 10.244.2.0/24 counter drop
        	}
        }
        exec --interactive w2 nft -f -
        table inet testbed_fault
        delete table inet testbed_fault
        table inet testbed_fault {
        	chain arriving {
        		type filter hook prerouting priority -310; policy accept;
        		ip saddr 172.18.0.3 counter drop
        		ip saddr 10.244.1.0/24 counter drop
        	}
        }
        pause w2
    "#]]);
    let later = heard.faults();
    assert_eq!(later.heal().unwrap().len(), 3);
    // First the nodes run, then their tables are empty, then the API server is asked.
    heard.check(&expect![[r#"
        unpause w2
        exec --interactive w1 nft -f -
        table inet testbed_fault
        delete table inet testbed_fault
        exec --interactive w2 nft -f -
        table inet testbed_fault
        delete table inet testbed_fault
        kubectl uncordon w1
    "#]]);
    assert_eq!(later.heal().unwrap(), []);
    heard.check(&expect![[""]]);
}

#[test]
fn one_fault_is_undone_and_others_stay_in_force_in_the_same_node() {
    let heard = Heard::new();
    let faults = heard.faults();
    let Provoked::InForce(cut) = faults.provoke(cut(Direction::FromFirstToSecond)).unwrap() else {
        panic!("a cut cannot be had");
    };
    let loss = Fault::PacketLoss {
        node: "w2".to_owned(),
        percent: 30,
    };
    let loss = faults.provoke(loss).unwrap();
    heard.check(&expect![[r#"
        exec --interactive w2 nft -f -
        table inet testbed_fault
        delete table inet testbed_fault
        table inet testbed_fault {
        	chain arriving {
        		type filter hook prerouting priority -310; policy accept;
        		ip saddr 172.18.0.3 counter drop
        		ip saddr 10.244.1.0/24 counter drop
        	}
        }
        exec --interactive w2 nft -f -
        table inet testbed_fault
        delete table inet testbed_fault
        table inet testbed_fault {
        	chain arriving {
        		type filter hook prerouting priority -310; policy accept;
        		ip saddr 172.18.0.3 counter drop
        		ip saddr 10.244.1.0/24 counter drop
        		iifname "eth0" numgen random mod 100 < 30 counter drop
        	}
        	chain leaving {
        		type filter hook postrouting priority 310; policy accept;
        		oifname "eth0" numgen random mod 100 < 30 counter drop
        	}
        }
    "#]]);
    cut.heal().unwrap();
    heard.check(&expect![[r#"
        exec --interactive w2 nft -f -
        table inet testbed_fault
        delete table inet testbed_fault
        table inet testbed_fault {
        	chain arriving {
        		type filter hook prerouting priority -310; policy accept;
        		iifname "eth0" numgen random mod 100 < 30 counter drop
        	}
        	chain leaving {
        		type filter hook postrouting priority 310; policy accept;
        		oifname "eth0" numgen random mod 100 < 30 counter drop
        	}
        }
    "#]]);
    drop(loss);
    heard.check(&expect![[r#"
        exec --interactive w2 nft -f -
        table inet testbed_fault
        delete table inet testbed_fault
    "#]]);
}

#[test]
fn what_cannot_be_undone_stays_in_the_record_and_holds_up_nothing_else() {
    let heard = Heard::new();
    let faults = heard.faults();
    for fault in [frozen("w1"), cut(Direction::FromFirstToSecond)] {
        std::mem::forget(faults.provoke(fault).unwrap());
    }
    heard.refuse("unpause");
    let error = faults.heal().unwrap_err().to_string();
    let engine = heard.at("engine").display().to_string();
    expect!["cannot undo: node w1 is frozen: `engine unpause w1` ended with exit status: 1: no such thing"].assert_eq(&error.replace(&engine, "engine"));
    assert_eq!(faults.in_force().unwrap(), [frozen("w1")]);
    heard.refuse("nothing");
    assert_eq!(faults.heal().unwrap(), [frozen("w1")]);
}

#[test]
fn what_cannot_be_provoked_leaves_nothing_in_force() {
    let heard = Heard::new();
    let faults = heard.faults();
    heard.refuse("pause");
    assert!(faults.provoke(frozen("w1")).is_err());
    heard.check(&expect![[r#"
        pause w1
        unpause w1
    "#]]);
    assert_eq!(faults.in_force().unwrap(), []);
}

#[test]
fn what_only_kubectl_reaches_is_failed_by_kubectl_alone() {
    let heard = Heard::new();
    let mut faults = heard.faults();
    faults.hands.engine = None;
    let Provoked::Skipped(why) = faults.provoke(frozen("w1")).unwrap() else {
        panic!("a node was frozen without an engine");
    };
    expect!["node w1 is frozen: only kubectl reaches this cluster, and this takes the engine whose containers its nodes are"].assert_eq(&why);
    let pod = Place::new("bus", "bus-0");
    let deleted = faults.provoke(Fault::PodDeleted { pod }).unwrap();
    assert_eq!(
        faults.in_force().unwrap(),
        [],
        "another pod comes by itself"
    );
    drop(deleted);
    heard.check(&expect![[r#"
        kubectl delete pod bus-0 --namespace=bus --ignore-not-found --wait=false
    "#]]);
}
