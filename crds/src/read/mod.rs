//! The one way in for files: bytes to a resource, or every defect with its path and line.
//!
//! It is stricter than the API server in one way: an unknown field is a defect here, since a typo in
//! a file has nobody else to notice it. Defaults, schema and CEL rules are the very ones of the
//! CustomResourceDefinition, so that a file that passes here passes there.

mod locate;
mod schema;
mod yaml;

use kube::core::cel::{Validator, apply_defaults};
use serde_json::Value;
use std::fmt;

use crate::{API_VERSION, KIND, SvomMessaging};

/// Largest file that is read, bytes: what the API server's store takes for one object is less.
pub const MAX_BYTES: usize = 1 << 20;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Defect {
    /// Line in the file, from 1; absent where no line can be named.
    pub line: Option<usize>,
    /// Path of the field, as `spec.users[2].publish`; empty where the text itself is wrong.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Defect {
    fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            line: None,
            path: path.into(),
            message: message.into(),
        }
    }

    fn of_text(line: Option<usize>, message: impl Into<String>) -> Self {
        Self {
            line,
            path: String::new(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Reads a resource from the bytes of a file: YAML or JSON, one document, at most [`MAX_BYTES`].
///
/// # Errors
/// Every defect, by line: of the text alone where it cannot be read, else of unknown fields, types
/// and bounds, else of the CEL rules. Never empty.
pub fn read(bytes: &[u8]) -> Result<SvomMessaging, Vec<Defect>> {
    let (text, written) = yaml::parse(bytes).map_err(|defect| vec![defect])?;
    let located = |defects| locate::lines(text, defects);
    check_header(&written).map_err(located)?;
    from_value(&written).map_err(located)
}

/// The line, from 1, at which a path stands in a text that [`read`] accepted; for problems that are
/// found later.
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    locate::line(text, path)
}

fn from_value(written: &Value) -> Result<SvomMessaging, Vec<Defect>> {
    let schema = schema::of_resource().map_err(|defect| vec![defect])?;
    let mut value = written.clone();
    if let Some(object) = value.as_object_mut() {
        // What a server told about an earlier state is not asked for by a file.
        object.remove("status");
    }
    schema::drop_nulls(&schema, &mut value);
    let mut defects = schema::check(&schema, &value);
    defects.extend(schema::check_metadata(&value));
    if !defects.is_empty() {
        return Err(defects);
    }
    let value = apply_defaults(&schema, &value);
    if let Err(errors) = Validator::new().validate(&schema, &value, None) {
        let defect =
            |error: kube::core::cel::ValidationError| Defect::at(error.field_path, error.message);
        return Err(errors.into_vec().into_iter().map(defect).collect());
    }
    serde_json::from_value(value).map_err(|error| vec![Defect::at("", error.to_string())])
}

fn check_header(value: &Value) -> Result<(), Vec<Defect>> {
    let mut defects = Vec::new();
    if !value.is_object() {
        let message =
            format!("the document is not a {KIND}: it must begin with apiVersion: {API_VERSION}");
        return Err(vec![Defect::of_text(Some(1), message)]);
    }
    for (field, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match value.get(field).and_then(Value::as_str) {
            Some(text) if text == wanted => {}
            Some(text) => defects.push(Defect::at(
                field,
                format!("write {wanted} instead of {text:?}"),
            )),
            None => defects.push(Defect::at(
                field,
                format!("missing: write {field}: {wanted}"),
            )),
        }
    }
    if defects.is_empty() {
        Ok(())
    } else {
        Err(defects)
    }
}

#[cfg(test)]
mod tests;
