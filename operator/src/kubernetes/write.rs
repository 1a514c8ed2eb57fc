//! Objects are brought to what they are wanted to be, one after another.
//!
//! In: an object, and what there is. Out: a write, where one would change something, or the reason why
//! there is none. Whose an object is, is looked at before every write; somebody else's is never touched.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};
use svom_plan::kubernetes::{Identity, Object, Ownership, applied, ours};

use super::api::{Api, ApiError, Kind, typed};
use super::gathered::Gathered;

/// Why an object is not as it is wanted.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It is somebody else's.
    #[error(
        "{kind} {name} is in the way, which is not of this bus: {why}; delete it, or give the resource another name"
    )]
    Foreign {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why it is not of this bus.
        why: String,
    },
    /// It is on its way out, and made anew when it is gone.
    #[error("{kind} {name} is being deleted, and made anew when it is gone")]
    Leaving {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The API server.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// Writes that changed nothing although a difference was seen, so that they are not tried again: the
/// object's resource version, and what was wanted.
#[derive(Clone, Debug, Default)]
pub struct WithoutEffect(BTreeMap<(Kind, String), (String, Value)>);

/// Brings the objects of one bus about.
pub struct Writer<'a> {
    /// The API server.
    pub api: Api<'a>,
    /// Whose objects they are.
    pub identity: &'a Identity,
    /// What there is; what is written is noted in it.
    pub gathered: &'a mut Gathered,
    /// What was written in vain.
    pub without_effect: &'a mut WithoutEffect,
}

impl Writer<'_> {
    /// Brings an object about, and tells whether anything was written.
    ///
    /// # Errors
    /// It is somebody else's or on its way out, or the API server refused.
    pub async fn write(&mut self, object: &Object) -> Result<bool, WriteError> {
        let kind = kind_of(object);
        let wanted = json(object);
        let is_there = self.is_there(kind, object.name()).await?;
        let live = self.gathered.object(kind, object.name());
        let Some(live) = live.filter(|_| is_there) else {
            self.create(kind, object, wanted).await?;
            return Ok(true);
        };
        if applied::differences(live, &wanted).is_empty() || self.is_in_vain(kind, live, &wanted) {
            return Ok(false);
        }
        let found = version(live).to_owned();
        let mut asked = wanted.clone();
        if object.without_data().is_some() {
            // There is no second copy of what it holds: only what was read is written over.
            set_version(&mut asked, &found);
        }
        let written = self.api.apply(kind, &asked).await?;
        if version(&written) == found {
            let key = (kind, object.name().to_owned());
            self.without_effect.0.insert(key, (found, wanted));
        }
        self.gathered.put(kind, written)?;
        Ok(true)
    }

    /// Whether there is an object of ours, which is among what was gathered then.
    ///
    /// # Errors
    /// It is somebody else's or on its way out, or the API server refused.
    pub async fn is_there(&mut self, kind: Kind, name: &str) -> Result<bool, WriteError> {
        if self.gathered.object(kind, name).is_none() {
            // One without our labels is in no list of ours.
            if let Some(object) = self.api.get(kind, name).await? {
                self.gathered.put(kind, object)?;
            }
        }
        let Some(live) = self.gathered.object(kind, name) else {
            return Ok(false);
        };
        let named = |name: &str| (kind.as_str(), name.to_owned());
        match ours(&metadata(live)?, self.identity) {
            Ownership::Ours | Ownership::Retained => Ok(true),
            Ownership::Leaving => {
                let (kind, name) = named(name);
                Err(WriteError::Leaving { kind, name })
            }
            Ownership::Foreign(why) => {
                let (kind, name) = named(name);
                Err(WriteError::Foreign { kind, name, why })
            }
        }
    }

    async fn create(
        &mut self,
        kind: Kind,
        object: &Object,
        mut wanted: Value,
    ) -> Result<(), WriteError> {
        if let Some(empty) = object.without_data() {
            let made = self.api.apply(kind, &json(&empty)).await?;
            set_version(&mut wanted, version(&made));
        }
        let made = self.api.apply(kind, &wanted).await?;
        self.gathered.put(kind, made)?;
        Ok(())
    }

    fn is_in_vain(&self, kind: Kind, live: &Value, wanted: &Value) -> bool {
        let before = self
            .without_effect
            .0
            .get(&(kind, super::api::name(live).to_owned()));
        before.is_some_and(|(seen, asked)| seen == version(live) && asked == wanted)
    }
}

/// The kind of an object.
pub fn kind_of(object: &Object) -> Kind {
    match object {
        Object::Service(_) => Kind::Service,
        Object::NetworkPolicy(_) => Kind::NetworkPolicy,
        Object::PodDisruptionBudget(_) => Kind::PodDisruptionBudget,
        Object::Secret(_) => Kind::Secret,
        Object::StatefulSet(_) => Kind::StatefulSet,
    }
}

/// An object found, as the plan takes it.
///
/// # Errors
/// It is not what its kind says.
pub fn object_of(kind: Kind, live: &Value) -> Result<Option<Object>, ApiError> {
    Ok(match kind {
        Kind::Service => Some(Object::Service(Box::new(typed(live)?))),
        Kind::NetworkPolicy => Some(Object::NetworkPolicy(Box::new(typed(live)?))),
        Kind::PodDisruptionBudget => Some(Object::PodDisruptionBudget(Box::new(typed(live)?))),
        Kind::Secret => Some(Object::Secret(Box::new(typed(live)?))),
        Kind::StatefulSet => Some(Object::StatefulSet(Box::new(typed(live)?))),
        Kind::Pod | Kind::Claim => None,
    })
}

fn json(object: &Object) -> Value {
    // An object is plain data, which always has a JSON form.
    serde_json::to_value(object).unwrap_or_default()
}

fn metadata(object: &Value) -> Result<ObjectMeta, ApiError> {
    let metadata = object.get("metadata").and_then(Value::as_object);
    // The accounts of who wrote what are most of it, and say nothing of whose it is.
    let metadata: Map<String, Value> = metadata
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "managedFields")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    serde_json::from_value(Value::Object(metadata)).map_err(|_| ApiError::Malformed {
        what: format!("the metadata of {}", super::api::name(object)),
    })
}

fn version(object: &Value) -> &str {
    let version = object.pointer("/metadata/resourceVersion");
    version.and_then(Value::as_str).unwrap_or_default()
}

fn set_version(object: &mut Value, version: &str) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("resourceVersion".to_owned(), json!(version));
    }
}
