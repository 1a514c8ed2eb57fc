//! The servers of one bus, spoken to over NATS: observes them, brings streams and consumers about,
//! and proves rights and the data path.
//!
//! In: addresses, credentials, and what the plan wants. Out: what was observed, and what was done.
//! No HTTP is used: requests of the system account tell everything. Nothing here decides what is
//! wanted, and no message of a mission queue is read, stored or moved.

pub mod bus;
pub mod connect;
pub mod data_path;
pub mod observe;
pub mod prove;
pub mod queues;
pub mod request;
pub mod system;
pub mod whole;

/// What whoever listens at this level hears of a request that may change something: it leaves.
fn leaves(subject: &str) {
    tracing::trace!(subject, "a request leaves");
}

/// And: its answer is here, and nothing was made of it yet.
fn is_answered(subject: &str) {
    tracing::trace!(subject, "a request is answered");
}
