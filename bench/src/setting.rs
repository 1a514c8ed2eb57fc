//! What benches with servers share: the program that the product finds, and its stream of `data.*`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;
use svom_plan::queues::streams;
use svom_tests::local::LocalBus;
use tokio::runtime::Runtime;

use crate::resources;

/// The stream that is measured with.
pub const STREAM: &str = "DATA";

/// What controls are made with, so that they are the subject's equals.
pub struct Setting {
    /// The nats-server that the product uses.
    pub server: PathBuf,
    /// The stream as the product makes it.
    pub stream: Value,
}

impl Setting {
    /// Brings a bus of this resource up once. What is built or cached by that is not measured.
    pub fn find(resource: &str) -> Result<Self> {
        Self::of(&LocalBus::up(resource)?, resource)
    }

    /// From a bus of this resource that is up.
    pub fn of(bus: &LocalBus, resource: &str) -> Result<Self> {
        let processes = bus.processes();
        let server = processes
            .first()
            .context("the bus has no servers")?
            .program()?;
        let streams = streams(&resources::valid(resource)?);
        let stream = streams.get(STREAM).context("the bus has no such stream")?;
        Ok(Self {
            server,
            stream: serde_json::to_value(stream)?,
        })
    }
}

/// A runtime of one thread, which leaves the other processors to the servers.
pub fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .context("no runtime can be made")
}
