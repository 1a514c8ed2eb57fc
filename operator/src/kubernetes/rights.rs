//! What the operator may do at the API server: the calls that it makes, each with its reason.
//!
//! Out: the list. `cargo xtask generate` writes the Roles in `manifests/` and in the chart from it, one
//! rule for each entry, and the page that explains them. Nothing is granted that is not here.

/// Name of the Lease by which one of several operators is chosen, where it is not given another.
pub const LEASE: &str = "svom-messaging";

/// Where a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In each namespace whose buses the operator looks after.
    Buses,
    /// In the operator's own namespace.
    Own,
}

/// A verb of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads all objects of a namespace.
    List,
    /// Is told of changes.
    Watch,
    /// Makes an object. Server-side apply needs it too where the object is not there yet, and calls
    /// itself [`Verb::Patch`] all the same.
    Create,
    /// Writes a whole object.
    Update,
    /// Writes fields of an object; server-side apply.
    Patch,
    /// Deletes one object.
    Delete,
}

impl Verb {
    /// As a rule of a Role has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// Calls to one kind of object, for one reason.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// Where they are made.
    pub scope: Scope,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, with its subresource where it is one.
    pub resource: &'static str,
    /// The only object of that kind that is meant; absent where its name is not known before.
    pub name: Option<&'static str>,
    /// What is done.
    pub verbs: &'static [Verb],
    /// What for.
    pub why: &'static str,
}

use Verb::{Create, Delete, Get, List, Patch, Update, Watch};

/// Every call that the operator makes.
pub const RIGHTS: &[Right] = &[
    bus(
        "messaging.svom.eu",
        "svommessagings",
        &[Get, List, Watch],
        "what is asked for; it is never written",
    ),
    bus(
        "messaging.svom.eu",
        "svommessagings/status",
        &[Patch],
        "what is told about it",
    ),
    bus(
        "",
        "secrets",
        &[Get, List, Watch],
        "keys and credentials that were made before, and those that users bring",
    ),
    bus(
        "",
        "secrets",
        &[Create, Patch],
        "keys, certificates and credentials; where there is no second copy the version that was read is named, so \
         that of two writers one loses",
    ),
    bus(
        "",
        "services",
        &[Get, List, Watch],
        "whose a Service is, and the address that the platform gave it",
    ),
    bus(
        "",
        "services",
        &[Create, Patch, Delete],
        "the servers' names, and the ways for clients; the one from outside leaves when it is asked for no more",
    ),
    bus(
        "apps",
        "statefulsets",
        &[Get, List, Watch],
        "whose a StatefulSet is, and whether it is as wanted",
    ),
    bus(
        "apps",
        "statefulsets",
        &[Create, Patch, Delete],
        "the servers; it is made anew, its pods with it, where a bus that never formed needs what cannot be changed \
         in place",
    ),
    bus(
        "policy",
        "poddisruptionbudgets",
        &[Get, List, Create, Patch],
        "that no more than one server is evicted at a time",
    ),
    bus(
        "networking.k8s.io",
        "networkpolicies",
        &[Get, List, Create, Patch],
        "which ports of the servers can be reached, and by whom",
    ),
    bus(
        "",
        "pods",
        &[Get, List, Watch],
        "where each server runs, and why one does not",
    ),
    bus(
        "",
        "pods",
        &[Patch],
        "an annotation, so that the kubelet looks at new configuration at once",
    ),
    bus(
        "",
        "pods",
        &[Delete],
        "a server that never ran, so that it is made anew as it is wanted now",
    ),
    bus(
        "",
        "persistentvolumeclaims",
        &[Get, List, Watch],
        "whose a volume claim is, and why it has no volume",
    ),
    bus(
        "",
        "persistentvolumeclaims",
        &[Delete],
        "a claim that never had a volume, so that it is made anew as it is wanted now",
    ),
    bus(
        "events.k8s.io",
        "events",
        &[Create],
        "what happened, for `kubectl describe`",
    ),
    Right {
        scope: Scope::Own,
        name: None,
        ..bus(
            "coordination.k8s.io",
            "leases",
            &[Create],
            "the Lease by which one of several operators acts; at its creation the API server knows no name yet",
        )
    },
    Right {
        scope: Scope::Own,
        name: Some(LEASE),
        ..bus(
            "coordination.k8s.io",
            "leases",
            &[Get, Update],
            "the same Lease, renewed and released",
        )
    },
];

const fn bus(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [Verb],
    why: &'static str,
) -> Right {
    Right {
        scope: Scope::Buses,
        group,
        resource,
        name: None,
        verbs,
        why,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::RIGHTS;

    #[test]
    fn no_call_is_named_twice() {
        let mut seen = BTreeSet::new();
        for right in RIGHTS {
            for verb in right.verbs {
                let call = (right.group, right.resource, right.name, verb.as_str());
                assert!(seen.insert(call), "{call:?}");
            }
        }
    }
}
