//! The operator's process against a real API server that stands alone: which process acts, what is
//! looked at when, and that it lives on whatever goes wrong. What is done with a resource is, but for the
//! tests of the program itself and of its recipe, a reconciler of these tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by them"
)]

mod crash;
mod handover;
mod looked_at;
mod mortal;
mod process;
mod support;
mod trouble;
mod websockets;
mod world;
