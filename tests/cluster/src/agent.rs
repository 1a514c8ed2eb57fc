//! The testbed's agent: what a cluster for tests needs inside and kind does not have.
//!
//! In: the Go modules and the manifests under `tests/kind/`, Debian's packages for what the agent
//! calls. Out: one image, and the manifests that run it.

mod image;
mod install;
mod manifests;

pub use image::{AgentImage, image};
pub use install::{install, installed};
pub use manifests::{NAMESPACE, Options, manifests};
