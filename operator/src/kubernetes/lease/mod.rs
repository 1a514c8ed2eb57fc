//! Which of several processes acts: the one that holds the Lease.
//!
//! Everybody measures by its own clock alone. The holder acts until some seconds after it *began* the
//! last renewal that succeeded; others take the Lease a longer while after they *saw* it renewed last.
//! So the holder has stopped before anybody else begins, whatever the clocks show, and however late a
//! request arrives.

mod leading;
mod moment;

pub use leading::{LeadershipLost, Leading, Term};
pub use moment::Moment;
