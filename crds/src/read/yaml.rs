//! Text to a JSON value: syntax, one document, no duplicate keys, nothing that JSON cannot say.

use serde::Deserialize;
use serde_json::Value;

use super::{Defect, MAX_BYTES};

/// Deepest nesting of brackets that is handed to the parser, which itself gives up at half of it.
const DEEPEST: usize = 256;

/// Parses the bytes of a file.
///
/// # Errors
/// The first defect of the text: too large, not UTF-8, not YAML, empty, several documents, duplicate
/// keys, tags, keys or numbers that JSON cannot say.
pub fn parse(bytes: &[u8]) -> Result<(&str, Value), Defect> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has more than {MAX_BYTES} bytes, which no resource has");
        return Err(Defect::of_text(None, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Defect::of_text(Some(line), "the file is not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);

    if let Some(line) = too_deep(text) {
        let message = format!("this is nested more than {DEEPEST} deep, which no resource is");
        return Err(Defect::of_text(Some(line), message));
    }

    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value =
            serde_yaml::Value::deserialize(document).map_err(|error| syntax(text, &error))?;
        if !value.is_null() {
            documents.push(value);
        }
        if documents.len() > 1 {
            let message = "the file holds more than one document; write one resource in each file";
            return Err(Defect::of_text(None, message));
        }
    }
    match documents.pop() {
        Some(value) => Ok((text, to_json(value, "")?)),
        None => Err(Defect::of_text(None, "the file is empty")),
    }
}

/// The line at which brackets are nested too deeply. For each of them the parser looks at all that are
/// open, and a megabyte of them would take it hours. Quotes are not regarded: text with so many more
/// opening than closing brackets has no place in a resource either.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, line) in text.lines().enumerate() {
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEEPEST {
                return Some(index + 1);
            }
        }
    }
    None
}

fn syntax(text: &str, error: &serde_yaml::Error) -> Defect {
    let line = error.location().map(|location| location.line());
    let with_tab = line
        .and_then(|line| text.lines().nth(line.saturating_sub(1)))
        .is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'));
    if with_tab {
        return Defect::of_text(
            line,
            "the line is indented with a tab; YAML is indented with spaces",
        );
    }
    // The library appends the place; the line is told in front.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    Defect::of_text(line, format!("this is not valid YAML: {message}"))
}

fn to_json(value: serde_yaml::Value, path: &str) -> Result<Value, Defect> {
    use serde_yaml::Value as Yaml;
    match value {
        Yaml::Null => Ok(Value::Null),
        Yaml::Bool(truth) => Ok(Value::Bool(truth)),
        Yaml::String(text) => Ok(Value::String(text)),
        Yaml::Number(number) => {
            let json = number
                .as_i64()
                .map(Value::from)
                .or_else(|| number.as_u64().map(Value::from))
                .or_else(|| {
                    number
                        .as_f64()
                        .and_then(serde_json::Number::from_f64)
                        .map(Value::from)
                });
            json.ok_or_else(|| {
                Defect::at(path, format!("{number} is not a number that can be used"))
            })
        }
        Yaml::Sequence(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| to_json(item, &format!("{path}[{index}]")))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        Yaml::Mapping(entries) => {
            let mut object = serde_json::Map::new();
            for (key, item) in entries {
                let Yaml::String(key) = key else {
                    let key = serde_yaml::to_string(&key).unwrap_or_default();
                    let message = format!("the key {} is not text: put it in quotes", key.trim());
                    return Err(Defect::at(path, message));
                };
                let item = to_json(item, &super::schema::join(path, &key))?;
                object.insert(key, item);
            }
            Ok(Value::Object(object))
        }
        Yaml::Tagged(tagged) => Err(Defect::at(
            path,
            format!("the tag {} has no meaning here: remove it", tagged.tag),
        )),
    }
}
