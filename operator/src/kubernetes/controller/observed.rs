//! A resource as the API server has it, taken as it comes: one that cannot be read is a value too.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use svom_crds::{SvomMessaging, SvomMessagingStatus};

/// A resource, with its metadata in any case.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What it asks for; the defaults are those that the API server filled in.
    pub resource: Result<SvomMessaging, Malformed>,
    /// What was last said about it; absent too where it cannot be read.
    pub status: Option<SvomMessagingStatus>,
}

/// Why a resource cannot be read. The API server refuses such ones, but it has kept those that it took
/// under another definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Malformed {
    /// Path of the field, as `spec.users[2].publish`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Observed {
    /// Reads a resource from what the API server answered.
    ///
    /// # Errors
    /// When not even its metadata can be read.
    pub fn read(mut object: Value) -> Result<Self, serde_json::Error> {
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        let metadata: ObjectMeta = serde_json::from_value(metadata)?;
        // Written by another version, it may say what this one does not know: no reason to stop.
        let status = object
            .as_object_mut()
            .and_then(|object| object.remove("status"));
        let status = status.and_then(|status| serde_json::from_value(status).ok());
        let resource = serde_path_to_error::deserialize(object).map_err(|error| Malformed {
            path: error.path().to_string(),
            message: error.inner().to_string(),
        });
        Ok(Self {
            metadata,
            resource,
            status,
        })
    }
}
