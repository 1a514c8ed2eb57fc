//! The operator's process against a real API server that stands alone: which process acts, what is
//! looked at when, and that it lives on whatever goes wrong. What is done with a resource is a
//! reconciler of these tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod handover;
mod looked_at;
mod support;
mod trouble;
