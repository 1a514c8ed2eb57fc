//! Whether a configuration fits into one Kubernetes Secret with everything beside it. The same limit
//! holds on one machine, so that a file that works there works on Kubernetes too.

use super::ServerConfig;
use crate::material::{AuthorityName, LeafName, Material};
use crate::problem::Problem;
use crate::topology::Topology;

/// What the values of one Secret may hold together, bytes.
pub const SECRET_LIMIT: usize = 1 << 20;

/// Bytes of the values of the one Secret that all servers share: the configuration (the longest,
/// where they differ), the certificate and key of each server for clients and for routes, and both
/// authorities. What was not minted yet counts nothing.
pub fn secret_size(configs: &[ServerConfig], topology: &Topology, material: &Material) -> usize {
    let configuration = configs
        .iter()
        .map(|config| config.json.reveal().len())
        .max();
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
    configuration.unwrap_or_default() + certificates + authorities
}

/// The problem with a size over the limit.
pub(super) fn problem(
    configs: &[ServerConfig],
    topology: &Topology,
    material: &Material,
) -> Option<Problem> {
    let size = secret_size(configs, topology, material);
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
