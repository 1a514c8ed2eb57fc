//! The control of the operator on Kubernetes: lists, keeps, follows and reads resources with the same
//! client, and does nothing with them.

use std::collections::BTreeMap;
use std::pin::pin;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use svom_crds::SvomMessaging;

use crate::setting::runtime;

/// For ever, in a namespace.
pub fn run(namespace: &str) -> Result<()> {
    runtime()?.block_on(look_after(namespace))
}

async fn look_after(namespace: &str) -> Result<()> {
    let client = Client::try_default()
        .await
        .context("there is no API server")?;
    let api: Api<SvomMessaging> = Api::namespaced(client, namespace);
    let listed = api.list(&ListParams::default()).await?;
    let mut version = listed.metadata.resource_version.unwrap_or_default();
    let mut kept: BTreeMap<String, SvomMessaging> = BTreeMap::new();
    for resource in listed.items {
        kept.insert(resource.name_any(), resource);
    }
    for name in kept.keys() {
        api.get(name).await?;
    }
    loop {
        let mut events = pin!(api.watch(&WatchParams::default(), &version).await?);
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(resource) | WatchEvent::Modified(resource) => {
                    version = resource.resource_version().unwrap_or_default();
                    kept.insert(resource.name_any(), resource);
                }
                WatchEvent::Deleted(resource) => {
                    kept.remove(&resource.name_any());
                }
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                WatchEvent::Error(status) => anyhow::bail!("the watch ended: {status}"),
            }
        }
    }
}
