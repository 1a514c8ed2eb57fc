//! Whose an object is.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use svom_crds::{API_VERSION, GROUP, KIND};

use super::labels::{self, Component, INSTANCE, MANAGED_BY, MANAGER, WRITTEN_FOR};
use crate::valid::OnDelete;

/// Which resource it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What the API server calls it: another one of the same name, later, has another uid.
    pub uid: String,
}

impl Identity {
    /// The reference by which an object is deleted with the resource.
    pub fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            // It would ask for a right on the resource's finalizers, and nobody has to wait for an
            // object of ours before the resource itself is gone.
            block_owner_deletion: None,
        }
    }

    /// Metadata of an object that is deleted with the resource.
    pub(super) fn owned(&self, name: String, component: Component) -> ObjectMeta {
        ObjectMeta {
            owner_references: Some(vec![self.owner()]),
            ..self.labelled(name, component)
        }
    }

    /// Metadata of an object that outlives the resource where `storage.onDelete` says so.
    pub(super) fn kept(
        &self,
        name: String,
        component: Component,
        on_delete: OnDelete,
    ) -> ObjectMeta {
        let annotations = [(WRITTEN_FOR.to_owned(), self.uid.clone())];
        let annotations = Some(annotations.into());
        match on_delete {
            OnDelete::Retain => ObjectMeta {
                annotations,
                ..self.labelled(name, component)
            },
            OnDelete::Delete => ObjectMeta {
                annotations,
                ..self.owned(name, component)
            },
        }
    }

    fn labelled(&self, name: String, component: Component) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels::labels(&self.name, component)),
            ..ObjectMeta::default()
        }
    }
}

/// Whose an object is that has a name of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It was made for this very resource.
    Ours,
    /// An earlier resource of this name left it behind, and this one takes it up.
    Retained,
    /// It is being deleted, or will be, with an earlier resource of this name: it is waited for.
    Leaving,
    /// It is somebody else's and is not touched; why, in words.
    Foreign(String),
}

/// Whose the object with this metadata is: its labels say for which name it was made, its owner or its
/// annotation for which resource of that name.
pub fn ours(object: &ObjectMeta, identity: &Identity) -> Ownership {
    if let Some(why) = labelled_otherwise(object, identity) {
        return Ownership::Foreign(why);
    }
    let owners = object.owner_references.as_deref().unwrap_or_default();
    let is_resource = |owner: &&OwnerReference| {
        let group = owner.api_version.split('/').next();
        owner.kind == KIND && group == Some(GROUP)
    };
    let other = owners.iter().find(|owner| {
        owner.controller == Some(true) && !is_resource(owner)
            || is_resource(owner) && owner.name != identity.name
    });
    if let Some(other) = other {
        return Ownership::Foreign(format!("it belongs to the {} {}", other.kind, other.name));
    }
    if object.deletion_timestamp.is_some() {
        return Ownership::Leaving;
    }
    match owners.iter().find(is_resource) {
        Some(owner) if owner.uid == identity.uid => Ownership::Ours,
        Some(_) => Ownership::Leaving,
        None if annotation(object, WRITTEN_FOR) == Some(&identity.uid) => Ownership::Ours,
        None => Ownership::Retained,
    }
}

/// Whose a volume claim is. The StatefulSet makes them, and takes up whatever claim has the name: so
/// this is asked before there is a StatefulSet. `None` where it is nobody else's.
pub fn foreign_claim(claim: &PersistentVolumeClaim, identity: &Identity) -> Option<String> {
    labelled_otherwise(&claim.metadata, identity)
}

pub(super) fn annotation<'a>(object: &'a ObjectMeta, key: &str) -> Option<&'a String> {
    object.annotations.as_ref()?.get(key)
}

/// Why an object is not of this bus by its labels alone; `None` where it is.
pub fn labelled_otherwise(object: &ObjectMeta, identity: &Identity) -> Option<String> {
    let label = |key| object.labels.as_ref()?.get(key).map(String::as_str);
    if label(MANAGED_BY) != Some(MANAGER) {
        return Some(format!("it has not the label {MANAGED_BY}={MANAGER}"));
    }
    match label(INSTANCE) {
        Some(name) if name == identity.name => None,
        Some(other) => Some(format!("it belongs to the {KIND} {other}")),
        None => Some(format!("it has not the label {INSTANCE}={}", identity.name)),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn fsc(uid: &str) -> Identity {
        Identity {
            namespace: "svom".to_owned(),
            name: "fsc".to_owned(),
            uid: uid.to_owned(),
        }
    }

    fn other() -> Identity {
        Identity {
            name: "fsc-2".to_owned(),
            ..fsc("1")
        }
    }

    fn owned(identity: &Identity) -> ObjectMeta {
        identity.owned("x".to_owned(), Component::Server)
    }

    fn kept(identity: &Identity, on_delete: OnDelete) -> ObjectMeta {
        identity.kept("x".to_owned(), Component::User, on_delete)
    }

    fn check(what: &str, object: &ObjectMeta, expected: Ownership) {
        assert_eq!(ours(object, &fsc("1")), expected, "{what}");
    }

    #[test]
    fn what_was_made_for_a_resource_of_this_name() {
        use OnDelete::{Delete, Retain};
        use Ownership::{Leaving, Ours, Retained};
        let mut deleted = owned(&fsc("1"));
        deleted.deletion_timestamp = Some(Time(Default::default()));
        let mut orphan = owned(&fsc("1"));
        orphan.owner_references = None;
        check("made for it", &owned(&fsc("1")), Ours);
        check("its own, kept", &kept(&fsc("1"), Retain), Ours);
        check("its own", &kept(&fsc("1"), Delete), Ours);
        check("kept by an earlier one", &kept(&fsc("0"), Retain), Retained);
        check("orphaned", &orphan, Retained);
        check("of an earlier one", &owned(&fsc("0")), Leaving);
        check(
            "not kept by an earlier one",
            &kept(&fsc("0"), Delete),
            Leaving,
        );
        check("being deleted", &deleted, Leaving);
    }

    #[test]
    fn what_is_somebody_elses() {
        let check = |what, object: &ObjectMeta, why: &str| {
            check(what, object, Ownership::Foreign(why.to_owned()));
        };
        let no_manager = "it has not the label app.kubernetes.io/managed-by=svom-messaging";
        let another = "it belongs to the SvomMessaging fsc-2";
        let mut helm = owned(&fsc("1"));
        let labels = helm.labels.get_or_insert_default();
        labels.insert(MANAGED_BY.to_owned(), "Helm".to_owned());
        let mut of_a_deployment = owned(&fsc("1"));
        of_a_deployment.owner_references = Some(vec![OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            uid: "9".to_owned(),
            controller: Some(true),
            block_owner_deletion: None,
        }]);
        let mut unnamed = owned(&fsc("1"));
        unnamed.labels.get_or_insert_default().remove(INSTANCE);
        check("nothing said", &ObjectMeta::default(), no_manager);
        check("of a chart", &helm, no_manager);
        check(
            "without a name",
            &unnamed,
            "it has not the label app.kubernetes.io/instance=fsc",
        );
        check("of another one", &owned(&other()), another);
        check(
            "kept by another one",
            &kept(&other(), OnDelete::Retain),
            another,
        );
        check(
            "of a controller",
            &of_a_deployment,
            "it belongs to the Deployment web",
        );
    }

    #[test]
    fn a_claim_is_known_by_its_labels_alone() {
        let claim = |metadata| PersistentVolumeClaim {
            metadata,
            ..PersistentVolumeClaim::default()
        };
        assert_eq!(foreign_claim(&claim(owned(&fsc("0"))), &fsc("1")), None);
        assert!(foreign_claim(&claim(owned(&other())), &fsc("1")).is_some());
        assert!(foreign_claim(&claim(ObjectMeta::default()), &fsc("1")).is_some());
    }
}
