//! The chart's copy of the CustomResourceDefinition.
//!
//! It is a template and not a file under `crds/`, since Helm installs those once and never updates
//! them. It is kept when the release is uninstalled, or installs it no more: with the definition every
//! resource would go.

use anyhow::{Context, ensure};

const SWITCH: &str = "{{- if .Values.crd.install }}\n";
const END: &str = "{{- end }}\n";
const NAME: &str = "metadata:\n  name: ";
const KEPT: &str = "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n  name: ";

/// The definition as a Helm template that renders to the same definition, where it is wanted.
pub fn template(crd: &str) -> anyhow::Result<String> {
    ensure!(
        !crd.contains("{{"),
        "the definition holds \"{{{{\", which Helm would take for a template"
    );
    let (before, after) = crd
        .split_once(NAME)
        .context("the definition's metadata does not begin with its name")?;
    Ok(format!("{SWITCH}{before}{KEPT}{after}{END}"))
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn the_definition_outlives_its_release() {
        assert_eq!(
            template("kind: X\nmetadata:\n  name: x\nspec: {}\n").unwrap(),
            "{{- if .Values.crd.install }}\nkind: X\nmetadata:\n  annotations:\n    helm.sh/resource-policy: keep\n  \
             name: x\nspec: {}\n{{- end }}\n"
        );
    }

    #[test]
    fn what_helm_would_take_for_a_template_is_refused() {
        assert!(template("metadata:\n  name: x\ndescription: '{{ }}'\n").is_err());
    }

    #[test]
    fn the_chart_has_the_version_of_the_release() {
        let path = crate::root::checkout().join("charts/svom-messaging/Chart.yaml");
        let chart: serde_json::Value =
            serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let versions = (chart["version"].as_str(), chart["appVersion"].as_str());
        let release = Some(env!("CARGO_PKG_VERSION"));
        assert_eq!(versions, (release, release));
    }
}
