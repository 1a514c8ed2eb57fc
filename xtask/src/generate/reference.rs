//! The page that describes every field of the resource, from the schema that the API server has.
//!
//! In: the CustomResourceDefinition as JSON. Out: Markdown. A field without a description is an error.

use std::fmt::Write;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

const HEAD: &str = "\
# The resource, field by field

Generated from the schema by `cargo xtask generate`; do not edit.

`[]` stands for each entry of a list. A field without the word *required* may be left out. Where a
rule is given, the text after it is what is answered when the rule does not hold. Rules between two
lists (a user's rights name declared queues, a durable's queues lie within its user's rights) are not
in the schema: `svom-messaging check` tells them, and so does the status.
";

/// Types that are Kubernetes' own; below them this page says nothing.
const KUBERNETES: [&str; 4] = [
    "spec.pod.affinity",
    "spec.pod.resources",
    "spec.pod.tolerations",
    "spec.pod.topologySpreadConstraints",
];

/// The whole page.
pub fn page(crd: &Value) -> anyhow::Result<String> {
    let names = crd
        .pointer("/spec/names")
        .context("the definition has no names")?;
    let version = crd
        .pointer("/spec/versions/0")
        .context("the definition has no version")?;
    let schema = version
        .pointer("/schema/openAPIV3Schema")
        .context("the definition has no schema")?;
    let mut page = String::from(HEAD);
    writeln!(
        page,
        "\n`apiVersion: {}/{}`, `kind: {}`, short name `{}`.\n\n{}",
        text(crd, "/spec/group"),
        text(version, "/name"),
        text(names, "/kind"),
        text(names, "/shortNames/0"),
        text(schema, "/description"),
    )?;
    write_rules(&mut page, schema)?;
    for part in ["spec", "status"] {
        let property = schema.pointer(&format!("/properties/{part}"));
        write_field(
            &mut page,
            &Field {
                path: part.to_owned(),
                schema: property.with_context(|| format!("the schema has no {part}"))?,
                required: part == "spec",
            },
        )?;
    }
    Ok(page)
}

struct Field<'a> {
    path: String,
    schema: &'a Value,
    required: bool,
}

fn write_field(page: &mut String, field: &Field<'_>) -> anyhow::Result<()> {
    let Field {
        path,
        schema,
        required,
    } = field;
    let depth = if path.contains('.') { "###" } else { "##" };
    let description = text(schema, "/description");
    if description.is_empty() {
        bail!("{path} has no description");
    }
    let word = if *required { ", *required*" } else { "" };
    writeln!(
        page,
        "\n{depth} `{path}`\n\n{}{word}{}.\n\n{description}",
        kind(schema),
        facts(schema)
    )?;
    if KUBERNETES.contains(&path.as_str()) {
        writeln!(page, "\nAs in a Kubernetes Pod or container.")?;
        return Ok(());
    }
    write_rules(page, schema)?;
    let items = schema.get("items");
    if let Some(items) = items {
        write_rules(page, items)?;
    }
    let (below, prefix) = match items {
        Some(items) => (items, format!("{path}[].")),
        None => (*schema, format!("{path}.")),
    };
    for (name, schema) in properties(below) {
        let field = Field {
            path: format!("{prefix}{name}"),
            schema,
            required: is_required(below, name),
        };
        write_field(page, &field)?;
    }
    Ok(())
}

fn write_rules(page: &mut String, schema: &Value) -> std::fmt::Result {
    let rules = schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array);
    for rule in rules.into_iter().flatten() {
        writeln!(
            page,
            "\nRule: `{}`: {}.",
            text(rule, "/rule"),
            text(rule, "/message")
        )?;
    }
    Ok(())
}

fn kind(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("`{}`", plain(value)))
            .collect();
        return format!("One of {}", values.join(", "));
    }
    match (
        text(schema, "/type"),
        schema.get("items"),
        schema.get("additionalProperties"),
    ) {
        ("array", Some(items), _) => match (
            text(items, "/type"),
            text(schema, "/x-kubernetes-list-type"),
        ) {
            ("object", "map") => format!(
                "List of objects, each `{}` once",
                text(schema, "/x-kubernetes-list-map-keys/0")
            ),
            (of, "set") => format!("List of {of}s, each once"),
            (of, _) => format!("List of {of}s"),
        },
        ("object", _, Some(_)) => "Map of strings".to_owned(),
        ("string", ..) => "String".to_owned(),
        ("integer", ..) => "Integer".to_owned(),
        ("boolean", ..) => "Boolean".to_owned(),
        _ => "Object".to_owned(),
    }
}

fn facts(schema: &Value) -> String {
    let mut facts = String::new();
    let bounds = [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
    ];
    for (least, most, what) in bounds {
        let (least, most) = (schema.get(least).map(plain), schema.get(most).map(plain));
        facts += &match (least, most) {
            (Some(least), Some(most)) => format!(", {least} to {most}{what}"),
            (None, Some(most)) => format!(", at most {most}{what}"),
            (Some(least), None) => format!(", at least {least}{what}"),
            (None, None) => String::new(),
        };
    }
    if let Some(default) = schema.get("default") {
        facts += &format!(", default `{}`", plain(default));
    }
    facts
}

fn plain(value: &Value) -> String {
    match (value, value.as_f64()) {
        (Value::String(text), _) => text.clone(),
        // The schema's bounds are floating-point numbers, whole ones too.
        (Value::Number(_), Some(number)) => number.to_string(),
        _ => value.to_string(),
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Map::iter)
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|required| required == name))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::{Field, write_field};

    fn field(schema: serde_json::Value) -> anyhow::Result<String> {
        let mut page = String::new();
        let path = "spec.things".to_owned();
        write_field(
            &mut page,
            &Field {
                path,
                schema: &schema,
                required: false,
            },
        )?;
        Ok(page)
    }

    #[test]
    fn a_field_tells_its_type_bounds_default_and_rules() {
        let page = field(json!({
            "description": "The things.",
            "type": "array", "maxItems": 8,
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {
                "name": {
                    "description": "Name of it.", "type": "string", "minLength": 1, "maxLength": 40,
                    "x-kubernetes-validations": [{"rule": "self != 'x'", "message": "write another"}]
                },
                "often": {
                    "description": "How often.", "type": "integer",
                    "minimum": 1.0, "maximum": 100000.0, "default": 5
                }
            }}
        }));
        expect![[r#"

            ### `spec.things`

            List of objects, each `name` once, at most 8 entries.

            The things.

            ### `spec.things[].name`

            String, *required*, 1 to 40 characters.

            Name of it.

            Rule: `self != 'x'`: write another.

            ### `spec.things[].often`

            Integer, 1 to 100000, default `5`.

            How often.
        "#]]
        .assert_eq(&page.unwrap());
    }

    #[test]
    fn a_field_without_a_description_is_an_error() {
        let error = field(json!({"type": "string"})).unwrap_err();
        assert_eq!(error.to_string(), "spec.things has no description");
    }
}
