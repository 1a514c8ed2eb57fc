//! What a resource's text says of the bus itself.

use anyhow::{Context, Result};
use serde_json::Value;

/// A resource, as far as whoever serves it has to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its name.
    pub name: String,
    /// Its `spec`.
    pub spec: Value,
    /// Names of the servers, in their order: they follow from the name and the number of servers.
    pub servers: Vec<String>,
}

impl Written {
    /// Reads a resource's text.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(resource: &str) -> Result<Self> {
        let resource: Value = serde_yaml::from_str(resource)?;
        let name = resource.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.context("the resource has no name")?.to_owned();
        let spec = resource.get("spec").context("the resource has no spec")?;
        let replicas = spec.get("replicas").and_then(Value::as_u64).unwrap_or(3);
        Ok(Self {
            servers: (0..replicas)
                .map(|index| format!("{name}-{index}"))
                .collect(),
            spec: spec.clone(),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Written;

    #[test]
    fn servers_follow_from_the_text() {
        let written = Written::read("{metadata: {name: fsc}, spec: {replicas: 1}}").unwrap();
        let expected = Written {
            name: "fsc".to_owned(),
            spec: json!({"replicas": 1}),
            servers: vec!["fsc-0".to_owned()],
        };
        assert_eq!(written, expected);
    }
}
