//! The objects of a bus are brought about, in the order in which each may be used.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use svom_plan::kubernetes::{
    Bus, External, InForce, Object, Objects, Place, around, names, no_longer_wanted, objects,
    outside, secrets, topology,
};
use svom_plan::material::Material;
use svom_plan::topology::Topology;
use svom_plan::valid::UserName;

use super::Pass;
use super::judge::Asked;
use crate::kubernetes::api::{self, ApiError, Kind};
use crate::kubernetes::gathered::Gathered;
use crate::kubernetes::secrets::{Complete, SecretsError, complete, load, with_a_trace};
use crate::kubernetes::write::{WriteError, Writer, kind_of, object_of};

/// What was brought about.
pub(super) struct Applied {
    /// The state that it was made from.
    pub(super) state: InForce,
    /// What was minted and written for it; absent where something kept it from that.
    pub(super) minted: Option<Minted>,
    /// What keeps it from being whole, in words: it comes right by itself, or by another try.
    pub(super) failures: Vec<String>,
    /// Objects of somebody else, in words.
    pub(super) in_the_way: Vec<String>,
}

/// The secrets of a bus that are about to be persisted.
struct Secrets {
    topology: Topology,
    material: Material,
    /// The users whose credentials are nowhere but in here.
    made_for: BTreeSet<UserName>,
}

impl Secrets {
    fn of(topology: Topology, complete: Complete) -> Self {
        Self {
            topology,
            material: complete.material,
            made_for: complete.made_for,
        }
    }
}

/// The secrets of a bus that are persisted, and what was made from them.
pub(super) struct Minted {
    pub(super) topology: Topology,
    pub(super) material: Material,
    pub(super) digests: BTreeMap<String, String>,
    /// What a pod's annotation says once its node was told of all this.
    pub(super) configuration: String,
}

impl Pass<'_> {
    /// Brings about the objects of the aim, or where its secrets cannot be had those of what is left of
    /// the state in force.
    pub(super) async fn apply(
        &mut self,
        aim: &InForce,
        less: &InForce,
        gathered: &mut Gathered,
        asked: &mut Asked,
    ) -> Result<Applied, ApiError> {
        let mut applied = Applied {
            state: aim.clone(),
            minted: None,
            failures: Vec::new(),
            in_the_way: Vec::new(),
        };
        if aim.valid.paused {
            applied.minted = self.as_it_is(aim, gathered);
            return Ok(applied);
        }
        let made = match self.minted(aim, gathered, &mut applied).await? {
            Ok(made) => made,
            Err(SecretsError::Mint(error)) => {
                applied.failures.push(error.to_string());
                return Ok(applied);
            }
            Err(SecretsError::Problems(problems)) => {
                asked.problems.extend(problems);
                applied.state = less.clone();
                match self.of_what_is_left(less, gathered).await? {
                    Some(made) => made,
                    None => return Ok(applied),
                }
            }
        };
        self.write_all(made, gathered, asked, &mut applied).await?;
        Ok(applied)
    }

    /// Writes what stands around the servers, and mints the rest.
    async fn minted(
        &mut self,
        state: &InForce,
        gathered: &mut Gathered,
        applied: &mut Applied,
    ) -> Result<Result<Secrets, SecretsError>, ApiError> {
        let bus = bus(&self.identity, state);
        for object in around(&bus) {
            let written = writer(self.api, &self.identity, gathered, self.known)
                .write(&object)
                .await;
            note(written, applied)?;
        }
        let topology = self.topology(state, gathered)?;
        let complete = complete(gathered, &state.valid, &topology, self.now).await;
        Ok(complete.map(|complete| Secrets::of(topology, complete)))
    }

    pub(super) fn topology(
        &self,
        state: &InForce,
        gathered: &Gathered,
    ) -> Result<Topology, ApiError> {
        let external: Option<&External> = state.settings.external.as_ref();
        let service = gathered.service(&names::external(&self.identity.name))?;
        Ok(topology(&Place {
            identity: &self.identity,
            replicas: state.valid.replicas,
            cluster_domain: None,
            outside: &outside(external, service.as_ref()),
        }))
    }

    /// The secrets for what is left of the state in force: those in use, which look for no Secret that
    /// may be gone; in a process that has none in use yet, what is there.
    async fn of_what_is_left(
        &self,
        less: &InForce,
        gathered: &Gathered,
    ) -> Result<Option<Secrets>, ApiError> {
        if let Some(live) = &self.known.live {
            return Ok(Some(Secrets {
                topology: live.topology.clone(),
                material: live.material.clone(),
                made_for: BTreeSet::new(),
            }));
        }
        let topology = self.topology(less, gathered)?;
        let complete = complete(gathered, &less.valid, &topology, self.now).await;
        Ok(complete
            .ok()
            .map(|complete| Secrets::of(topology, complete)))
    }

    /// What a paused bus has, as far as it can be read; nothing is minted.
    fn as_it_is(&self, state: &InForce, gathered: &Gathered) -> Option<Minted> {
        let topology = self.topology(state, gathered).ok()?;
        let material = load(gathered, &state.valid, &topology).ok()?;
        let made = objects(&bus(&self.identity, state), &topology, &material).ok()?;
        Some(Minted::of(topology, material, &made))
    }

    async fn write_all(
        &mut self,
        secrets: Secrets,
        gathered: &mut Gathered,
        asked: &mut Asked,
        applied: &mut Applied,
    ) -> Result<(), ApiError> {
        let (identity, state) = (self.identity.clone(), applied.state.clone());
        let bus = bus(&identity, &state);
        let Secrets {
            topology,
            material,
            made_for,
        } = secrets;
        let wanted = match objects(&bus, &topology, &material) {
            Ok(wanted) => wanted,
            Err(problems) => {
                asked.problems.extend(problems);
                return Ok(());
            }
        };
        let traced = with_a_trace(gathered, &state.valid, &made_for);
        if !traced.is_empty() {
            self.drop_traces(&bus, &material, &traced, gathered, applied)
                .await?;
        }
        for object in &wanted.objects {
            if matches!(object, Object::StatefulSet(_)) {
                continue;
            }
            let written = writer(self.api, &self.identity, gathered, self.known)
                .write(object)
                .await;
            note(written, applied)?;
        }
        if !applied.in_the_way.is_empty() || !applied.failures.is_empty() {
            // What the servers read may not be what it should be.
            return Ok(());
        }
        self.bring_up_servers(&bus, &wanted, gathered, asked.formed, applied)
            .await?;
        self.take_away(&wanted, gathered).await?;
        applied.minted = Some(Minted::of(topology, material, &wanted));
        Ok(())
    }

    /// Takes the traces of credentials that are gone out of the operator's Secret.
    async fn drop_traces(
        &mut self,
        bus: &Bus<'_>,
        material: &Material,
        of: &BTreeSet<UserName>,
        gathered: &mut Gathered,
        applied: &mut Applied,
    ) -> Result<(), ApiError> {
        let mut without = material.clone();
        without.users.retain(|user, _| !of.contains(user));
        match secrets::operator(bus, &without) {
            Ok(secret) => {
                let written = writer(self.api, &self.identity, gathered, self.known)
                    .write(&Object::Secret(Box::new(secret)))
                    .await;
                note(written, applied)
            }
            Err(problem) => {
                applied.failures.push(problem.to_string());
                Ok(())
            }
        }
    }

    /// Deletes what the resource wants no more.
    async fn take_away(&self, wanted: &Objects, gathered: &Gathered) -> Result<(), ApiError> {
        let is_wanted = |kind: Kind, live: &Value| {
            let mut wanted = wanted.objects.iter();
            wanted.any(|object| kind_of(object) == kind && object.name() == api::name(live))
        };
        for kind in Kind::APPLIED {
            for live in gathered.all(kind) {
                if is_wanted(kind, live) {
                    continue;
                }
                let Some(found) = object_of(kind, live)? else {
                    continue;
                };
                let keeps = found.name() == names::in_force(&self.identity.name);
                let found = [found];
                let gone = no_longer_wanted(&found, &wanted.objects, &self.identity);
                if !keeps && !gone.is_empty() {
                    self.api.delete(kind, live).await?;
                }
            }
        }
        Ok(())
    }
}

impl Minted {
    fn of(topology: Topology, material: Material, objects: &Objects) -> Self {
        Self {
            topology,
            material,
            digests: objects.digests.clone(),
            configuration: objects.configuration.clone(),
        }
    }
}

pub(super) fn bus<'a>(
    identity: &'a svom_plan::kubernetes::Identity,
    state: &'a InForce,
) -> Bus<'a> {
    Bus {
        identity,
        valid: &state.valid,
        settings: &state.settings,
        version: &state.version,
    }
}

pub(super) fn writer<'a>(
    api: crate::kubernetes::api::Api<'a>,
    identity: &'a svom_plan::kubernetes::Identity,
    gathered: &'a mut Gathered,
    known: &'a mut super::Known,
) -> Writer<'a> {
    Writer {
        api,
        identity,
        gathered,
        without_effect: &mut known.without_effect,
    }
}

/// Takes note of what kept an object from being written, where it is not the API server.
pub(super) fn note(
    written: Result<bool, WriteError>,
    applied: &mut Applied,
) -> Result<(), ApiError> {
    match written {
        Ok(_) => Ok(()),
        Err(WriteError::Api(error)) => Err(error),
        Err(foreign @ WriteError::Foreign { .. }) => {
            applied.in_the_way.push(foreign.to_string());
            Ok(())
        }
        Err(leaving @ WriteError::Leaving { .. }) => {
            applied.failures.push(leaving.to_string());
            Ok(())
        }
    }
}
