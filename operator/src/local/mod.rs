//! One machine without Kubernetes: a state folder, real nats-server processes, and the runner that
//! stays with them.
//!
//! ```text
//!   lock ── who may run a bus in the folder
//!   topology, ports ── where its servers stand, and whether that place is free
//!   process ── the servers: started, watched, started again        (one task, owns the children)
//!   control ── `control.sock`: what other commands ask of the runner (one short task each)
//!   run ── joins them with signals and the clock, and calls the recipe, one piece of work at a time
//! ```
//!
//! Everything waits for an event. A bus that is as wanted and at which nothing happens costs neither a
//! wake-up, but one an hour that looks at the clock, nor a write to the disk. One that is not as wanted
//! is looked at each minute.

pub mod control;
pub mod folder;
pub mod lock;
pub mod ports;
pub mod process;
pub mod recipe;
pub mod run;
#[cfg(test)]
mod test_servers;
pub mod topology;
