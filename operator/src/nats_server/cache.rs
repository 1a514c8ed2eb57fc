//! Where a nats-server that was built is kept: one file for each version and kind of machine.

use std::env::consts::{ARCH, OS};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::PINNED;

/// The cache folder, from the values of `XDG_CACHE_HOME` and `HOME`. Relative ones do not count.
pub fn folder(xdg_cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    xdg_cache_home
        .and_then(absolute)
        .or_else(|| home.and_then(absolute).map(|home| home.join(".cache")))
        .map(|cache| cache.join("svom-messaging"))
}

/// The program in the cache folder. The kind of machine is in its name, since home folders are
/// shared between machines.
pub fn program(cache: &Path) -> PathBuf {
    cache.join(format!("nats-server-{PINNED}-{OS}-{ARCH}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_follows_the_environment() {
        let cases = [
            (Some("/c"), Some("/h"), Some("/c/svom-messaging")),
            (None, Some("/h"), Some("/h/.cache/svom-messaging")),
            (Some(""), Some("/h"), Some("/h/.cache/svom-messaging")),
            (Some("rel"), Some("/h"), Some("/h/.cache/svom-messaging")),
            (None, Some("rel"), None),
            (None, None, None),
        ];
        for (xdg, home, expected) in cases {
            assert_eq!(
                folder(xdg.map(OsString::from), home.map(OsString::from)),
                expected.map(PathBuf::from),
                "XDG_CACHE_HOME {xdg:?}, HOME {home:?}"
            );
        }
    }
}
