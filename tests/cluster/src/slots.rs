//! How many buses run at once for the tests of this process. A bus is at least four processes and its
//! suite drives several more; on a small machine more buses only make one another slow.

use std::sync::{Condvar, Mutex, PoisonError};

const SLOTS: usize = 4;

static FREE: Mutex<usize> = Mutex::new(SLOTS);
static FREED: Condvar = Condvar::new();

/// Room for one bus, or for one that must be alone; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    size: usize,
}

impl Slot {
    /// Waits for room beside other buses.
    pub fn shared() -> Self {
        Self::take(1)
    }

    /// Waits until no other bus runs, and lets none begin.
    pub fn alone() -> Self {
        Self::take(SLOTS)
    }

    fn take(size: usize) -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = FREED
            .wait_while(free, |free| *free < size)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= size;
        Self { size }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.size;
        FREED.notify_all();
    }
}
