//! What faults do to a node's packets: one nftables table per node, made anew from all the faults that
//! are in force on it.
//!
//! In: the rules in force on one node. Out: the text for `nft -f -`, which puts the whole table in the
//! place of the one before, in one transaction; without rules it takes the table away. Written twice, it
//! changes nothing.

use serde::{Deserialize, Serialize};

/// The table, and no other, is touched.
const TABLE: &str = "inet testbed_fault";
/// The interface that joins a node to the others: the container engine names it.
pub const CABLE: &str = "eth0";
/// Where the API server listens on the control plane's node.
const API_SERVER_PORT: u16 = 6443;

/// A rule on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The node.
    pub node: String,
    /// What happens there.
    pub effect: Effect,
}

/// What happens to packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Nothing passes the cable.
    CutOff,
    /// What these addresses and ranges send does not arrive.
    Deaf {
        /// Addresses, and ranges as `10.244.1.0/24`.
        to: Vec<String>,
    },
    /// So many of a hundred packets are lost, each way.
    Loss {
        /// Of a hundred.
        percent: u8,
    },
    /// Who talks to the API server is told that nobody listens.
    ApiServerAway,
}

/// The table for one node.
pub fn table<'a>(effects: impl IntoIterator<Item = &'a Effect>) -> String {
    let mut arriving = Vec::new();
    let mut leaving = Vec::new();
    let mut for_the_node = Vec::new();
    for effect in effects {
        match effect {
            Effect::CutOff => {
                arriving.push(format!("iifname \"{CABLE}\" counter drop"));
                leaving.push(format!("oifname \"{CABLE}\" counter drop"));
            }
            Effect::Deaf { to } => {
                arriving.extend(to.iter().map(|range| {
                    let family = if range.contains(':') { "ip6" } else { "ip" };
                    format!("{family} saddr {range} counter drop")
                }));
            }
            Effect::Loss { percent } => {
                let lost = format!("numgen random mod 100 < {percent} counter drop");
                arriving.push(format!("iifname \"{CABLE}\" {lost}"));
                leaving.push(format!("oifname \"{CABLE}\" {lost}"));
            }
            Effect::ApiServerAway => for_the_node.push(format!(
                "tcp dport {API_SERVER_PORT} counter reject with tcp reset"
            )),
        }
    }
    // Before connection tracking and every address translation on the way in, after them on the way out:
    // there the addresses are those of the nodes and pods that really talk.
    let chains = [
        ("arriving", "prerouting priority -310", arriving),
        ("leaving", "postrouting priority 310", leaving),
        ("for_the_node", "input priority -310", for_the_node),
    ];
    let mut text = format!("table {TABLE}\ndelete table {TABLE}\n");
    if chains.iter().any(|(_, _, rules)| !rules.is_empty()) {
        text += &format!("table {TABLE} {{\n");
        for (name, hook, rules) in chains {
            text += &chain(name, hook, &rules);
        }
        text += "}\n";
    }
    text
}

fn chain(name: &str, hook: &str, rules: &[String]) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let mut text = format!("\tchain {name} {{\n\t\ttype filter hook {hook}; policy accept;\n");
    for rule in rules {
        text += &format!("\t\t{rule}\n");
    }
    text + "\t}\n"
}
