//! How much is tried: one place for every count, at the size of the gate (each change must pass it)
//! and of the long proof.

use crate::report::at_level;
use crate::serving::{ServedBy, served_by};

/// Every count that a suite depends on.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Generated resources whose whole rights matrix is tried, one seed each.
    pub generated_resources: u64,
    /// Users in each of them.
    pub generated_users: usize,
    /// How often each attack is tried.
    pub attack_attempts: usize,
    /// Messages of each permitted kind in a flood.
    pub flood: usize,
    /// How many servers of a bus are tried one after another, where something happens at one.
    pub servers: usize,
    /// How often a reader goes away, for each client library, server and way of going.
    pub absences: usize,
    /// How often each of these servers is killed, and the leader of a stream.
    pub kills: usize,
    /// How often these servers are stopped one after another.
    pub lame_ducks: usize,
    /// Acknowledged messages before each fall of a server, and after it.
    pub messages_around_a_fall: usize,
    /// Acknowledged messages before a power cut.
    pub messages_before_power_cut: usize,
    /// Power cuts.
    pub power_cuts: usize,
    /// How often users, rights, domains and certificates are changed.
    pub change_rounds: usize,
    /// Rendered strings that are read back.
    pub rendered_strings: usize,
    /// Generated configurations that the real server reads.
    pub configurations_read: usize,
    /// Moments of the first `up` at which it is killed.
    pub killed_beginnings: usize,
}

/// Acceptable on every change.
const GATE: Sizes = Sizes {
    generated_resources: 1,
    generated_users: 14,
    attack_attempts: 3,
    flood: 100_000,
    servers: 3,
    absences: 1,
    kills: 1,
    lame_ducks: 1,
    messages_around_a_fall: 200,
    messages_before_power_cut: 2_000,
    power_cuts: 1,
    change_rounds: 1,
    rendered_strings: 1_000_000,
    configurations_read: 12,
    killed_beginnings: 8,
};

/// The same on a cluster, where each bus takes longer to be there and to be whole again: what is tried once
/// on this machine in the same run is not tried as often there.
const CLUSTER_GATE: Sizes = Sizes {
    attack_attempts: 1,
    flood: 10_000,
    servers: 1,
    ..GATE
};

/// For the long proof.
const PROOF: Sizes = Sizes {
    generated_resources: 4,
    generated_users: 24,
    attack_attempts: 10,
    flood: 300_000,
    servers: 3,
    absences: 2,
    kills: 3,
    lame_ducks: 2,
    messages_around_a_fall: 500,
    messages_before_power_cut: 10_000,
    power_cuts: 3,
    change_rounds: 3,
    rendered_strings: 3_000_000,
    configurations_read: 50,
    killed_beginnings: 20,
};

/// The same on a cluster: every server falls, and nothing is tried as often as on this machine.
const CLUSTER_PROOF: Sizes = Sizes {
    generated_resources: 2,
    attack_attempts: 3,
    flood: 100_000,
    absences: 1,
    kills: 1,
    lame_ducks: 1,
    ..PROOF
};

/// The sizes that the environment asks for.
pub fn sizes() -> Sizes {
    match served_by() {
        Ok(ServedBy::Cluster) => at_level(CLUSTER_GATE, CLUSTER_PROOF),
        _ => at_level(GATE, PROOF),
    }
}
