//! Every decision about a bus, and no act.
//!
//! In: a resource that was read without errors, what was observed, and the time. Out: the servers'
//! configuration, the streams and consumers, the credentials and certificates that are wanted, the
//! matrix of what must work and what must not, and for each difference between two states what it
//! takes. This crate names no client, no runtime and no clock; time and randomness are arguments.
//! The same input gives the same bytes.

pub mod access;
pub mod change;
pub mod credentials;
pub mod handout;
pub mod kubernetes;
pub mod material;
pub mod names;
pub mod pki;
pub mod problem;
pub mod queues;
pub mod secret;
pub mod server_config;
pub mod status;
pub mod topology;
pub mod valid;
pub mod want;

pub use problem::Problem;
pub use secret::Secret;
pub use valid::Valid;
pub use want::{Want, wanted};

/// Seconds since 1970-01-01T00:00:00Z.
pub type UnixSeconds = i64;
