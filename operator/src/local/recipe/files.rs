//! What the servers read, and what the next run begins from, as files of the state folder.

use std::path::Path;

use svom_plan::material::{AuthorityName, LeafName, Material};
use svom_plan::server_config::ServerConfig;
use svom_plan::topology::{Server, Topology};
use svom_plan::{Secret, Valid};

use super::BusError;
use crate::store::{FileError, Store};

/// File with the state that is in force.
const IN_FORCE: &str = "in-force.json";

/// What was in force when the last run wrote it down; absent in a new folder.
///
/// # Errors
/// It cannot be read, or was written by a version that says it differently.
pub fn recall(store: &Store) -> Result<Option<Valid>, BusError> {
    let path = store.dir().join(IN_FORCE);
    let Some(bytes) = store
        .files()
        .read(&path)
        .map_err(crate::store::StoreError::File)?
    else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        BusError::Failed(format!(
            "{} cannot be understood ({error}): it was written by another version, or damaged. Move it away to \
             start from the resource alone; messages and credentials stay",
            path.display()
        ))
    })
}

/// Writes down what is in force, where it differs from what is written there.
///
/// # Errors
/// The system refused.
pub fn remember(store: &Store, valid: &Valid) -> Result<(), BusError> {
    let text = serde_json::to_vec(valid).map_err(|error| BusError::Failed(error.to_string()))?;
    let path = store.dir().join(IN_FORCE);
    store
        .files()
        .write_if_different(&path, &text)
        .map_err(crate::store::StoreError::File)?;
    Ok(())
}

/// Writes what the server reads, where it differs, and says whether anything did.
///
/// # Errors
/// The system refused, or something is not minted.
pub fn write_server(
    store: &Store,
    server: &Server,
    material: &Material,
    config: &ServerConfig,
) -> Result<bool, BusError> {
    let folder = store.dir().join("servers").join(&server.name);
    let wanted = [
        (
            &server.files.client_ca,
            trust(material, AuthorityName::Clients)?,
        ),
        (
            &server.files.route_ca,
            trust(material, AuthorityName::Routes)?,
        ),
        (
            &server.files.client_pem,
            pair(material, &LeafName::Server(server.name.clone()))?,
        ),
        (
            &server.files.route_pem,
            pair(material, &LeafName::Route(server.name.clone()))?,
        ),
    ];
    let write = || -> Result<bool, FileError> {
        store.files().folder(&store.dir().join("servers"))?;
        store.files().folder(&folder)?;
        let mut different = false;
        for (path, text) in &wanted {
            different |= store
                .files()
                .write_if_different(Path::new(path), text.reveal().as_bytes())?;
        }
        let json = folder.join("server.json");
        different |= store
            .files()
            .write_if_different(&json, config.json.reveal().as_bytes())?;
        Ok(different)
    };
    Ok(write().map_err(crate::store::StoreError::File)?)
}

/// Writes what every server reads; `different` hears of each for which anything differed, also where
/// the system refused in the middle of it.
///
/// # Errors
/// As [`write_server`].
pub fn write_servers(
    store: &Store,
    topology: &Topology,
    material: &Material,
    configs: &[ServerConfig],
    mut different: impl FnMut(&str),
) -> Result<(), BusError> {
    let authority = trust(material, AuthorityName::Clients)?;
    let path = store.authority_file();
    let written = store
        .files()
        .write_if_different(&path, authority.reveal().as_bytes());
    written.map_err(crate::store::StoreError::File)?;
    for (server, config) in topology.servers.iter().zip(configs) {
        let written = write_server(store, server, material, config);
        if !matches!(written, Ok(false)) {
            different(&server.name);
        }
        written?;
    }
    Ok(())
}

fn trust(material: &Material, name: AuthorityName) -> Result<Secret, BusError> {
    let authority = material.authorities.get(&name);
    let authority =
        authority.ok_or_else(|| BusError::Failed("an authority is not minted".to_owned()))?;
    Ok(Secret::new(authority.trust_pem.clone()))
}

/// Certificate and key in one text, so that no server ever reads one without the other.
fn pair(material: &Material, leaf: &LeafName) -> Result<Secret, BusError> {
    let leaf = material.leaves.get(leaf);
    let leaf = leaf.ok_or_else(|| BusError::Failed("a certificate is not minted".to_owned()))?;
    Ok(leaf.pem())
}
