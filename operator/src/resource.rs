//! Resources as files: read with a bound, checked by every rule, and what is wrong with them in words.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use svom_crds::read::{self, MAX_BYTES};
use svom_plan::Valid;
use svom_plan::kubernetes::settings;
use svom_plan::server_config::check_size;
use svom_plan::valid::validate;

/// Something wrong with a resource, as `check` tells it.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Path of the field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// A resource that every rule holds for, or everything that is wrong with it.
pub type Checked = Result<Valid, Vec<Trouble>>;

/// Reads the bytes of a file, or of standard input for `-`; no more than a resource may have.
///
/// # Errors
/// When it cannot be read.
pub fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let most = MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .take(most)
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?;
    } else {
        let context = || format!("{} cannot be read", path.display());
        let file = File::open(path).with_context(context)?;
        file.take(most)
            .read_to_end(&mut bytes)
            .with_context(context)?;
    }
    Ok(bytes)
}

/// Runs every check on the bytes of a file: text, schema, defaults, CEL and the plan's own rules.
pub fn checked(bytes: &[u8]) -> Checked {
    let resource = read::read(bytes).map_err(|defects| {
        let trouble = |defect: read::Defect| Trouble {
            line: defect.line,
            path: defect.path,
            message: defect.message,
        };
        defects.into_iter().map(trouble).collect::<Vec<_>>()
    })?;
    // What is said for Kubernetes alone is looked at everywhere: the file is meant to work there too.
    let valid = match (validate(&resource), settings(&resource)) {
        (Ok(valid), Ok(_)) => check_size(&valid).map(|()| valid),
        (valid, settings) => {
            let of_valid = valid.err().into_iter().flatten();
            Err(of_valid
                .chain(settings.err().into_iter().flatten())
                .collect())
        }
    };
    valid.map_err(|problems: Vec<svom_plan::Problem>| {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let trouble = |problem: svom_plan::Problem| Trouble {
            line: read::line_of(text, &problem.path),
            path: problem.path,
            message: problem.message,
        };
        problems.into_iter().map(trouble).collect()
    })
}

/// Troubles of the file of this name as people read them, each on a line that editors can jump to.
pub fn told(name: &str, troubles: &[Trouble]) -> String {
    let mut text = String::new();
    for trouble in troubles {
        text.push_str(name);
        if let Some(line) = trouble.line {
            text.push_str(&format!(":{line}"));
        }
        text.push_str(": ");
        if !trouble.path.is_empty() {
            text.push_str(&format!("{}: ", trouble.path));
        }
        text.push_str(&trouble.message);
        text.push('\n');
    }
    text
}
