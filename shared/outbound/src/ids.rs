//! Fresh ids: the one home of randomness in them.

use uuid::Uuid;

/// Where new venues, events and shows get their ids.
pub trait Ids: Send + Sync {
    /// A UUID that nobody has had before.
    fn next(&self) -> Uuid;
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
