//! What can be counted, for `/metrics`, in the text format of OpenMetrics.
//!
//! In: what the controller did; for each bus, what was read from it last. Out: text. Labels are fixed
//! words and names, never what somebody else wrote.

mod bus;

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use bus::{BusReading, Buses, Durable, DurableReading, StreamReading};

/// What every name begins with.
const PREFIX: &str = "svom_messaging";
/// Bounds of the durations of reconciles, seconds: from one that finds nothing to do to one that waits
/// for servers.
const DURATIONS: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0,
];

/// A label that is a fixed word.
type Word = [(&'static str, &'static str); 1];

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Word, Counter>,
    errors: Family<Word, Counter>,
    watch_errors: Family<Word, Counter>,
    durations: Histogram,
    waiting: Gauge,
    working: Gauge,
    leader: Gauge,
    buses: Buses,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let (reconciles, errors, watch_errors) = <(_, _, _)>::default();
        let durations = Histogram::new(DURATIONS);
        let (waiting, working, leader) = <(_, _, _)>::default();
        let buses = Buses::default();
        registry.register(
            "reconciles",
            "Reconciles, by how they ended",
            Family::clone(&reconciles),
        );
        registry.register(
            "reconcile_errors",
            "Reconciles that failed, by why",
            Family::clone(&errors),
        );
        registry.register(
            "watch_errors",
            "Watches of the API server that broke off, by why",
            Family::clone(&watch_errors),
        );
        registry.register(
            "reconcile_duration_seconds",
            "How long reconciles took",
            Histogram::clone(&durations),
        );
        registry.register(
            "queue_depth",
            "Resources that wait for their turn",
            Gauge::clone(&waiting),
        );
        registry.register(
            "working",
            "Resources that are worked on",
            Gauge::clone(&working),
        );
        registry.register(
            "leader",
            "1 where this process holds the Lease",
            Gauge::clone(&leader),
        );
        registry.register_collector(Box::new(buses.clone()));
        Self {
            registry,
            reconciles,
            errors,
            watch_errors,
            durations,
            waiting,
            working,
            leader,
            buses,
        }
    }
}

impl Metrics {
    /// A reconcile ended: well, or for one of a few reasons not.
    pub fn reconciled(&self, took: Duration, failed: Option<&'static str>) {
        let result = if failed.is_some() { "failed" } else { "done" };
        self.reconciles.get_or_create(&[("result", result)]).inc();
        if let Some(kind) = failed {
            self.errors.get_or_create(&[("kind", kind)]).inc();
        }
        self.durations.observe(took.as_secs_f64());
    }

    /// A watch broke off.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&[("kind", kind)]).inc();
    }

    /// How many resources wait and are worked on now.
    pub fn queue(&self, waiting: usize, working: usize) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.working.set(i64::try_from(working).unwrap_or(i64::MAX));
    }

    /// Whether this process leads now.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// What was read from the buses.
    pub fn buses(&self) -> &Buses {
        &self.buses
    }

    /// All of it as text.
    ///
    /// # Errors
    /// When something cannot be written as text, which would be a defect.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
