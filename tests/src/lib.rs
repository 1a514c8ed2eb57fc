//! What the suites share: a bus to test, stock clients to drive, and words for what was found.
//!
//! The suites (`tests/tests/suites/`) know a bus only as [`bus::Bus`]; the local runner serves it, or
//! a Kubernetes cluster ([`serving`]). What a resource grants is computed from its text alone
//! ([`rights`]), never with the product's own plan, so that a mistake there cannot hide itself.
//! Nothing here waits for a length of time: every wait is for something, with a deadline
//! ([`poll`]).

pub mod audit;
pub mod bare;
pub mod bus;
pub mod client;
pub mod cluster;
pub mod command;
pub mod generated;
pub mod java;
pub mod javascript;
mod kept;
pub mod load;
pub mod local;
pub mod poll;
pub mod ports;
pub mod processes;
pub mod program;
pub mod python;
pub mod raw;
pub mod report;
pub mod rights;
pub mod serving;
pub mod sizes;
pub mod tls;
pub mod traffic;
pub mod volumes;
pub mod websocket;
pub mod written;
