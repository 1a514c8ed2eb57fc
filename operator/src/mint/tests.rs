use std::collections::BTreeSet;
use std::net::IpAddr;

use svom_plan::material::{AuthorityName, LeafName, Material};
use svom_plan::valid::UserName;
use svom_plan::want::{CertificateWanted, Usage};
use svom_plan::{Want, wanted};
use x509_parser::pem::Pem;

use super::{Item, mint};
use crate::store::fixtures::{bus, now, servers};

fn first(chain: &str) -> Pem {
    Pem::iter_from_buffer(chain.as_bytes())
        .next()
        .unwrap()
        .unwrap()
}

#[test]
fn what_is_minted_is_what_was_wanted() {
    let (valid, topology, now) = (bus(), servers(1), now());
    let mut material = Material::default();
    let mut serials = BTreeSet::new();
    for want in wanted(&valid, &topology, &material, now).unwrap() {
        let item = mint(&want, &material).unwrap();
        let made = match (&want, &item) {
            (Want::Authority { certificate, .. }, Item::Authority(_, made)) => {
                Some((certificate, &made.own))
            }
            (Want::Leaf { certificate, .. }, Item::Leaf(_, made)) => Some((certificate, made)),
            _ => None,
        };
        if let Some((certificate, made)) = made {
            let CertificateWanted {
                common_name,
                not_before,
                not_after,
                dns_names,
                addresses,
                usage,
            } = certificate;
            let facts = &made.facts;
            assert!(facts.sound, "{common_name}");
            assert_eq!(
                (&facts.common_name, &facts.not_before, &facts.not_after),
                (common_name, not_before, not_after)
            );
            assert_eq!((&facts.dns_names, &facts.addresses), (dns_names, addresses));
            if *usage == Usage::Authority {
                assert!(facts.authority);
            } else {
                assert_eq!(
                    (facts.authority, facts.server_auth, facts.client_auth),
                    (false, usage.server(), usage.client())
                );
            }
            let pem = first(&made.chain_pem);
            let certificate = pem.parse_x509().unwrap();
            assert!(
                serials.insert(certificate.raw_serial_as_string()),
                "a serial number twice"
            );
            let constraints = certificate.basic_constraints().unwrap().unwrap().value;
            let path = (*usage == Usage::Authority).then_some(0);
            assert_eq!(constraints.path_len_constraint, path);
            let key_usage = certificate.key_usage().unwrap().unwrap().value;
            let signs = *usage == Usage::Authority;
            assert_eq!(
                (key_usage.key_cert_sign(), key_usage.digital_signature()),
                (signs, !signs)
            );
        }
        item.put_into(&mut material);
    }
    assert_eq!(serials.len(), 7);
    assert_eq!(wanted(&valid, &topology, &material, now), Ok(vec![]));
}

#[test]
fn nothing_is_made_of_what_is_not_there() {
    let certificate = CertificateWanted {
        common_name: "fsc-0".to_owned(),
        not_before: 0,
        not_after: 1,
        dns_names: BTreeSet::new(),
        addresses: BTreeSet::from([IpAddr::from([127, 0, 0, 1])]),
        usage: Usage::Server,
    };
    let leaf = Want::Leaf {
        name: LeafName::Server("fsc-0".to_owned()),
        certificate: certificate.clone(),
    };
    let hash = Want::Hash(UserName::new("ann"));
    let authority = Want::Authority {
        name: AuthorityName::Clients,
        certificate: CertificateWanted {
            not_after: i64::MAX,
            ..certificate
        },
    };
    let said: Vec<String> = [leaf, hash, authority]
        .iter()
        .map(|want| mint(want, &Material::default()).unwrap_err().to_string())
        .collect();
    assert_eq!(
        said,
        [
            "the authority must be made before what builds on it",
            "the operator's keys must be made before what builds on it",
            "9223372036854775807 seconds after 1970 is no date that a certificate can hold: set the clock",
        ]
    );
}
