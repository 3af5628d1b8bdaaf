//! Ids in a row, so that a test knows them beforehand.

use std::sync::atomic::{AtomicU64, Ordering};

use outbound::ids::Ids;
use uuid::Uuid;

/// `00000000-0000-0000-0000-000000000001`, then `…2`, and so on.
#[derive(Debug, Default)]
pub struct SequencedIds(AtomicU64);

impl SequencedIds {
    /// Begins after `last`.
    #[must_use]
    pub const fn after(last: u64) -> Self {
        Self(AtomicU64::new(last))
    }
}

impl Ids for SequencedIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }
}
