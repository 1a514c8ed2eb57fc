//! Which of several processes acts: the one that holds the Lease.
//!
//! Everybody measures by its own clock alone. The holder acts until some seconds after it *began* the
//! last renewal that succeeded; others take the Lease a longer while after they *saw* it renewed last.
//! So the holder has stopped before anybody else begins, whatever the clocks show, and however late a
//! request arrives. (Who deletes the Lease takes that away from processes that never saw it.)
//!
//! In: the API server's Lease. Out: [`Leading`], which whoever acts asks before each write.

mod candidate;
mod decide;
mod election;
mod leading;
mod moment;

pub use decide::Timing;
pub use election::{Election, Place};
pub use leading::{LeadershipLost, Leading, Term};
pub use moment::Moment;
