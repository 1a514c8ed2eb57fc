//! The archive's bytes: a tar of the layer, and around it the JSON that OCI and docker want.
//!
//! In: the image's name, its configuration and its entries. Out: the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::{Config, Content, Entry};

const BLOCK: u64 = 512;

/// The layer is written first and hashed on the way; its header, which holds its length and its hash,
/// is written when both are known.
pub fn write(
    file: File,
    reference: &str,
    config: &Config,
    layer: &BTreeMap<PathBuf, Entry>,
) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    file.seek(SeekFrom::Start(BLOCK))?;
    let (mut file, layer) = write_layer(file, layer)?;
    let padding = layer.size.next_multiple_of(BLOCK) - layer.size;
    io::copy(&mut io::repeat(0).take(padding), &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(file_header(&layer.path(), layer.size)?.as_bytes())?;
    file.seek(SeekFrom::End(0))?;
    let mut outer = tar::Builder::new(file);
    for (path, content) in descriptions(reference, config, &layer)? {
        outer.append(
            &file_header(&path, content.len() as u64)?,
            content.as_slice(),
        )?;
    }
    outer.into_inner()?.flush()?;
    Ok(())
}

fn write_layer<W: Write>(file: W, layer: &BTreeMap<PathBuf, Entry>) -> Result<(W, Blob)> {
    let mut tar = tar::Builder::new(Hashing {
        inner: file,
        hash: Sha256::new(),
        size: 0,
    });
    for (path, entry) in layer {
        append(&mut tar, path, entry).with_context(|| format!("at /{}", path.display()))?;
    }
    let Hashing { inner, hash, size } = tar.into_inner()?;
    let digest = hexadecimal(hash);
    Ok((inner, Blob { digest, size }))
}

fn append<W: Write>(tar: &mut tar::Builder<W>, path: &Path, entry: &Entry) -> Result<()> {
    let Entry {
        content,
        mode,
        owner: (user, group),
    } = entry;
    let mut header = Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(u64::from(*user));
    header.set_gid(u64::from(*group));
    header.set_mode(mode.unwrap_or(0o644));
    header.set_size(0);
    header.set_entry_type(EntryType::Regular);
    match content {
        Content::Bytes(bytes) => {
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, bytes.as_slice())?;
        }
        Content::HostFile(host) => {
            let unreadable = || format!("cannot read {}", host.display());
            let file = File::open(host).with_context(unreadable)?;
            let found = file.metadata().with_context(unreadable)?;
            let executable = found.permissions().mode() & 0o100 != 0;
            header.set_mode(mode.unwrap_or(if executable { 0o755 } else { 0o644 }));
            header.set_size(found.len());
            let mut content = file.take(found.len());
            tar.append_data(&mut header, path, &mut content)?;
            ensure!(
                content.limit() == 0,
                "{} became shorter while it was read",
                host.display()
            );
        }
        Content::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            tar.append_link(&mut header, path, target)?;
        }
        Content::Directory => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(mode.unwrap_or(0o755));
            tar.append_data(&mut header, path, io::empty())?;
        }
    }
    Ok(())
}

fn file_header(path: &str, size: u64) -> Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(path)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}

/// The files around the layer, with their paths in the archive.
fn descriptions(reference: &str, config: &Config, layer: &Blob) -> Result<Vec<(String, Vec<u8>)>> {
    let (_, tag) = reference
        .rsplit_once(':')
        .with_context(|| format!("{reference} is no image's full name: add a tag"))?;
    let (image, image_blob) = described(&json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": run_config(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.digest()]},
    }))?;
    let (manifest, manifest_blob) = described(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": image_blob.descriptor("application/vnd.oci.image.config.v1+json"),
        "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar")],
    }))?;
    let mut listed = manifest_blob.descriptor("application/vnd.oci.image.manifest.v1+json");
    if let Some(listed) = listed.as_object_mut() {
        listed.insert(
            "annotations".to_owned(),
            json!({
                "io.containerd.image.name": reference,
                "org.opencontainers.image.ref.name": tag,
            }),
        );
        listed.insert(
            "platform".to_owned(),
            json!({"architecture": architecture(), "os": "linux"}),
        );
    }
    let (index, _) = described(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [listed],
    }))?;
    let (docker, _) = described(&json!([{
        "Config": image_blob.path(),
        "RepoTags": [reference],
        "Layers": [layer.path()],
    }]))?;
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
    Ok(vec![
        (image_blob.path(), image),
        (manifest_blob.path(), manifest),
        ("index.json".to_owned(), index),
        ("manifest.json".to_owned(), docker),
        ("oci-layout".to_owned(), layout),
    ])
}

fn run_config(config: &Config) -> Value {
    let Config {
        entrypoint,
        environment,
        user,
        stop_signal,
    } = config;
    let mut fields = Map::new();
    for (name, list) in [("Entrypoint", entrypoint), ("Env", environment)] {
        if !list.is_empty() {
            fields.insert(name.to_owned(), json!(list));
        }
    }
    for (name, text) in [("User", user), ("StopSignal", stop_signal)] {
        if !text.is_empty() {
            fields.insert(name.to_owned(), json!(text));
        }
    }
    Value::Object(fields)
}

fn described(value: &Value) -> Result<(Vec<u8>, Blob)> {
    let bytes = serde_json::to_vec(value)?;
    let blob = Blob {
        digest: hexadecimal(Sha256::new().chain_update(&bytes)),
        size: bytes.len() as u64,
    };
    Ok((bytes, blob))
}

/// The processor as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn hexadecimal(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A part of the archive that goes by its hash.
struct Blob {
    digest: String,
    size: u64,
}

impl Blob {
    fn digest(&self) -> String {
        format!("sha256:{}", self.digest)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest(), "size": self.size})
    }
}

/// Passes everything on, and knows its hash and length.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
