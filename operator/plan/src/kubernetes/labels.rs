//! Labels and annotations of the objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use svom_crds::GROUP;

/// Name under which the operator applies objects: its field manager, and the label that says who
/// manages an object.
pub const MANAGER: &str = "svom-messaging";

/// Label with the name of the resource.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Label with [`MANAGER`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label with the part of the bus that an object serves.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Label with the name of the user whose Secret it is.
pub const USER: &str = "messaging.svom.eu/user";

/// Annotation with the uid of the resource that wrote a Secret which outlives it.
pub const WRITTEN_FOR: &str = "messaging.svom.eu/written-for";
/// Annotation of a user's Secret: [`GENERATED`], or [`BROUGHT`] where the credential in it is a copy.
pub const CREDENTIAL: &str = "messaging.svom.eu/credential";
/// The credential in a user's Secret was made for it, and is kept nowhere else.
pub const GENERATED: &str = "generated";
/// The credential in a user's Secret is a copy of what the user brought.
pub const BROUGHT: &str = "brought";
/// Annotation of a pod itself, never of its template: what its configuration volume should hold. When
/// it changes, the node's kubelet looks at the pod again, and at its volumes with it.
pub const CONFIGURATION: &str = "messaging.svom.eu/configuration";

const NAME: &str = "app.kubernetes.io/name";
const PART_OF: &str = "app.kubernetes.io/part-of";

/// Prefixes of labels and annotations that nobody else may set on the pods: ours, and Kubernetes' own.
const RESERVED: [&str; 3] = ["app.kubernetes.io", GROUP, "apps.kubernetes.io"];
/// Labels that Kubernetes itself puts on a StatefulSet's pods.
const RESERVED_LABELS: [&str; 2] = [
    "controller-revision-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// The part of the bus that an object serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The servers: what runs them, and what they read.
    Server,
    /// How clients reach the servers.
    Client,
    /// Authorities.
    Authorities,
    /// What only the operator needs.
    Operator,
    /// A user's credentials.
    User,
}

impl Component {
    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Authorities => "authorities",
            Self::Operator => "operator",
            Self::User => "user",
        }
    }
}

/// The labels of an object of the resource of this name.
pub fn labels(resource: &str, component: Component) -> BTreeMap<String, String> {
    let mut labels = selected(resource);
    labels.insert(COMPONENT.to_owned(), component.as_str().to_owned());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels.insert(PART_OF.to_owned(), "svom-messaging".to_owned());
    labels
}

/// The labels by which the servers' pods are found. They can never change.
fn selected(resource: &str) -> BTreeMap<String, String> {
    [
        (NAME, "nats"),
        (INSTANCE, resource),
        (COMPONENT, Component::Server.as_str()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// What finds the servers' pods.
pub fn selector(resource: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selected(resource)),
        match_expressions: None,
    }
}

/// The same as text, for the scale subresource and for `kubectl -l`.
pub fn selector_text(resource: &str) -> String {
    let pairs: Vec<String> = selected(resource)
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

/// Whether a label or annotation of pods is not for a person to set.
pub(super) fn is_reserved(key: &str) -> bool {
    let prefix = key.split_once('/').map(|(prefix, _)| prefix);
    RESERVED_LABELS.contains(&key) || prefix.is_some_and(|prefix| RESERVED.contains(&prefix))
}
