//! Fresh ids and secrets: the one home of randomness.

use uuid::Uuid;

/// Where new venues, events and shows get their ids.
pub trait Ids: Send + Sync {
    /// A UUID that nobody has had before.
    fn next(&self) -> Uuid;

    /// Bytes that nobody can guess.
    ///
    /// # Panics
    /// The system has no randomness to give, which nothing can go on without.
    fn secret(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the system gives randomness");
        bytes
    }
}

/// UUIDv7: the time, then random bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one home of fresh ids")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
