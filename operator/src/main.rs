//! `svom-messaging`.
fn main() {}
