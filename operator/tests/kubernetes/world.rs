//! What there is of a bus in its namespace, as one who may do anything sees it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use svom_crds::SvomMessaging;
use svom_operator::kubernetes::controller::Observed;

/// A namespace.
pub struct World<'a> {
    pub server: &'a Client,
    pub namespace: &'a str,
}

impl World<'_> {
    /// The resources, however they are.
    pub fn resources(&self) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<SvomMessaging>(&());
        Api::namespaced_with(self.server.clone(), self.namespace, &kind)
    }

    pub async fn observed(&self, name: &str) -> Observed {
        read(&self.resources().get(name).await.unwrap())
    }

    /// What is in the Secrets of a bus, by Secret and key.
    pub async fn secrets(&self, bus: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for secret in self.all::<Secret>(bus).await {
            let name = secret.metadata.name.unwrap();
            let name = name.strip_prefix(bus).unwrap();
            for (key, value) in secret.data.unwrap_or_default() {
                found.insert(format!("{name}/{key}"), value.0);
            }
        }
        found
    }

    /// The keys of all Secrets, and what else there is.
    pub async fn everything(&self, bus: &str) -> Vec<String> {
        let mut all: Vec<String> = self.secrets(bus).await.into_keys().collect();
        all.extend(self.names::<Service>(bus).await);
        all.extend(self.names::<StatefulSet>(bus).await);
        all.extend(self.names::<PodDisruptionBudget>(bus).await);
        all.extend(self.names::<NetworkPolicy>(bus).await);
        // A server's files are named like the server.
        all.iter_mut()
            .for_each(|entry| *entry = entry.replace(bus, "BUS"));
        all.sort();
        all
    }

    async fn names<K>(&self, bus: &str) -> Vec<String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + DeserializeOwned,
    {
        let all = self.all::<K>(bus).await.into_iter();
        all.map(|one| {
            let name = one.meta().name.as_deref().unwrap();
            format!("{} {}", K::kind(&()), name.replacen(bus, "", 1))
        })
        .collect()
    }

    async fn all<K>(&self, bus: &str) -> Vec<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + DeserializeOwned,
    {
        let ours = ListParams::default().labels(&format!("app.kubernetes.io/instance={bus}"));
        let all: Api<K> = Api::namespaced(self.server.clone(), self.namespace);
        all.list(&ours).await.unwrap().items
    }
}

/// A resource as a process gets it.
pub fn read(found: &DynamicObject) -> Observed {
    Observed::read(serde_json::to_value(found).unwrap()).unwrap()
}

/// Whether a value is made once and for ever, and not worked out from others.
pub fn is_made_once(entry: &str) -> bool {
    let is_worked_out = ["-servers/", "-in-force/"]
        .iter()
        .any(|of| entry.starts_with(of));
    !is_worked_out && !entry.ends_with(".conf")
}
