//! Who serves the bus that a suite asks for: this machine, or a Kubernetes cluster.
//!
//! In: a resource and what is to be tried on its bus. Out: how that went. A suite that asks here, and knows
//! its bus as [`Bus`] alone, is the same on both.

use std::env;
use std::thread;

use anyhow::{Result, bail};
use svom_cluster::notes;
use svom_cluster::slots::Slot;

use crate::bus::Bus;
use crate::cluster::ClusterBus;
use crate::local::LocalBus;

/// Names who serves: `local`, which is meant where it is not set, or `cluster`. Which cluster is said as
/// to the suites that need one.
pub const SERVED_BY_VARIABLE: &str = "SVOM_TEST_BUS";

/// Who serves a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedBy {
    /// This machine.
    Local,
    /// A Kubernetes cluster.
    Cluster,
}

/// Who the environment says.
///
/// # Errors
/// When it says something else.
pub fn served_by() -> Result<ServedBy> {
    match env::var(SERVED_BY_VARIABLE).as_deref() {
        Err(_) | Ok("" | "local") => Ok(ServedBy::Local),
        Ok("cluster") => Ok(ServedBy::Cluster),
        Ok(other) => bail!("{SERVED_BY_VARIABLE} is {other:?}; write local or cluster"),
    }
}

/// Runs what is to be tried on a bus that is ready, beside other buses. Where there can be none, it is
/// told that the test is skipped, and why.
///
/// # Errors
/// When the bus or what is tried fails.
pub fn with(resource: &str, attempt: impl FnOnce(&dyn Bus) -> Result<()>) -> Result<()> {
    run(resource, Slot::shared(), attempt)
}

/// As [`with`], where servers fall: on a cluster one takes its node along, and so no other bus is beside it.
///
/// # Errors
/// When the bus or what is tried fails.
pub fn with_falls(resource: &str, attempt: impl FnOnce(&dyn Bus) -> Result<()>) -> Result<()> {
    let slot = match served_by()? {
        ServedBy::Local => Slot::shared(),
        ServedBy::Cluster => Slot::alone(),
    };
    run(resource, slot, attempt)
}

/// As [`with`], with no other bus beside it.
///
/// # Errors
/// When the bus or what is tried fails.
pub fn alone_with(resource: &str, attempt: impl FnOnce(&dyn Bus) -> Result<()>) -> Result<()> {
    run(resource, Slot::alone(), attempt)
}

fn run(resource: &str, slot: Slot, attempt: impl FnOnce(&dyn Bus) -> Result<()>) -> Result<()> {
    match served_by()? {
        ServedBy::Local => LocalBus::prepare(resource, slot)?.run(|bus| attempt(bus)),
        ServedBy::Cluster => match ClusterBus::up(resource, slot)? {
            Ok(bus) => bus.run(attempt),
            Err(skipped) => {
                // libtest names a test's thread like the test.
                let this = thread::current();
                notes::skip(this.name().unwrap_or("a test"), skipped.why)
            }
        },
    }
}
