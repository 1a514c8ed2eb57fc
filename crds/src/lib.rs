//! The `SvomMessaging` custom resource: its types, its defaults, the rules that concern one value or
//! one list entry (as CEL inside the schema), and the one way in for files.
//!
//! In: YAML text. Out: a typed resource with defaults filled in, or every problem with its path and
//! line. Nothing here knows about servers, accounts or streams; rules that concern two lists live in
//! `svom-plan`.

pub mod read;
pub mod spec;
pub mod status;
pub mod units;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::core::CustomResourceExt;
use serde_json::json;

pub use spec::{SvomMessaging, SvomMessagingSpec};
pub use status::SvomMessagingStatus;

/// API group of the resource.
pub const GROUP: &str = "messaging.svom.eu";
/// Served and stored version of the resource.
pub const VERSION: &str = "v1alpha1";
/// Kind of the resource.
pub const KIND: &str = "SvomMessaging";
/// `apiVersion` of the resource as it stands in a file.
pub const API_VERSION: &str = "messaging.svom.eu/v1alpha1";
/// Annotation that names, separated by commas, what a change may lose (`durable/USER.NAME`,
/// `domain/NAME`). Without it a change that would lose messages or a reader's position is refused.
pub const ALLOW_LOSS: &str = "messaging.svom.eu/allow-loss";

/// The CustomResourceDefinition, with what the derive cannot say: a default for the whole `status`,
/// no field that takes null, and descriptions in paragraphs instead of source lines.
///
/// A default of `observedGeneration` alone does nothing while `status` is absent, and a resource
/// without a status would count as current (kstatus); so the default stands on `status` itself.
/// Where null is not a value, the API server takes it for "left out"; where it is one, it is stored,
/// and every rule that asks whether a field is there is answered yes.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = SvomMessaging::crd();
    for version in &mut crd.spec.versions {
        let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        finish(schema);
        let status = schema
            .properties
            .as_mut()
            .and_then(|properties| properties.get_mut("status"));
        if let Some(status) = status {
            status.default = serde_json::from_value(json!({"observedGeneration": -1})).ok();
        }
    }
    crd
}

fn finish(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.description = schema.description.take().map(|text| paragraphs(&text));
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        finish(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        finish(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        finish(values);
    }
}

/// Joins the lines of each paragraph; a line that begins a list item stays a line.
fn paragraphs(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for line in text.lines().map(str::trim) {
        let starts_anew = line.is_empty() || line.starts_with(['-', '*', '+']);
        if joined.is_empty() || joined.ends_with('\n') {
            joined.push_str(line);
        } else if starts_anew {
            joined.push('\n');
            joined.push_str(line);
        } else {
            joined.push(' ');
            joined.push_str(line);
        }
        if line.is_empty() {
            joined.push('\n');
        }
    }
    joined.trim().to_owned()
}

/// The CustomResourceDefinition as YAML: the content of `crds/svommessaging.yaml`.
///
/// # Errors
/// When the definition cannot be written as YAML, which would be a defect of this crate.
pub fn crd_yaml() -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&crd())
}

#[cfg(test)]
mod tests {
    use super::paragraphs;

    #[test]
    fn descriptions_keep_paragraphs_and_lists_but_not_source_lines() {
        let text = "One\nsentence.\n\nOptions:\n- first\n  of two\n- second";
        assert_eq!(
            paragraphs(text),
            "One sentence.\n\nOptions:\n- first of two\n- second"
        );
    }
}
