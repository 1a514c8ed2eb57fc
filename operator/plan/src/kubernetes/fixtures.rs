//! Buses on Kubernetes for the tests of this folder: the examples of the project, with everything
//! minted that they ask for, as far as facts go.

use std::collections::BTreeMap;

use svom_crds::SvomMessaging;

use super::settings::TESTED_VERSION;
use super::{Bus, Identity, Outside, Place, Settings, outside, settings, topology};
use crate::material::{
    Authority, CertificateAndKey, CertificateFacts, Credential, Material, Nkey, OperatorKeys,
};
use crate::topology::Topology;
use crate::valid::validate;
use crate::want::{CertificateWanted, Usage, Want, wanted};
use crate::{Secret, UnixSeconds, Valid};

const NOW: UnixSeconds = 1_795_443_601;
/// Seeds of users, made for these tests alone.
pub(super) const SEED: &str = "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y";

/// Everything that a bus is made from.
pub(super) struct Made {
    pub(super) identity: Identity,
    pub(super) valid: Valid,
    pub(super) settings: Settings,
    pub(super) topology: Topology,
    pub(super) material: Material,
}

impl Made {
    pub(super) fn bus(&self) -> Bus<'_> {
        Bus {
            identity: &self.identity,
            valid: &self.valid,
            settings: &self.settings,
            version: TESTED_VERSION,
        }
    }
}

/// A resource, from its text.
pub(super) fn resource(yaml: &str) -> SvomMessaging {
    svom_crds::read::read(yaml.as_bytes()).expect("a resource")
}

/// A resource named `fsc` with this specification.
pub(super) fn of_spec(spec: &str) -> SvomMessaging {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    resource(&format!(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {{name: fsc, namespace: svom}}\nspec:\n{spec}"
    ))
}

/// The bus of a resource.
pub(super) fn made(resource: &SvomMessaging) -> Made {
    let valid = validate(resource).expect("every rule holds");
    let settings = settings(resource).expect("every rule holds");
    let identity = Identity {
        namespace: resource.metadata.namespace.clone().expect("a namespace"),
        name: valid.name.clone(),
        uid: "7c1f0a52-5f3e-4f0e-9d0a-3b1f4a1f9f10".to_owned(),
    };
    let outside: Outside = outside(settings.external.as_ref(), None);
    let topology = topology(&Place {
        identity: &identity,
        replicas: valid.replicas,
        cluster_domain: None,
        outside: &outside,
    });
    let material = minted(&valid, &topology);
    Made {
        identity,
        valid,
        settings,
        topology,
        material,
    }
}

fn minted(valid: &Valid, topology: &Topology) -> Material {
    let mut material = Material::default();
    for want in wanted(valid, topology, &material, NOW).expect("everything can be minted") {
        put(want, &mut material);
    }
    material
}

fn put(want: Want, material: &mut Material) {
    match want {
        Want::OperatorKeys => material.operator = Some(operator_keys()),
        Want::Authority { name, certificate } => {
            let own = certificate_and_key(&certificate);
            let trust_pem = own.chain_pem.clone();
            material
                .authorities
                .insert(name, Authority { own, trust_pem });
        }
        Want::Leaf { name, certificate } => {
            let made = certificate_and_key(&certificate);
            material.leaves.insert(name, made);
        }
        Want::Password(user) => {
            let credential = Credential::Password {
                password: random(&format!("password of {user}")),
                brought: false,
                hash: None,
            };
            material.users.insert(user, credential);
        }
        Want::Hash(user) => {
            if let Some(Credential::Password { hash, .. }) = material.users.get_mut(&user) {
                *hash = Some(format!("$2a$04$hash-of-{user}"));
            }
        }
        Want::Nkey(user) => {
            let own = nkey(&format!("U-{user}"));
            let stand_in = None;
            material
                .users
                .insert(user, Credential::Nkey { own, stand_in });
        }
        Want::StandIn(user) => {
            if let Some(Credential::Nkey { stand_in, .. }) = material.users.get_mut(&user) {
                *stand_in = Some(nkey(&format!("U-STAND-IN-{user}")));
            }
        }
    }
}

/// 64 hexadecimal digits that are made of a text.
pub(super) fn random(text: &str) -> Secret {
    use sha2::{Digest, Sha256};
    Secret::new(format!("{:x}", Sha256::digest(text)))
}

fn nkey(public: &str) -> Nkey {
    Nkey {
        public: public.to_owned(),
        seed: Some(Secret::new(SEED)),
    }
}

fn operator_keys() -> OperatorKeys {
    OperatorKeys {
        system: nkey("U-OPERATOR-SYSTEM"),
        jetstream: nkey("U-OPERATOR-JETSTREAM"),
        route_password: random("route"),
        salt_key: random("salt"),
    }
}

fn certificate_and_key(certificate: &CertificateWanted) -> CertificateAndKey {
    let name = &certificate.common_name;
    CertificateAndKey {
        chain_pem: format!("certificate of {name}\n"),
        key_pem: Secret::new(format!("-----BEGIN PRIVATE KEY-----\nof {name}\n")),
        facts: CertificateFacts {
            common_name: name.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            dns_names: certificate.dns_names.clone(),
            addresses: certificate.addresses.clone(),
            authority: certificate.usage == Usage::Authority,
            server_auth: certificate.usage.server(),
            client_auth: certificate.usage.client(),
            sound: true,
        },
    }
}

/// Values by their keys, for a snapshot: long ones by their length.
pub(super) fn shown(data: &BTreeMap<String, k8s_openapi::ByteString>) -> String {
    data.iter()
        .map(|(key, value)| {
            let text = String::from_utf8_lossy(&value.0);
            let told = if text.len() > 2000 {
                format!("({} bytes)", text.len())
            } else {
                text.trim_end().replace('\n', "\n    ")
            };
            format!("  {key}: {told}\n")
        })
        .collect()
}
