//! Which resource a change concerns. Pure: metadata comes in, keys go out.
//!
//! What changes because a resource's status was written concerns nobody, nor does a Secret that no
//! resource names and that is not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use svom_crds::SvomMessaging;
use svom_plan::kubernetes::labels::{INSTANCE, MANAGED_BY, MANAGER};

use super::Key;
use super::queue::Wake;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A resource itself.
    Resource,
    /// Something that is made for one.
    Object,
    /// A Secret: made for a resource, or named by one.
    Secret,
}

/// Which keys are to be woken, and why.
pub type Woken = Vec<(Key, Wake)>;

#[derive(Debug, Default)]
struct Known {
    /// Of what a person can change about the resource.
    print: Option<u64>,
    /// The Secrets that it names.
    secrets: BTreeSet<String>,
}

/// All resources, and what else concerns them.
#[derive(Debug, Default)]
pub struct Interest {
    known: BTreeMap<Key, Known>,
    /// The resources of a namespace that were seen since its list was begun.
    listed: BTreeMap<String, BTreeSet<String>>,
}

impl Interest {
    /// A list of the resources of a namespace is begun.
    pub fn list_begun(&mut self, namespace: &str) {
        self.listed.insert(namespace.to_owned(), BTreeSet::new());
    }

    /// The list is complete: what is not on it may be gone.
    pub fn list_done(&mut self, namespace: &str) -> Woken {
        let listed = self.listed.remove(namespace).unwrap_or_default();
        let gone = self
            .of(namespace)
            .filter(|(key, _)| !listed.contains(&key.name));
        gone.map(|(key, _)| (key.clone(), Wake::Changed)).collect()
    }

    /// An object is there, or was changed.
    pub fn seen(&mut self, kind: Kind, namespace: &str, metadata: &ObjectMeta) -> Woken {
        match kind {
            Kind::Resource => self.resource_seen(namespace, metadata),
            Kind::Object | Kind::Secret => self.concerned(kind, namespace, metadata),
        }
    }

    /// An object is gone.
    pub fn gone(&mut self, kind: Kind, namespace: &str, metadata: &ObjectMeta) -> Woken {
        match kind {
            Kind::Resource => {
                let key = key(namespace, metadata);
                // One of the same name, made since, is another one.
                if let Some(known) = self.known.get_mut(&key) {
                    known.print = None;
                }
                vec![(key, Wake::Changed)]
            }
            Kind::Object | Kind::Secret => self.concerned(kind, namespace, metadata),
        }
    }

    /// All resources of a namespace; changes may have been missed.
    pub fn all(&self, namespace: &str) -> Woken {
        let all = self.of(namespace);
        all.map(|(key, _)| (key.clone(), Wake::Stirred)).collect()
    }

    /// A resource was read: these Secrets concern it from now on.
    pub fn read(&mut self, key: &Key, resource: &SvomMessaging) {
        self.known.entry(key.clone()).or_default().secrets = secrets(resource);
    }

    /// A resource is gone.
    pub fn forget(&mut self, key: &Key) {
        self.known.remove(key);
    }

    fn of(&self, namespace: &str) -> impl Iterator<Item = (&Key, &Known)> {
        let first = Key {
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        let rest = self.known.range(first..);
        rest.take_while(move |(key, _)| key.namespace == namespace)
    }

    fn resource_seen(&mut self, namespace: &str, metadata: &ObjectMeta) -> Woken {
        let key = key(namespace, metadata);
        if let Some(listed) = self.listed.get_mut(namespace) {
            listed.insert(key.name.clone());
        }
        let print = Some(print(metadata));
        let known = self.known.entry(key.clone()).or_default();
        if known.print == print {
            return Vec::new();
        }
        known.print = print;
        vec![(key, Wake::Changed)]
    }

    fn concerned(&self, kind: Kind, namespace: &str, metadata: &ObjectMeta) -> Woken {
        let mut woken: Woken = self.owner(namespace, metadata).into_iter().collect();
        if kind == Kind::Secret {
            let name = metadata.name.as_deref().unwrap_or_default();
            let named = self
                .of(namespace)
                .filter(|(_, known)| known.secrets.contains(name));
            woken.extend(named.map(|(key, _)| (key.clone(), Wake::Changed)));
        }
        woken
    }

    fn owner(&self, namespace: &str, metadata: &ObjectMeta) -> Option<(Key, Wake)> {
        let labels = metadata.labels.as_ref()?;
        let ours = labels
            .get(MANAGED_BY)
            .is_some_and(|manager| manager == MANAGER);
        let key = Key {
            namespace: namespace.to_owned(),
            name: labels.get(INSTANCE).filter(|_| ours)?.clone(),
        };
        self.known
            .contains_key(&key)
            .then_some((key, Wake::Stirred))
    }
}

fn key(namespace: &str, metadata: &ObjectMeta) -> Key {
    Key {
        namespace: namespace.to_owned(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

/// What a person can change about a resource. A write of its status is none of it.
fn print(metadata: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    metadata.uid.hash(&mut hasher);
    metadata.generation.hash(&mut hasher);
    metadata.annotations.hash(&mut hasher);
    metadata.labels.hash(&mut hasher);
    metadata.deletion_timestamp.is_some().hash(&mut hasher);
    hasher.finish()
}

/// The Secrets that a resource names for us to read.
fn secrets(resource: &SvomMessaging) -> BTreeSet<String> {
    let issuer = resource.spec.tls.issuer.secret_ref.iter();
    let users = resource.spec.users.iter();
    let users = users.filter_map(|user| user.secret_ref.as_ref());
    issuer
        .chain(users)
        .map(|secret| secret.name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
