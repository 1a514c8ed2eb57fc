//! A real Kubernetes for the tests: one control plane and three workers by kind, whose nodes can be
//! made to fail on purpose.
//!
//! In: the files under `tests/kind/`, and what the machine has: a kubeconfig, a container engine, or
//! root. Out: a cluster, its kubeconfig, its faults; or one line that says why there can be none.

pub mod agent;
pub mod api_server;
pub mod archive;
pub mod cache;
pub mod cli;
pub mod cluster;
pub mod command;
pub mod debian;
pub mod engine;
pub mod fault;
pub mod forward;
pub mod image;
pub mod images;
pub mod inside;
pub mod kind;
pub mod kubectl;
mod lock;
pub mod loops;
pub mod notes;
pub mod port_forward;
pub mod process;
mod programs;
pub mod progress;
pub mod scene;
pub mod slots;
mod system;
pub mod versions;
pub mod wait;
