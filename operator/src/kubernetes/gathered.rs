//! Everything of one bus as the API server has it at one moment.
//!
//! In: what the API server answered. Out: the objects with the bus's labels, and those that stand in the
//! place of one of its objects without them.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use svom_plan::kubernetes::names;
use svom_plan::kubernetes::observe::Observed;

use super::api::{ApiError, Kind, name, read, typed};
use super::listed::Listed;

/// What there is of a bus.
#[derive(Clone, Debug)]
pub struct Gathered {
    objects: BTreeMap<Kind, BTreeMap<String, Value>>,
    /// The pods of its servers.
    pub pods: Vec<Pod>,
    /// The volume claims of its servers.
    pub claims: Vec<PersistentVolumeClaim>,
    /// The StatefulSet, where there is one.
    pub stateful_set: Option<StatefulSet>,
    /// The Secrets, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// The Secrets that a person brings, by name.
    pub brought: BTreeMap<String, Secret>,
}

impl Gathered {
    /// Reads what the API server answered about the bus of this name.
    ///
    /// # Errors
    /// Something in it is not what its kind says.
    pub fn read(bus: &str, listed: &Listed) -> Result<Self, ApiError> {
        let mut objects = BTreeMap::new();
        for (kind, of) in &listed.kinds {
            let what = || format!("the list of every {}", kind.as_str());
            let List { mut items } = read(&of.list, what)?;
            items.extend(texts(&of.others)?);
            objects.insert(*kind, by_name(items));
        }
        Ok(Self {
            pods: typed_all(objects.get(&Kind::Pod))?.into_values().collect(),
            claims: typed_all(objects.get(&Kind::Claim))?
                .into_values()
                .collect(),
            stateful_set: objects
                .get(&Kind::StatefulSet)
                .and_then(|sets| sets.get(&names::bus(bus)))
                .map(typed)
                .transpose()?,
            secrets: typed_all(objects.get(&Kind::Secret))?,
            brought: typed_all(Some(&by_name(texts(&listed.brought)?)))?,
            objects,
        })
    }

    /// An object as it was found.
    pub fn object(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.objects.get(&kind)?.get(name)
    }

    /// All objects of a kind.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.objects
            .get(&kind)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// A Service.
    ///
    /// # Errors
    /// It is not what its kind says.
    pub fn service(&self, name: &str) -> Result<Option<Service>, ApiError> {
        self.object(Kind::Service, name).map(typed).transpose()
    }

    /// What is judged of it.
    pub fn observed(&self) -> Observed<'_> {
        Observed {
            stateful_set: self.stateful_set.as_ref(),
            pods: &self.pods,
            claims: &self.claims,
        }
    }

    /// Takes note of an object that was written.
    ///
    /// # Errors
    /// It is not what its kind says.
    pub fn put(&mut self, kind: Kind, object: Value) -> Result<(), ApiError> {
        let name = name(&object).to_owned();
        match kind {
            Kind::StatefulSet => self.stateful_set = Some(typed(&object)?),
            Kind::Secret => {
                self.secrets.insert(name.clone(), typed(&object)?);
            }
            _ => {}
        }
        self.objects.entry(kind).or_default().insert(name, object);
        Ok(())
    }
}

#[derive(Deserialize)]
struct List {
    items: Vec<Value>,
}

fn texts(texts: &[String]) -> Result<Vec<Value>, ApiError> {
    let object = |text: &String| read(text, || "an object".to_owned());
    texts.iter().map(object).collect()
}

fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let named = |object: Value| (name(&object).to_owned(), object);
    objects.into_iter().map(named).collect()
}

fn typed_all<T: DeserializeOwned>(
    objects: Option<&BTreeMap<String, Value>>,
) -> Result<BTreeMap<String, T>, ApiError> {
    let objects = objects.into_iter().flatten();
    objects
        .map(|(name, object)| Ok((name.clone(), typed(object)?)))
        .collect()
}
