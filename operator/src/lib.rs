//! The shells around `svom-plan`: each turns a plan into acts on one outside world, and that world
//! into what the plan observes. Nothing in here decides.

pub mod bus;
pub mod cli;
mod clock;
pub mod kubernetes;
pub mod local;
pub mod mint;
pub mod nats;
pub mod nats_server;
pub mod resource;
mod signals;
pub mod store;
pub mod table;
