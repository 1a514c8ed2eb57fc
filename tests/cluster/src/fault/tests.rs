//! What each fault renders, and that what is in force is undone whatever happens to who provoked it.

mod facts;
mod rendered;
mod undone;
