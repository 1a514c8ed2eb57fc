//! An image's archive, read back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What an image says about itself, and the files of its layer.
pub struct Image {
    pub config: Value,
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Image {
    /// Reads an archive, which must be an image of one layer with this name.
    pub fn read(archive: &Path, reference: &str) -> Result<Self> {
        let outer = files(File::open(archive)?)?;
        let part = |name: &str| {
            let found = outer.get(Path::new(name));
            found.with_context(|| format!("{} holds no {name}", archive.display()))
        };
        let manifest: Value = serde_json::from_slice(part("manifest.json")?)?;
        let value = |path: &str| {
            let found = manifest.pointer(path);
            found.with_context(|| format!("{manifest} has no {path}"))
        };
        ensure!(value("/0/RepoTags/0")? == reference, "{manifest}");
        let config = value("/0/Config")?.as_str().context("no config")?;
        let config: Value = serde_json::from_slice(part(config)?)?;
        let layers = value("/0/Layers")?.as_array().context("no layers")?;
        let [Value::String(layer)] = layers.as_slice() else {
            anyhow::bail!("{manifest} has not one layer");
        };
        Ok(Self {
            config: config.get("config").cloned().unwrap_or_default(),
            files: files(part(layer)?.as_slice())?,
        })
    }

    /// A file at an absolute path.
    pub fn file(&self, path: &str) -> Result<&[u8]> {
        let found = self.files.get(Path::new(path.trim_start_matches('/')));
        let found = found.with_context(|| format!("{path} is not in the image"))?;
        Ok(found)
    }
}

/// Every regular file of a tar.
fn files(tar: impl Read) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.insert(entry.path()?.into_owned(), content);
        }
    }
    Ok(files)
}

/// Whether a program of 64 bits asks for a loader, as one with shared libraries does.
pub fn asks_for_a_loader(program: &[u8]) -> Result<bool> {
    const INTERPRETER: u32 = 3;
    ensure!(program.starts_with(b"\x7fELF\x02\x01"), "no program");
    let number = |at: usize, length: usize| -> Result<usize> {
        let bytes = program.get(at..at + length).context("a short program")?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (headers, length, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for header in 0..count {
        if number(headers + header * length, 4)? == INTERPRETER as usize {
            return Ok(true);
        }
    }
    Ok(false)
}
