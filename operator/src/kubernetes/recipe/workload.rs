//! The StatefulSet, its pods and their volumes.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use svom_plan::kubernetes::labels::CONFIGURATION;
use svom_plan::kubernetes::observe::{Difference, Way, differences, never_bound, pods_to_remake};
use svom_plan::kubernetes::{Bus, Object, Objects, foreign_claim, labelled_otherwise, names};

use super::Pass;
use super::apply::{Applied, note, writer};
use crate::kubernetes::api::{ApiError, Kind};
use crate::kubernetes::gathered::Gathered;

impl Pass<'_> {
    /// Brings the StatefulSet about, and has pods made anew that never ran as they are wanted now.
    pub(super) async fn bring_up_servers(
        &mut self,
        bus: &Bus<'_>,
        wanted: &Objects,
        gathered: &mut Gathered,
        formed: bool,
        applied: &mut Applied,
    ) -> Result<(), ApiError> {
        let set = wanted.objects.iter().find_map(|object| match object {
            Object::StatefulSet(set) => Some(&**set),
            _ => None,
        });
        let Some(set) = set else {
            return Ok(());
        };
        let name = names::bus(&self.identity.name);
        let found = writer(self.api, &self.identity, gathered, self.known)
            .is_there(Kind::StatefulSet, &name)
            .await;
        match found {
            Ok(true) => self.change(set, gathered, formed, applied).await?,
            Ok(false) => self.make(bus, set, gathered, applied).await?,
            Err(why) => note(Err(why), applied)?,
        }
        self.remake_pods(gathered, formed).await
    }

    /// Makes the StatefulSet, once no claim is in its way.
    async fn make(
        &mut self,
        bus: &Bus<'_>,
        set: &StatefulSet,
        gathered: &mut Gathered,
        applied: &mut Applied,
    ) -> Result<(), ApiError> {
        for claim in &gathered.claims {
            if let Some(why) = foreign_claim(claim, &self.identity) {
                let name = claim.metadata.name.as_deref().unwrap_or_default();
                applied.in_the_way.push(format!(
                    "PersistentVolumeClaim {name} is in the way, which is not of this bus: {why}; delete it, or give \
                     the resource another name"
                ));
            }
        }
        if !applied.in_the_way.is_empty() {
            return Ok(());
        }
        let never_bound = never_bound(bus, &gathered.claims);
        if !never_bound.is_empty() {
            for claim in &never_bound {
                if let Some(claim) = gathered.object(Kind::Claim, claim) {
                    self.api.delete(Kind::Claim, claim).await?;
                }
            }
            applied.failures.push(format!(
                "the volume claims {} never had a volume, and are made anew",
                never_bound.join(", ")
            ));
            return Ok(());
        }
        self.write_set(set, gathered, applied).await
    }

    async fn change(
        &mut self,
        set: &StatefulSet,
        gathered: &mut Gathered,
        formed: bool,
        applied: &mut Applied,
    ) -> Result<(), ApiError> {
        let Some(live) = &gathered.stateful_set else {
            return Ok(());
        };
        let differences = differences(live, set);
        let Some(heaviest) = differences.iter().map(|one| one.way).max() else {
            return Ok(());
        };
        match heaviest {
            Way::InPlace | Way::Restart => self.write_set(set, gathered, applied).await,
            Way::Anew if formed => {
                applied.failures.push(format!(
                    "StatefulSet {} differs from what is wanted in {}, which takes a new one, and this release makes \
                     none for a bus that runs",
                    names::bus(&self.identity.name),
                    paths(&differences),
                ));
                Ok(())
            }
            Way::Anew => {
                let name = names::bus(&self.identity.name);
                if let Some(live) = gathered.object(Kind::StatefulSet, &name) {
                    self.api.delete(Kind::StatefulSet, live).await?;
                }
                applied.failures.push(format!(
                    "StatefulSet {name} is made anew, since {} changed before the bus had formed",
                    paths(&differences)
                ));
                Ok(())
            }
        }
    }

    async fn write_set(
        &mut self,
        set: &StatefulSet,
        gathered: &mut Gathered,
        applied: &mut Applied,
    ) -> Result<(), ApiError> {
        let object = Object::StatefulSet(Box::new(set.clone()));
        let written = writer(self.api, &self.identity, gathered, self.known)
            .write(&object)
            .await;
        note(written, applied)
    }

    async fn remake_pods(&self, gathered: &Gathered, formed: bool) -> Result<(), ApiError> {
        let Some(live) = &gathered.stateful_set else {
            return Ok(());
        };
        for pod in pods_to_remake(live, &gathered.pods, formed) {
            if let Some(pod) = gathered.object(Kind::Pod, pod) {
                self.api.delete(Kind::Pod, pod).await?;
            }
        }
        Ok(())
    }

    /// Has the nodes of these servers bring them what was written: a kubelet looks at a pod's volumes
    /// again when the pod's annotations change, and not for a minute else (measured: 0.3 s against up to
    /// 14 s and more).
    pub(super) async fn make_nodes_look(
        &self,
        servers: &BTreeSet<String>,
        configuration: &str,
        gathered: &Gathered,
    ) -> Result<(), ApiError> {
        let behind = |pod: &&Pod| {
            let name = pod.metadata.name.as_ref();
            name.is_some_and(|name| servers.contains(name))
        };
        for pod in gathered.pods.iter().filter(behind) {
            let (Some(name), annotations) = (&pod.metadata.name, &pod.metadata.annotations) else {
                continue;
            };
            let has = annotations.as_ref().and_then(|all| all.get(CONFIGURATION));
            let is_leaving = pod.metadata.deletion_timestamp.is_some();
            let is_foreign = labelled_otherwise(&pod.metadata, &self.identity).is_some();
            if is_foreign || is_leaving || has.is_some_and(|has| has == configuration) {
                continue;
            }
            let set = self
                .api
                .annotate(Kind::Pod, name, CONFIGURATION, configuration);
            match set.await {
                // It has gone meanwhile.
                Err(error) if error.code() == Some(404) => {}
                set => set?,
            }
        }
        Ok(())
    }
}

fn paths(differences: &[Difference]) -> String {
    let heavy = differences.iter().filter(|one| one.way == Way::Anew);
    let paths: Vec<&str> = heavy.map(|one| one.path.as_str()).collect();
    paths.join(", ")
}
