//! Chance, for what must not happen everywhere at once.

/// A number from 0 to 1, without 1. Where the system has none to give, the middle.
pub fn fraction() -> f64 {
    let bits = getrandom::u32().unwrap_or(1 << 31);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
