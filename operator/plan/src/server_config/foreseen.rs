//! Whether a resource will fit, before anything is minted for it: with stand-ins of the length that
//! the real hashes, keys and certificates have.

use std::collections::BTreeSet;

use super::server_configs;
use crate::kubernetes::{self, Identity, Outside, Place};
use crate::material::{
    Authority, AuthorityName, CertificateAndKey, CertificateFacts, Credential, LeafName, Material,
    Nkey, OperatorKeys,
};
use crate::topology::Topology;
use crate::valid::{Authentication, UserName, Valid};
use crate::{Problem, Secret};

/// Bytes of a certificate that an authority of ours signs, with its key, PEM: about 1,100 with few
/// names. A brought authority may send along some above it.
const CERTIFICATE: usize = 2048;
/// Characters of a bcrypt hash.
const HASH: usize = 60;
/// Characters of an NKey.
const NKEY: usize = 56;

/// Refuses a resource whose configuration will not fit into one Secret.
///
/// # Errors
/// The problem, with the number of bytes.
pub fn check_size(valid: &Valid) -> Result<(), Vec<Problem>> {
    let topology = topology(valid);
    server_configs(valid, &topology, &material(valid, &topology)).map(|_| ())
}

/// As the servers stand on Kubernetes, in a namespace with the longest name.
fn topology(valid: &Valid) -> Topology {
    let identity = Identity {
        namespace: "n".repeat(63),
        name: valid.name.clone(),
        uid: String::new(),
    };
    kubernetes::topology(&Place {
        identity: &identity,
        replicas: valid.replicas,
        cluster_domain: Some("cluster.local"),
        outside: &Outside::default(),
    })
}

fn material(valid: &Valid, topology: &Topology) -> Material {
    let authority = |name| {
        (
            name,
            Authority {
                own: certificate(),
                trust_pem: "-".repeat(CERTIFICATE),
            },
        )
    };
    let leaves = topology.servers.iter().flat_map(|server| {
        let leaf = |leaf: fn(String) -> LeafName| (leaf(server.name.clone()), certificate());
        [leaf(LeafName::Server), leaf(LeafName::Route)]
    });
    Material {
        authorities: [AuthorityName::Clients, AuthorityName::Routes]
            .map(authority)
            .into(),
        leaves: leaves.collect(),
        operator: Some(OperatorKeys {
            system: key("system"),
            jetstream: key("jetstream"),
            route_password: Secret::new("-".repeat(64)),
            salt_key: Secret::new(""),
        }),
        users: valid
            .users
            .iter()
            .map(|(name, user)| (name.clone(), credential(name, user.authentication)))
            .collect(),
    }
}

/// No two public keys may be the same, so each is made of the name it stands for.
fn key(name: &str) -> Nkey {
    Nkey {
        public: format!("{name:-<NKEY$}"),
        seed: None,
    }
}

fn credential(name: &UserName, authentication: Authentication) -> Credential {
    match authentication {
        Authentication::Password => Credential::Password {
            password: Secret::new(""),
            brought: false,
            hash: Some("-".repeat(HASH)),
        },
        Authentication::Nkey => Credential::Nkey {
            own: key(&format!("own {name}")),
            stand_in: Some(key(&format!("for {name}"))),
        },
    }
}

fn certificate() -> CertificateAndKey {
    CertificateAndKey {
        chain_pem: "-".repeat(CERTIFICATE),
        key_pem: Secret::new(""),
        facts: CertificateFacts {
            common_name: String::new(),
            not_before: 0,
            not_after: 0,
            dns_names: BTreeSet::new(),
            addresses: BTreeSet::new(),
            authority: false,
            server_auth: false,
            client_auth: false,
            sound: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::check_size;
    use crate::access::fixture::mission;

    #[test]
    fn what_will_not_fit_is_refused_with_the_number_before_anything_is_minted() {
        let with_users = |count: usize| {
            let everything = ["activity.*", "science.*", "data.*"];
            (0..count).fold(mission(), |bus, user| {
                bus.with_user(&format!("user-{user:03}"), &everything, &everything)
            })
        };
        assert_eq!(check_size(&with_users(200)), Ok(()));
        let problems = check_size(&with_users(300)).expect_err("too large");
        let size = "1086229";
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!(
                "spec.users: the servers' configuration with its certificates takes {size} bytes, and one \
                 Secret holds 1048576: name fewer users, or grant each only the queues it needs, or split \
                 the bus in two"
            )]
        );
    }
}
