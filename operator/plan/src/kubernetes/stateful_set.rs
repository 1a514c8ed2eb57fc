//! The StatefulSet that runs the servers.
//!
//! Its pods are started together, since the first election waits for every server, and are restarted
//! by the operator alone, one at a time (`OnDelete`). A change of its template restarts nothing by
//! itself; still, what a reload puts in force is not in the template, or the next pod that a node's end
//! makes anew would be another one than those beside it.

mod container;
mod pod;

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::labels::{self, Component};
use super::{Bus, names, quantity};
use crate::valid::OnDelete;

pub use container::CONTAINER;
pub(super) use container::{CLIENT, ROUTES, WEBSOCKET};

/// The StatefulSet of a bus.
pub fn stateful_set(bus: &Bus<'_>) -> StatefulSet {
    let name = &bus.identity.name;
    StatefulSet {
        metadata: bus.identity.owned(names::bus(name), Component::Server),
        spec: Some(StatefulSetSpec {
            persistent_volume_claim_retention_policy: Some(retention(bus.valid.on_delete)),
            pod_management_policy: Some("Parallel".to_owned()),
            replicas: Some(bus.valid.replicas.into()),
            selector: labels::selector(name),
            service_name: Some(names::servers(name)),
            template: pod::template(bus),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            volume_claim_templates: Some(vec![claim(bus)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// A server that is taken away leaves its volume: only the end of the resource deletes any.
fn retention(on_delete: OnDelete) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    let when_deleted = match on_delete {
        OnDelete::Retain => "Retain",
        OnDelete::Delete => "Delete",
    };
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(when_deleted.to_owned()),
        when_scaled: Some("Retain".to_owned()),
    }
}

fn claim(bus: &Bus<'_>) -> PersistentVolumeClaim {
    let size = Quantity(quantity::of_bytes(bus.valid.storage_size));
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::DATA.to_owned()),
            labels: Some(labels::labels(&bus.identity.name, Component::Server)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), size)].into()),
                limits: None,
            }),
            storage_class_name: bus.settings.storage_class.clone(),
            volume_mode: Some("Filesystem".to_owned()),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests;
