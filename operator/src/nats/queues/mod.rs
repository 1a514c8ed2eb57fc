//! Streams and consumers: what is there, and the plan's steps carried out.
//!
//! In: a client of the operator in the JetStream account. Out: what was observed, or which steps
//! failed and what the server said. Requests are made as JSON in the plan's own types, so that each
//! field that is sent and compared is one that the plan names.

mod apply;
mod observe;

pub use apply::{Applied, StepError, apply};
pub use observe::{ObserveError, observe};
