//! Ports that nobody else uses: a block for each bus, held by a lock file while the bus lives, so
//! that test programs that run at the same time do not meet.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

/// Where client ports are taken from, as `FIRST-LAST`; websockets are 1,000 above, routes 2,000.
pub const RANGE_VARIABLE: &str = "SVOM_TEST_PORTS";

const RANGE: (u16, u16) = (20_000, 20_999);
const BLOCK: u16 = 8;
/// Distances of a bus's other ports from those of its clients: websockets, routes.
const ABOVE: [u16; 3] = [0, 1_000, 2_000];

/// A block of ports: `first` and those after it are free, and so are the ones 1,000
/// and 2,000 above.
#[derive(Debug)]
pub struct Ports {
    /// The first port.
    pub first: u16,
    _lock: File,
}

impl Ports {
    /// Takes a free block.
    ///
    /// # Errors
    /// When no block is free, or lock files cannot be written.
    pub fn take() -> Result<Self> {
        let (first, last) = range()?;
        let locks = env::temp_dir().join("svom-test-ports");
        fs::create_dir_all(&locks).with_context(|| format!("cannot make {}", locks.display()))?;
        for block in (first..=last.saturating_sub(BLOCK)).step_by(usize::from(BLOCK)) {
            let path = locks.join(block.to_string());
            let lock =
                File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() && is_free(block) {
                return Ok(Self {
                    first: block,
                    _lock: lock,
                });
            }
        }
        bail!(
            "no block of {BLOCK} free ports in {first}-{last}; set {RANGE_VARIABLE} to another range"
        );
    }
}

fn range() -> Result<(u16, u16)> {
    let Ok(text) = env::var(RANGE_VARIABLE) else {
        return Ok(RANGE);
    };
    let parsed = text
        .split_once('-')
        .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    parsed.with_context(|| {
        format!("{RANGE_VARIABLE} is {text:?}; write FIRST-LAST, such as 20000-20999")
    })
}

fn is_free(first: u16) -> bool {
    (first..first + BLOCK)
        .flat_map(|port| ABOVE.map(|above| port + above))
        .all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}
