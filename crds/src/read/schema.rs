//! Structure, types and bounds of a value, against the schema of the CustomResourceDefinition itself.

use serde_json::{Map, Value};

use super::Defect;

/// Fields of `metadata` that a file may hold: what people write, and what `kubectl get` prints.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The schema of the whole resource, as JSON.
///
/// # Errors
/// When the definition has no schema, which would be a defect of this crate.
pub fn of_resource() -> Result<Value, Defect> {
    let crd = crate::crd();
    let schema = crd
        .spec
        .versions
        .first()
        .and_then(|version| version.schema.as_ref())
        .and_then(|schema| schema.open_api_v3_schema.as_ref())
        .and_then(|schema| serde_json::to_value(schema).ok());
    let Some(mut schema) = schema else {
        return Err(Defect::at("", "the resource's definition has no schema"));
    };
    // The API server knows these two and what is in `metadata` by itself.
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for field in ["apiVersion", "kind"] {
            properties.insert(field.to_owned(), serde_json::json!({"type": "string"}));
        }
        properties.insert(
            "metadata".to_owned(),
            serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        );
    }
    Ok(schema)
}

/// Removes nulls from fields that are not nullable, as the API server does before it fills in
/// defaults.
pub fn drop_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, item| {
                let nullable = property(schema, key)
                    .and_then(|schema| schema.get("nullable"))
                    .and_then(Value::as_bool);
                !item.is_null() || nullable == Some(true)
            });
            for (key, item) in object {
                if let Some(schema) = property(schema, key) {
                    drop_nulls(schema, item);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| drop_nulls(schema, item));
            }
        }
        _ => {}
    }
}

/// Every defect of structure, type and bounds.
pub fn check(schema: &Value, value: &Value) -> Vec<Defect> {
    let mut defects = Vec::new();
    walk(schema, value, "", &mut defects);
    defects
}

/// What the API server checks in `metadata` by itself, as far as a file can get it wrong.
pub fn check_metadata(value: &Value) -> Vec<Defect> {
    let Some(metadata) = value.get("metadata").and_then(Value::as_object) else {
        return vec![Defect::at(
            "metadata",
            "missing: write metadata with a name",
        )];
    };
    let mut defects: Vec<Defect> = metadata
        .keys()
        .filter(|key| !METADATA.contains(&key.as_str()))
        .map(|key| Defect::at(join("metadata", key), "unknown field"))
        .collect();
    for field in ["name", "namespace"] {
        match metadata.get(field) {
            None if field == "name" => {
                defects.push(Defect::at("metadata.name", "missing: write a name"));
            }
            Some(item) if !item.is_string() => {
                defects.push(wrong_type(&join("metadata", field), "string", item));
            }
            _ => {}
        }
    }
    for field in ["labels", "annotations"] {
        let Some(item) = metadata.get(field) else {
            continue;
        };
        let path = join("metadata", field);
        match item.as_object() {
            None if item.is_null() => {}
            None => defects.push(wrong_type(&path, "object", item)),
            Some(entries) => defects.extend(
                entries
                    .iter()
                    .filter(|(_, text)| !text.is_string())
                    .map(|(key, text)| wrong_type(&join(&path, key), "string", text)),
            ),
        }
    }
    defects
}

/// Joins a path and a key; a key that holds dots is put in brackets.
pub fn join(path: &str, key: &str) -> String {
    if key.contains(['.', '[', ']']) {
        format!("{path}[\"{key}\"]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema
        .get("properties")
        .and_then(|properties| properties.get(key))
        .or_else(|| {
            schema
                .get("additionalProperties")
                .filter(|more| more.is_object())
        })
}

fn walk(schema: &Value, value: &Value, path: &str, defects: &mut Vec<Defect>) {
    let flag = |name: &str| schema.get(name).and_then(Value::as_bool) == Some(true);
    if value.is_null() && flag("nullable") {
        return;
    }
    if flag("x-kubernetes-int-or-string") {
        if !value.is_string() && !value.is_i64() {
            defects.push(wrong_type(path, "number or string", value));
        }
        return;
    }
    match (schema.get("type").and_then(Value::as_str), value) {
        (Some("object") | None, Value::Object(object)) => {
            if !flag("x-kubernetes-preserve-unknown-fields") {
                walk_object(schema, object, path, defects);
            }
        }
        (Some("array") | None, Value::Array(items)) => walk_array(schema, items, path, defects),
        (Some("string") | None, Value::String(text)) => check_text(schema, text, path, defects),
        (Some("boolean") | None, Value::Bool(_)) | (None, Value::Null) => {}
        (Some("number") | None, Value::Number(number)) => {
            check_number(schema, number, path, defects)
        }
        (Some("integer"), Value::Number(number)) if !number.is_f64() => {
            check_number(schema, number, path, defects);
        }
        (Some(wanted), _) => defects.push(wrong_type(path, wanted, value)),
    }
}

fn walk_object(schema: &Value, object: &Map<String, Value>, path: &str, defects: &mut Vec<Defect>) {
    for (key, item) in object {
        match property(schema, key) {
            Some(schema) => walk(schema, item, &join(path, key), defects),
            None => defects.push(Defect::at(join(path, key), unknown_field(schema))),
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for field in required.into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(field) {
            defects.push(Defect::at(
                join(path, field),
                "missing: this field must be written",
            ));
        }
    }
}

fn unknown_field(schema: &Value) -> String {
    let known = schema.get("properties").and_then(Value::as_object);
    let known: Vec<&str> = known
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    format!("unknown field; known here: {}", known.join(", "))
}

fn walk_array(schema: &Value, items: &[Value], path: &str, defects: &mut Vec<Defect>) {
    bound(schema, "minItems", path, defects, |least| {
        (items.len() < least).then(|| format!("write at least {least} of them"))
    });
    let before = defects.len();
    bound(schema, "maxItems", path, defects, |most| {
        (items.len() > most)
            .then(|| format!("{} of them; at most {most} are possible", items.len()))
    });
    if defects.len() > before {
        // The rest grows with the square of the length, and says nothing new.
        return;
    }
    let keys = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array);
    let is_set = schema.get("x-kubernetes-list-type").and_then(Value::as_str) == Some("set");
    let identity = |item: &Value| match keys {
        Some(keys) => Some(
            keys.iter()
                .filter_map(Value::as_str)
                .map(|key| item.get(key).cloned())
                .collect(),
        ),
        None => is_set.then(|| vec![Some(item.clone())]),
    };
    let mut seen: Vec<Vec<Option<Value>>> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if let Some(identity) = identity(item) {
            if seen.contains(&identity) {
                let name: Vec<String> = identity.iter().flatten().map(Value::to_string).collect();
                defects.push(Defect::at(
                    &path,
                    format!("{} stands here twice", name.join(", ")),
                ));
            }
            seen.push(identity);
        }
        if let Some(schema) = schema.get("items") {
            walk(schema, item, &path, defects);
        }
    }
}

fn check_text(schema: &Value, text: &str, path: &str, defects: &mut Vec<Defect>) {
    let length = text.chars().count();
    bound(schema, "minLength", path, defects, |least| {
        (length < least).then(|| format!("{text:?} is too short: at least {least} characters"))
    });
    bound(schema, "maxLength", path, defects, |most| {
        (length > most).then(|| format!("{length} characters; at most {most} are possible"))
    });
    let words = schema.get("enum").and_then(Value::as_array);
    if let Some(words) = words
        && !words.iter().any(|word| word.as_str() == Some(text))
    {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let message = format!("{text:?} is not known; write one of {}", words.join(", "));
        defects.push(Defect::at(path, message));
    }
}

fn check_number(
    schema: &Value,
    number: &serde_json::Number,
    path: &str,
    defects: &mut Vec<Defect>,
) {
    let value = number.as_f64().unwrap_or(f64::NAN);
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(least) = limit("minimum")
        && value < least
    {
        defects.push(Defect::at(
            path,
            format!("{number} is too small: at least {least}"),
        ));
    }
    if let Some(most) = limit("maximum")
        && value > most
    {
        defects.push(Defect::at(
            path,
            format!("{number} is too large: at most {most}"),
        ));
    }
    let is_int32 = schema.get("format").and_then(Value::as_str) == Some("int32");
    if is_int32
        && number
            .as_i64()
            .is_none_or(|value| i32::try_from(value).is_err())
    {
        defects.push(Defect::at(
            path,
            format!("{number} is too large for this field"),
        ));
    }
}

fn bound(
    schema: &Value,
    name: &str,
    path: &str,
    defects: &mut Vec<Defect>,
    violated: impl Fn(usize) -> Option<String>,
) {
    let limit = schema
        .get(name)
        .and_then(Value::as_u64)
        .and_then(|limit| usize::try_from(limit).ok());
    if let Some(message) = limit.and_then(violated) {
        defects.push(Defect::at(path, message));
    }
}

fn wrong_type(path: &str, wanted: &str, found: &Value) -> Defect {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    let wanted = match wanted {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text (put it in quotes if it looks like a number or a truth value)",
        "boolean" => "true or false",
        "integer" => "a whole number",
        other => other,
    };
    Defect::at(path, format!("{found} stands here; write {wanted}"))
}
