//! A bus on Kubernetes: the outside world that is the API server.
//!
//! In: resources and objects as the API server has them, and what `svom_plan::kubernetes` makes of
//! them. Out: calls, and no others than [`rights`] names. Nothing in here decides about a bus.

pub mod api;
pub mod controller;
pub mod events;
pub mod gathered;
mod http;
pub mod lease;
pub mod listed;
pub mod metrics;
pub mod process;
mod random;
pub mod recipe;
pub mod rights;
pub mod secrets;
pub mod write;
