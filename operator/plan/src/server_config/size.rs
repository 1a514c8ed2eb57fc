//! Whether a configuration fits into one Kubernetes Secret with everything beside it. The same limit
//! holds on one machine, so that a file that works there works on Kubernetes too.

use super::{SharedConfigs, Written};
use crate::material::{AuthorityName, LeafName, Material};
use crate::problem::Problem;
use crate::topology::Topology;

/// What the values of one Secret may hold together, bytes.
pub const SECRET_LIMIT: usize = 1 << 20;
/// How much longer a server's own file is with the words that include the accounts.
const INCLUDE: usize = 64;

/// Bytes of the values of the one Secret that all servers share: the accounts, each server's own
/// configuration, its certificate and key for clients and for routes, and both authorities. What was
/// not minted yet counts nothing.
pub fn secret_size(configs: &SharedConfigs, topology: &Topology, material: &Material) -> usize {
    let own = configs.servers.iter().map(|own| own.text.reveal().len());
    configs.accounts.reveal().len() + own.sum::<usize>() + beside(topology, material)
}

/// Certificates and keys.
fn beside(topology: &Topology, material: &Material) -> usize {
    let pairs = topology.servers.iter().flat_map(|server| {
        [
            LeafName::Server(server.name.clone()),
            LeafName::Route(server.name.clone()),
        ]
    });
    let certificates: usize = pairs
        .filter_map(|leaf| material.leaves.get(&leaf))
        .map(|leaf| leaf.chain_pem.len() + leaf.key_pem.reveal().len())
        .sum();
    let authorities: usize = [AuthorityName::Clients, AuthorityName::Routes]
        .iter()
        .filter_map(|name| material.authorities.get(name))
        .map(|authority| authority.trust_pem.len())
        .sum();
    certificates + authorities
}

/// The problem with a size over the limit.
pub(super) fn problem(
    written: &Written,
    topology: &Topology,
    material: &Material,
) -> Option<Problem> {
    let own = written.servers.iter().map(|own| own.around.len() + INCLUDE);
    let size = written.accounts.len() + own.sum::<usize>() + beside(topology, material);
    (size > SECRET_LIMIT).then(|| {
        Problem::new(
            "spec.users",
            format!(
                "the servers' configuration with its certificates takes {size} bytes, and one \
                 Secret holds {SECRET_LIMIT}: name fewer users, or grant each only the queues it \
                 needs, or split the bus in two"
            ),
        )
    })
}
