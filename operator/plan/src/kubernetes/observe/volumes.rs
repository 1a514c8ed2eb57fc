//! What is wrong with a server's volume.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::{Reason, Trouble};
use crate::change::words::measured_size;
use crate::kubernetes::identity::foreign_claim;
use crate::kubernetes::quantity::Amount;
use crate::kubernetes::{Bus, names};

/// What is wrong with a volume claim whatever its pod does.
pub(super) fn trouble(bus: &Bus<'_>, claim: &PersistentVolumeClaim) -> Option<Trouble> {
    let name = name(claim);
    if let Some(why) = foreign_claim(claim, bus.identity) {
        return Some(Trouble::new(
            Reason::NameTaken,
            format!(
                "a volume claim {name} is in the way, which is not of this bus: {why}; delete it, or give the resource \
                 another name"
            ),
        ));
    }
    let is_lost = claim.status.as_ref()?.phase.as_deref() == Some("Lost");
    is_lost.then(|| {
        Trouble::new(
            Reason::VolumeUnfit,
            format!(
                "the volume of its claim {name} is gone: delete the claim and its pod, so that both are made anew, and \
                 the other servers fill it"
            ),
        )
    })
}

/// A volume that an earlier resource left and that is smaller than this one says.
pub(super) fn too_small(bus: &Bus<'_>, claim: &PersistentVolumeClaim) -> Option<Trouble> {
    let name = name(claim);
    let capacity = claim.status.as_ref()?.capacity.as_ref()?;
    let capacity = Amount::read(&capacity.get("storage")?.0)?.whole();
    (capacity < bus.valid.storage_size).then(|| {
        let [has, wanted] = [capacity, bus.valid.storage_size].map(measured_size);
        Trouble::new(
            Reason::VolumeUnfit,
            format!(
                "its volume {name} has {has}, and spec.storage.size is {wanted}: write the size that the volumes have, \
                 or it runs full before the servers know it"
            ),
        )
    })
}

/// Why a claim has no volume yet, for a pod that waits for it.
pub(super) fn pending(claim: &PersistentVolumeClaim, scheduler: &str) -> Trouble {
    let name = name(claim);
    let class = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.storage_class_name.as_deref());
    let message = match class {
        None | Some("") => format!(
            "its volume claim {name} names no storage class, and the cluster has no default one: write one of \
             `kubectl get storageclass` in spec.storage.storageClassName"
        ),
        Some(class) => format!(
            "its volume claim {name} waits for a volume of storage class {class} ({scheduler}): see with `kubectl get \
             storageclass` that there is one of this name and that it makes volumes, or write another in \
             spec.storage.storageClassName"
        ),
    };
    Trouble::new(Reason::VolumePending, message)
}

/// Whether a claim has never had a volume, and so holds nothing.
pub(super) fn was_never_bound(claim: &PersistentVolumeClaim) -> bool {
    let phase = claim
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    let volume = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.volume_name.as_deref());
    matches!(phase, None | Some("Pending")) && volume.unwrap_or_default().is_empty()
}

/// The bus's claims that never had a volume. They hold nothing, and may ask for another class or size
/// than is wanted now; so they are deleted, and waited for, before a StatefulSet is made: it makes them
/// anew.
pub fn never_bound<'a>(bus: &Bus<'_>, claims: &'a [PersistentVolumeClaim]) -> Vec<&'a str> {
    let own: Vec<String> = (0..bus.valid.replicas)
        .map(|number| names::claim(&crate::names::server(&bus.identity.name, number)))
        .collect();
    let is_own = |claim: &PersistentVolumeClaim| {
        own.iter().any(|own| own == name(claim)) && foreign_claim(claim, bus.identity).is_none()
    };
    claims
        .iter()
        .filter(|claim| is_own(claim) && was_never_bound(claim))
        .map(name)
        .collect()
}

fn name(claim: &PersistentVolumeClaim) -> &str {
    claim.metadata.name.as_deref().unwrap_or_default()
}
