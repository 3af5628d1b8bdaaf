//! Virtual time, and clocks that are wrong about it.

use std::sync::atomic::{AtomicI64, Ordering};

use domain::{
    Timestamp,
    time::{Clock, SignedDuration, shift},
};
use testkit::sale;
use tokio::time::Instant;

/// The runtime's time as a calendar has it, off by a skew.
pub(crate) struct SimulatedClock {
    began: Instant,
    skew_ms: AtomicI64,
}

impl SimulatedClock {
    /// A clock that is right. Its time begins now.
    pub(crate) fn right() -> Self {
        Self { began: Instant::now(), skew_ms: AtomicI64::new(0) }
    }

    /// Another clock of the same beginning, off by `skew_ms`.
    pub(crate) fn off_by(&self, skew_ms: i64) -> Self {
        Self { began: self.began, skew_ms: AtomicI64::new(skew_ms) }
    }

    /// Is off by that from now on.
    pub(crate) fn jump(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    /// Milliseconds since the beginning, truly.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.elapsed_ms()).unwrap_or(i64::MAX);
        let skew = self.skew_ms.load(Ordering::Relaxed);
        shift(sale::held_at(), SignedDuration::from_millis(elapsed.saturating_add(skew)))
    }
}
