//! All objects of a bus, in the order in which they are written.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::identity::{Identity, Ownership, annotation, ours};
use super::labels::{COMPONENT, Component, WRITTEN_FOR};
use super::network_policy::network_policy;
use super::pod_disruption_budget::pod_disruption_budget;
use super::secrets::content_digest;
use super::stateful_set::stateful_set;
use super::{Bus, secrets, services};
use crate::Problem;
use crate::material::Material;
use crate::topology::Topology;

/// An object of one of the kinds that a bus is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// A Service.
    Service(Box<Service>),
    /// A NetworkPolicy.
    NetworkPolicy(Box<NetworkPolicy>),
    /// A PodDisruptionBudget.
    PodDisruptionBudget(Box<PodDisruptionBudget>),
    /// A Secret.
    Secret(Box<Secret>),
    /// A StatefulSet.
    StatefulSet(Box<StatefulSet>),
}

impl Object {
    /// The kind, as one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "Service",
            Self::NetworkPolicy(_) => "NetworkPolicy",
            Self::PodDisruptionBudget(_) => "PodDisruptionBudget",
            Self::Secret(_) => "Secret",
            Self::StatefulSet(_) => "StatefulSet",
        }
    }

    /// The metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Service(object) => &object.metadata,
            Self::NetworkPolicy(object) => &object.metadata,
            Self::PodDisruptionBudget(object) => &object.metadata,
            Self::Secret(object) => &object.metadata,
            Self::StatefulSet(object) => &object.metadata,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// What is applied first where the object is not there yet: a Secret of which there is no second
    /// copy, without its data. It is then filled under the resource version at which it was seen empty,
    /// so that of two writers one loses. `None` for what can be made again.
    pub fn without_data(&self) -> Option<Self> {
        let Self::Secret(secret) = self else {
            return None;
        };
        annotation(&secret.metadata, WRITTEN_FOR)?;
        let data = None;
        Some(Self::Secret(Box::new(Secret {
            data,
            ..Secret::clone(secret)
        })))
    }
}

/// All objects of a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// The objects, each after those that it needs.
    pub objects: Vec<Object>,
    /// What each server reports as `config_digest` once its configuration is in force.
    pub digests: BTreeMap<String, String>,
    /// What the servers' Secret holds, as a digest: the annotation by which their pods are made to look
    /// at it again.
    pub configuration: String,
}

/// All objects of a bus, once everything is minted. The order of writing:
/// 1. Services, NetworkPolicy, PodDisruptionBudget: they hold nothing secret, and a Service's address
///    goes into certificates.
/// 2. The Secrets of which no second copy exists. Nothing after them is written before they are.
/// 3. The Secrets that are made from those.
/// 4. The StatefulSet: what it starts finds everything that it reads.
///
/// # Errors
/// Every problem: what is not minted yet, what a configuration cannot say, and more than a Secret holds.
pub fn objects(
    bus: &Bus<'_>,
    topology: &Topology,
    material: &Material,
) -> Result<Objects, Vec<Problem>> {
    let one = |problem| vec![problem];
    let (servers, configs) = secrets::servers(bus, topology, material)?;
    let configuration = content_digest(&servers);
    let mut objects = around(bus);
    let mut put = |secret| objects.push(Object::Secret(Box::new(secret)));
    put(secrets::authorities(bus, material));
    for user in bus.valid.users.keys() {
        put(secrets::user(bus, topology, material, user).map_err(one)?);
    }
    // After the credentials, since it holds their traces: a trace is of nothing that could be lost.
    put(secrets::operator(bus, material).map_err(one)?);
    put(secrets::trust(bus, material).map_err(one)?);
    put(servers);
    objects.push(Object::StatefulSet(Box::new(stateful_set(bus))));
    let digests = configs.servers.into_iter();
    Ok(Objects {
        objects,
        digests: digests.map(|own| (own.server, own.digest)).collect(),
        configuration,
    })
}

/// What stands around the servers and needs nothing minted.
pub fn around(bus: &Bus<'_>) -> Vec<Object> {
    let Bus {
        identity, valid, ..
    } = *bus;
    let external = bus.settings.external.as_ref();
    let outside = external.map(|external| services::external(identity, valid, external));
    let services = [
        services::headless(identity, valid),
        services::client(identity, valid),
    ];
    let mut objects: Vec<Object> = services
        .into_iter()
        .chain(outside)
        .map(|service| Object::Service(Box::new(service)))
        .collect();
    objects.push(Object::NetworkPolicy(Box::new(network_policy(
        identity, valid, external,
    ))));
    objects.push(Object::PodDisruptionBudget(Box::new(
        pod_disruption_budget(identity),
    )));
    objects
}

/// Of the objects that were found, those of this resource that it wants no more, to be deleted. A
/// user's Secret is never among them: a user of the same name takes it up again.
pub fn no_longer_wanted<'a>(
    found: &'a [Object],
    wanted: &[Object],
    identity: &Identity,
) -> Vec<&'a Object> {
    let is_wanted = |object: &Object| {
        wanted
            .iter()
            .any(|one| one.kind() == object.kind() && one.name() == object.name())
    };
    let is_credential = |object: &Object| {
        let labels = object.metadata().labels.as_ref();
        let component = labels.and_then(|labels| labels.get(COMPONENT));
        component.is_some_and(|component| component == Component::User.as_str())
    };
    found
        .iter()
        .filter(|object| {
            ours(object.metadata(), identity) == Ownership::Ours
                && !is_credential(object)
                && !is_wanted(object)
        })
        .collect()
}
