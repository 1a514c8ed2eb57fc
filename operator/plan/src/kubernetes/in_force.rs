//! What was put in force last, written down for the next run: a change is judged against it, also by
//! an operator that was started anew, and by a resource that takes up what an earlier one left.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::labels::Component;
use super::names;
use super::settings::Settings;
use crate::server_config::SECRET_LIMIT;
use crate::{Problem, Valid};

const KEY: &str = "in-force.json";

/// A state that was put in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// The resource.
    pub valid: Valid,
    /// What it says for Kubernetes alone.
    pub settings: Settings,
    /// The version of nats-server.
    pub version: String,
}

impl InForce {
    /// The Secret that it is kept in. It holds no secret; it is one so that who runs the bus needs
    /// rights on no further kind of object.
    ///
    /// # Errors
    /// It is more than a Secret holds.
    pub fn secret(&self, identity: &Identity) -> Result<Secret, Problem> {
        let json = serde_json::to_vec(self).map_err(|error| {
            Problem::new("spec", format!("it cannot be written as JSON: {error}"))
        })?;
        if json.len() > SECRET_LIMIT {
            return Err(Problem::new(
                "spec.users",
                format!(
                    "users and their rights take {} bytes when they are written down, and one Secret holds \
                     {SECRET_LIMIT}: name fewer users, or grant each only the queues it needs, or split the bus in two",
                    json.len()
                ),
            ));
        }
        let name = names::in_force(&identity.name);
        Ok(Secret {
            metadata: identity.kept(name, Component::Operator, self.valid.on_delete),
            data: Some([(KEY.to_owned(), ByteString(json))].into()),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        })
    }

    /// Reads it back; `None` where nothing was put in force yet.
    ///
    /// # Errors
    /// It was written by a version that says it differently, or is damaged.
    pub fn read(secret: &Secret) -> Result<Option<Self>, Problem> {
        let Some(json) = secret.data.as_ref().and_then(|data| data.get(KEY)) else {
            return Ok(None);
        };
        serde_json::from_slice(&json.0).map(Some).map_err(|error| {
            let name = secret.metadata.name.as_deref().unwrap_or_default();
            Problem::new(
                "spec",
                format!(
                    "Secret {name} cannot be understood ({error}): it was written by another version, or damaged. Delete \
                     it to start from the resource alone; messages and credentials stay"
                ),
            )
        })
    }
}
