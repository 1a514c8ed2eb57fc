//! Which resource is looked at when.
//!
//! In: changes of the resources, of the objects that belong to them and of the Secrets that they name,
//! all as metadata alone; a [`Reconcile`]. Out: its calls: one at a time for each resource, several
//! resources at once, again after a while where it says so or fails. What is done with a resource is
//! the reconciler's own affair.

mod backoff;
mod interest;
mod observed;
mod queue;
mod run;
mod watch;

use std::fmt;
use std::time::Duration;

pub use observed::{Malformed, Observed};
pub use run::{Setting, run};

use super::lease::Leading;

/// Which resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// When a resource is looked at again after a reconcile that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When it, an object of its or a Secret that it names changes.
    WhenSomethingChanges,
    /// The same, and at the latest after so long.
    After(Duration),
}

/// A reconcile that came to no end. It is tried again, later each time.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, as one of a few fixed words in `snake_case`: a label of a metric.
    pub kind: &'static str,
    /// What happened, to which object, and what to do.
    pub error: anyhow::Error,
}

/// What is done with a resource.
///
/// A future may be dropped wherever it waits: when the Lease is lost, when the process is told to end,
/// and when it takes longer than [`LONGEST`].
pub trait Reconcile {
    /// Brings the world to what the resource says, or one step nearer. Before every write it asks
    /// `leading` whether it still may. The resource is as it was a moment ago, and may be on its way out
    /// (`metadata.deletionTimestamp`).
    fn reconcile(
        &self,
        key: &Key,
        resource: &Observed,
        leading: &Leading,
    ) -> impl Future<Output = Result<Next, Failure>>;

    /// The resource is gone; nothing about it has to be remembered.
    fn forget(&self, key: &Key) -> impl Future<Output = ()>;
}

/// A reconcile that takes longer has lost its way; it is dropped, and has failed.
pub const LONGEST: Duration = Duration::from_secs(600);
