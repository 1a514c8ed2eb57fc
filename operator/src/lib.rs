//! The shells around `svom-plan`: each turns a plan into acts on one outside world, and that world
//! into what the plan observes. Nothing in here decides.
