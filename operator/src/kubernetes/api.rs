//! Calls to the API server about the objects of one namespace.
//!
//! In: objects as JSON, and the right to act. Out: objects as they are. Every write asks for the right
//! first, and is refused once it is gone; reads are free. Objects are JSON here, since what was applied is
//! compared by the API server's own accounts of fields, which typed objects do not keep in order.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, Request, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use svom_crds::SvomMessaging;
use svom_plan::kubernetes::labels::{INSTANCE, MANAGED_BY, MANAGER};

use super::lease::{LeadershipLost, Leading};

/// How long one call may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// The kinds of objects that a bus is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Service.
    Service,
    /// NetworkPolicy.
    NetworkPolicy,
    /// PodDisruptionBudget.
    PodDisruptionBudget,
    /// Secret.
    Secret,
    /// StatefulSet.
    StatefulSet,
    /// Pod.
    Pod,
    /// PersistentVolumeClaim.
    Claim,
}

impl Kind {
    /// Those that are applied.
    pub const APPLIED: [Self; 5] = [
        Self::Service,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::Secret,
        Self::StatefulSet,
    ];

    /// The kind as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Secret => "Secret",
            Self::StatefulSet => "StatefulSet",
            Self::Pod => "Pod",
            Self::Claim => "PersistentVolumeClaim",
        }
    }

    fn resource(self) -> ApiResource {
        match self {
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::Secret => ApiResource::erase::<Secret>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::Pod => ApiResource::erase::<Pod>(&()),
            Self::Claim => ApiResource::erase::<PersistentVolumeClaim>(&()),
        }
    }
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server refused, or there was no answer.
    #[error("{what} failed: {}", words(error))]
    Refused {
        /// What was asked, and of which object.
        what: String,
        /// Its words.
        error: Box<kube::Error>,
    },
    /// There was no answer in time.
    #[error("{what}: no answer within {} s", ANSWERS_WITHIN.as_secs())]
    Silent {
        /// What was asked, and of which object.
        what: String,
    },
    /// Another process may act by now.
    #[error(transparent)]
    Lost(#[from] LeadershipLost),
    /// What was answered is not what its kind says. Where, is not told: the parser would quote from what
    /// may be a Secret.
    #[error("{what} cannot be understood: it is not as its kind says")]
    Malformed {
        /// What was asked, and of which object.
        what: String,
    },
}

impl ApiError {
    /// What the API server said, by its code.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { error, .. } => match &**error {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a person should hear of it: not where another try comes right by itself, or another
    /// process goes on.
    pub fn is_worth_telling(&self) -> bool {
        match self {
            Self::Refused { .. } => !self.is_conflict(),
            Self::Malformed { .. } => true,
            Self::Silent { .. } | Self::Lost(_) => false,
        }
    }

    /// Whether the object was changed by somebody else meanwhile.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }
}

/// The API server's own words, without what the library puts around them.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// The API server, for one namespace, with the right to act.
#[derive(Clone, Copy)]
pub struct Api<'a> {
    client: &'a Client,
    namespace: &'a str,
    leading: &'a Leading,
    wrote: &'a Cell<bool>,
}

impl fmt::Debug for Api<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.namespace)
    }
}

impl<'a> Api<'a> {
    /// The API server, for one namespace; `wrote` is told once a write is tried.
    pub fn new(
        client: &'a Client,
        namespace: &'a str,
        leading: &'a Leading,
        wrote: &'a Cell<bool>,
    ) -> Self {
        Self {
            client,
            namespace,
            leading,
            wrote,
        }
    }

    /// Whether a write was tried.
    pub fn has_written(&self) -> bool {
        self.wrote.get()
    }

    /// The list of a kind's objects with the labels of the bus of this name, as it comes.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn list(&self, kind: Kind, bus: &str) -> Result<String, ApiError> {
        let labels = format!("{INSTANCE}={bus},{MANAGED_BY}={MANAGER}");
        let what = format!("listing every {} with {labels}", kind.as_str());
        let list = self
            .request(kind)
            .list(&ListParams::default().labels(&labels));
        self.call(&what, list).await
    }

    /// An object as it comes; `None` where there is none of this name.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn text(&self, kind: Kind, name: &str) -> Result<Option<String>, ApiError> {
        let what = format!("reading {} {name}", kind.as_str());
        let get = self
            .request(kind)
            .get(name, &kube::api::GetParams::default());
        match self.call(&what, get).await {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An object; `None` where there is none of this name.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn get(&self, kind: Kind, name: &str) -> Result<Option<Value>, ApiError> {
        let text = self.text(kind, name).await?;
        let what = || format!("{} {name}", kind.as_str());
        text.map(|text| read(&text, what)).transpose()
    }

    /// Applies an object; what it is then. With a `metadata.resourceVersion` in it only that very state of
    /// the object is changed. Fields that others took over and that are ours are taken back; others stay
    /// theirs.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn apply(&self, kind: Kind, object: &Value) -> Result<Value, ApiError> {
        let name = name(object);
        let what = format!("applying {} {name}", kind.as_str());
        let resource = kind.resource();
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.insert("apiVersion".to_owned(), json!(resource.api_version));
            fields.insert("kind".to_owned(), json!(resource.kind));
        }
        let request = self.request(kind);
        let apply = request.patch(name, &applying(), &Patch::Apply(&object));
        let applied = self.write(&what, apply).await?;
        read(&applied, || format!("{} {name}", kind.as_str()))
    }

    /// Sets one annotation of an object, and nothing else of it.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn annotate(
        &self,
        kind: Kind,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<(), ApiError> {
        let what = format!("annotating {} {name}", kind.as_str());
        let patch = json!({"metadata": {"annotations": {key: value}}});
        let request = self.request(kind);
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let annotate = request.patch(name, &params, &Patch::Merge(&patch));
        self.write(&what, annotate).await.map(drop)
    }

    /// Deletes this very object; one that is gone already, or was made anew, is no error.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn delete(&self, kind: Kind, object: &Value) -> Result<(), ApiError> {
        let name = name(object);
        let what = format!("deleting {} {name}", kind.as_str());
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: uid.map(str::to_owned),
            resource_version: None,
        });
        let deleted = self.write(&what, self.request(kind).delete(name, &params));
        match deleted.await {
            Err(error) if !matches!(error.code(), Some(404 | 409)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes the status of the resource of this name.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn write_status(&self, name: &str, status: &Value) -> Result<(), ApiError> {
        let what = format!("writing the status of SvomMessaging {name}");
        let path = SvomMessaging::url_path(&(), Some(self.namespace));
        let object = json!({
            "apiVersion": svom_crds::API_VERSION,
            "kind": svom_crds::KIND,
            "metadata": {"name": name},
            "status": status,
        });
        let patch = Patch::Apply(&object);
        let request = Request::new(path).patch_subresource("status", name, &applying(), &patch);
        self.write(&what, request).await.map(drop)
    }

    /// Sends an event.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn send(&self, event: &Event) -> Result<(), ApiError> {
        let path = Event::url_path(&(), Some(self.namespace));
        // An event is plain data: it can always be written.
        let bytes = serde_json::to_vec(event).unwrap_or_default();
        let request = Request::new(path).create(&PostParams::default(), bytes);
        self.write("sending an event", request).await.map(drop)
    }

    fn request(&self, kind: Kind) -> Request {
        Request::new(DynamicObject::url_path(
            &kind.resource(),
            Some(self.namespace),
        ))
    }

    async fn write(
        &self,
        what: &str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<String, ApiError> {
        self.leading.check()?;
        self.wrote.set(true);
        self.call(what, request).await
    }

    async fn call(
        &self,
        what: &str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<String, ApiError> {
        let what = || what.to_owned();
        let refused = |error: kube::Error| ApiError::Refused {
            what: what(),
            error: Box::new(error),
        };
        let request = request.map_err(|error| refused(kube::Error::BuildRequest(error)))?;
        let answer = self.client.request_text(request);
        match tokio::time::timeout(ANSWERS_WITHIN, answer).await {
            Ok(answer) => answer.map_err(refused),
            Err(_) => Err(ApiError::Silent { what: what() }),
        }
    }
}

fn applying() -> PatchParams {
    PatchParams::apply(MANAGER).force()
}

/// The name of an object.
pub fn name(object: &Value) -> &str {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    name.unwrap_or_default()
}

/// An object as its type says.
///
/// # Errors
/// It is not what its type says.
pub fn typed<T: DeserializeOwned>(object: &Value) -> Result<T, ApiError> {
    T::deserialize(object).map_err(|_| ApiError::Malformed {
        what: format!("the object {}", name(object)),
    })
}

/// What an answer of the API server says.
///
/// # Errors
/// It is not what it should be; `what` is.
pub fn read<T: DeserializeOwned>(text: &str, what: impl Fn() -> String) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|_| ApiError::Malformed { what: what() })
}
