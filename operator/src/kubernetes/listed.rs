//! What the API server answers when it is asked for everything of one bus.
//!
//! In: the API server. Out: its answers as they came, and which object each of them is about, at which
//! version. Most looks find what the look before found: these know it by that alone, and read no more.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use serde::Deserialize;
use svom_plan::kubernetes::names;

use super::api::{Api, ApiError, Kind, read};

const KINDS: [Kind; 7] = [
    Kind::Service,
    Kind::NetworkPolicy,
    Kind::PodDisruptionBudget,
    Kind::Secret,
    Kind::StatefulSet,
    Kind::Pod,
    Kind::Claim,
];

/// Answers, of which nothing but the versions was read.
pub struct Listed {
    /// The objects of each kind.
    pub kinds: Vec<(Kind, OfKind)>,
    /// The Secrets that a person brings.
    pub brought: Vec<String>,
    /// The versions of all of them.
    pub versions: Versions,
}

/// The objects of one kind.
pub struct OfKind {
    /// Those with the labels of the bus: the API server's list.
    pub list: String,
    /// Those that stand in the place of one of its servers' without these labels.
    pub others: Vec<String>,
}

/// Which objects there are, and at which versions: while these are the same, so are the objects.
#[derive(Debug, PartialEq, Eq)]
pub struct Versions {
    objects: BTreeMap<Kind, Vec<Version>>,
    brought: Vec<Version>,
}

/// Which object, at which version.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    name: String,
    uid: String,
    resource_version: String,
}

#[derive(Deserialize)]
struct Object {
    metadata: Version,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Object>,
}

impl Listed {
    /// Asks for everything of the bus of this name with so many servers, and for the Secrets that its
    /// resource names.
    ///
    /// # Errors
    /// No answer, or one that is about no object.
    pub async fn ask(
        api: &Api<'_>,
        bus: &str,
        servers: u8,
        brought: &[&str],
    ) -> Result<Self, ApiError> {
        let kinds = KINDS.map(|kind| of_kind(api, kind, bus, servers));
        let brought = brought.iter().map(|name| one(api, Kind::Secret, name));
        let (kinds, brought) = tokio::try_join!(try_join_all(kinds), try_join_all(brought))?;
        let (brought, of_brought) = brought.into_iter().flatten().unzip();
        let mut versions = Versions {
            objects: BTreeMap::new(),
            brought: of_brought,
        };
        let kinds = KINDS.into_iter().zip(kinds).map(|(kind, (of, found))| {
            versions.objects.insert(kind, found);
            (kind, of)
        });
        Ok(Self {
            kinds: kinds.collect(),
            brought,
            versions,
        })
    }
}

async fn of_kind(
    api: &Api<'_>,
    kind: Kind,
    bus: &str,
    servers: u8,
) -> Result<(OfKind, Vec<Version>), ApiError> {
    let list = api.list(kind, bus).await?;
    let List { items } = read(&list, || format!("the list of every {}", kind.as_str()))?;
    let mut versions: Vec<Version> = items.into_iter().map(|one| one.metadata).collect();
    let mut others = Vec::new();
    for name in of_servers(kind, bus, servers) {
        if !versions.iter().any(|one| one.name == name)
            && let Some((text, version)) = one(api, kind, &name).await?
        {
            versions.push(version);
            others.push(text);
        }
    }
    Ok((OfKind { list, others }, versions))
}

/// Pods and claims that stand in a server's place whatever their labels.
fn of_servers(kind: Kind, bus: &str, servers: u8) -> Vec<String> {
    let server = |number| svom_plan::names::server(bus, number);
    match kind {
        Kind::Pod => (0..servers).map(server).collect(),
        Kind::Claim => (0..servers)
            .map(|number| names::claim(&server(number)))
            .collect(),
        _ => Vec::new(),
    }
}

async fn one(api: &Api<'_>, kind: Kind, name: &str) -> Result<Option<(String, Version)>, ApiError> {
    let Some(text) = api.text(kind, name).await? else {
        return Ok(None);
    };
    let object: Object = read(&text, || format!("{} {name}", kind.as_str()))?;
    Ok(Some((text, object.metadata)))
}
