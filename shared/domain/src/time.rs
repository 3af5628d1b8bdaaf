//! Instants and the one way to ask for "now".

pub use jiff::{SignedDuration, Timestamp};

/// Where a function gets its "now". The real one lives in `outbound`, the hand-wound one in `testkit`.
pub trait Clock: Send + Sync {
    /// The present instant, in whole milliseconds: what the table stores and the API shows.
    fn now(&self) -> Timestamp;
}

/// `at` in milliseconds since the Unix epoch.
#[must_use]
pub fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The instant `millis` after the Unix epoch; `None` outside the calendar (years -9999 to 9999).
#[must_use]
pub fn from_millis(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

/// `at` moved by `by`, held inside the calendar.
#[must_use]
pub fn shift(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}
