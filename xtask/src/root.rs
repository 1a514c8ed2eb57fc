//! Where things lie.

use std::path::{Path, PathBuf};

/// The checkout: the folder above this crate.
pub fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A folder for what a run leaves behind; never part of the checkout's history.
pub fn scratch() -> PathBuf {
    checkout().join("target").join("xtask")
}

/// A folder outside the checkout for tools that are kept between runs and between clones.
pub fn cache() -> PathBuf {
    let given = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    given("XDG_CACHE_HOME")
        .or_else(|| given("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(scratch)
        .join("svom-messaging")
        .join("tools")
}
