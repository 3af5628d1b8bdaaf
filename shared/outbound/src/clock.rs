//! The wall clock: the one home of the system's time.

use domain::time::{Clock, Timestamp, from_millis, millis};

/// The machine's clock, cut to whole milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the machine's time")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        from_millis(millis(now)).unwrap_or(now)
    }
}
