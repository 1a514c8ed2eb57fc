//! Everything of one bus as the API server has it at one moment.
//!
//! In: the API server. Out: the objects with the bus's labels, and those that stand in the place of one of
//! its objects without them. Changes nothing.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use serde::de::DeserializeOwned;
use serde_json::Value;
use svom_plan::kubernetes::names;
use svom_plan::kubernetes::observe::Observed;

use super::api::{Api, ApiError, Kind, name, typed};

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
    /// Looks at everything of the bus of this name with so many servers, and at the Secrets that its
    /// resource names.
    ///
    /// # Errors
    /// No answer, or something that is not what its kind says.
    pub async fn look(
        api: &Api<'_>,
        bus: &str,
        servers: u8,
        brought: &[&str],
    ) -> Result<Self, ApiError> {
        const KINDS: [Kind; 7] = [
            Kind::Service,
            Kind::NetworkPolicy,
            Kind::PodDisruptionBudget,
            Kind::Secret,
            Kind::StatefulSet,
            Kind::Pod,
            Kind::Claim,
        ];
        let lists = KINDS.map(|kind| async move {
            let mut found = by_name(api.list(kind, bus).await?);
            for wanted in of_servers(kind, bus, servers) {
                if !found.contains_key(&wanted)
                    && let Some(object) = api.get(kind, &wanted).await?
                {
                    found.insert(wanted, object);
                }
            }
            Ok::<_, ApiError>((kind, found))
        });
        let brought_objects = try_join_all(brought.iter().map(|secret| async move {
            let object = api.get(Kind::Secret, secret).await?;
            Ok::<_, ApiError>(object.map(|object| ((*secret).to_owned(), object)))
        }));
        let (objects, brought) = tokio::try_join!(try_join_all(lists), brought_objects)?;
        let objects: BTreeMap<Kind, BTreeMap<String, Value>> = objects.into_iter().collect();
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
            brought: typed_all(Some(&brought.into_iter().flatten().collect()))?,
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

/// Pods and claims that stand in a server's place whatever their labels.
fn of_servers(kind: Kind, bus: &str, servers: u8) -> Vec<String> {
    let server = |number| svom_plan::names::server(bus, number);
    match kind {
        Kind::Pod => (0..servers).map(server).collect(),
        Kind::Claim => (0..servers)
            .map(|number| names::claim(&server(number)))
            .collect(),
        _ => Vec::new(),
    }
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
