//! What came of the last pass, for as long as nothing that it stood on is another.
//!
//! Most passes find a bus as the one before left it. What a pass makes of the resource and of the objects
//! is decided by these and by the clock alone; so where every version is the same and nothing is to be
//! renewed yet, it is not made again, and only the servers are looked at. It can be found anew: a process
//! that knows nothing makes it from the start.

use svom_crds::SvomMessagingStatus;
use svom_plan::kubernetes::InForce;
use svom_plan::status::is_ready;
use svom_plan::valid::Issuer;
use svom_plan::{UnixSeconds, pki};

use super::Pass;
use super::apply::Applied;
use super::judge::Asked;
use crate::kubernetes::api::ApiError;
use crate::kubernetes::controller::Observed;
use crate::kubernetes::gathered::Gathered;
use crate::kubernetes::listed::{Listed, Versions};

/// What was made of a resource, and of the objects that there were.
pub(super) struct Made {
    /// The objects that there were, by their versions.
    pub(super) versions: Versions,
    /// What there is.
    pub(super) gathered: Gathered,
    /// What was asked for and is not in force.
    pub(super) asked: Asked,
    /// What was brought about.
    pub(super) applied: Applied,
}

/// A pass after which everything was as it should be, and that had nothing to write.
pub(super) struct AtRest {
    resource: Resource,
    since: UnixSeconds,
    /// When something has to be renewed.
    until: UnixSeconds,
    made: Made,
}

/// Which resource, at which version.
#[derive(PartialEq, Eq)]
struct Resource {
    uid: Option<String>,
    version: Option<String>,
}

impl Made {
    /// When something has to be renewed next; never for a bus that is paused.
    pub(super) fn next_renewal(&self) -> Option<UnixSeconds> {
        let valid = &self.applied.state.valid;
        let minted = self.applied.minted.as_ref().filter(|_| !valid.paused)?;
        pki::next_renewal(valid, &minted.topology, &minted.material)
    }

    /// Whether all that the resource asks for was brought about.
    fn is_all(&self) -> bool {
        let Asked {
            problems,
            refused,
            waiting,
            nothing_new,
            formed,
        } = &self.asked;
        let asked = problems.is_empty() && refused.is_empty() && waiting.is_empty();
        let applied = self.applied.failures.is_empty() && self.applied.in_the_way.is_empty();
        asked && applied && *nothing_new && *formed
    }
}

impl Pass<'_> {
    /// What the last pass made, where it would be made the same now.
    pub(super) async fn as_before(&mut self) -> Result<Option<Made>, ApiError> {
        let Some(rest) = self.known.at_rest.take() else {
            return Ok(None);
        };
        if rest.resource != Resource::of(self.observed)
            || !(rest.since..rest.until).contains(&self.now)
        {
            return Ok(None);
        }
        let listed = self.list(&rest.made.applied.state).await?;
        Ok((listed.versions == rest.made.versions).then_some(rest.made))
    }

    /// Everything that there is of the bus.
    pub(super) async fn list(&self, state: &InForce) -> Result<Listed, ApiError> {
        let issuer = match &state.valid.tls.issuer {
            Issuer::Brought { secret } => Some(secret.as_str()),
            Issuer::Managed { .. } => None,
        };
        let users = state.valid.users.values();
        let brought: Vec<&str> = issuer
            .into_iter()
            .chain(users.filter_map(|user| user.secret.as_deref()))
            .collect();
        let name = &self.identity.name;
        Listed::ask(&self.api, name, state.valid.replicas, &brought).await
    }

    /// What may be kept for the next pass: something where this one wrote nothing and all is well, since
    /// then what was read is what there is.
    pub(super) fn rests(
        &self,
        made: Made,
        status: &SvomMessagingStatus,
        renewal: Option<UnixSeconds>,
    ) -> Option<AtRest> {
        let is_at_rest = !self.api.has_written() && is_ready(status) && made.is_all();
        is_at_rest.then(|| AtRest {
            resource: Resource::of(self.observed),
            since: self.now,
            until: renewal.unwrap_or(UnixSeconds::MAX),
            made,
        })
    }
}

impl Resource {
    fn of(observed: &Observed) -> Self {
        Self {
            uid: observed.metadata.uid.clone(),
            version: observed.metadata.resource_version.clone(),
        }
    }
}
