//! The same ports inside this process: what the embedded platform and the tests run on.

mod bus;
mod connections;
mod files;
mod folder;
mod mailer;
mod queue;
mod tellings;
mod timers;
mod uploads;

pub use bus::{Envelope, LocalBus};
pub use connections::LocalConnections;
pub use files::LocalFiles;
pub use mailer::LocalMailer;
pub use queue::{LocalQueue, Message, QueueStats};
pub use tellings::LocalTellings;
pub use timers::LocalTimers;
pub use uploads::LocalUploads;

use domain::ProviderError;

/// Trouble of this machine: a full disk, a full queue.
fn unavailable(detail: impl Into<String>) -> ProviderError {
    ProviderError::Unavailable { detail: detail.into(), retry_after_seconds: None }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use domain::{
        event::{Event, Kind},
        ids::{BookingId, ShowId},
        time::{Clock, SignedDuration, Timestamp, shift},
    };

    /// A clock that moves when told.
    pub(crate) struct HandClock(Mutex<Timestamp>);

    impl HandClock {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(Timestamp::from_second(1_800_000_000).unwrap()))
        }

        pub(crate) fn advance_millis(&self, millis: i64) {
            let mut now = self.0.lock().unwrap();
            *now = shift(*now, SignedDuration::from_millis(millis));
        }
    }

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    pub(crate) fn booking(n: u8) -> BookingId {
        format!("bkg_000000000000800080000000000000{n:02x}").parse().unwrap()
    }

    pub(crate) fn event(n: u8) -> Event {
        let show_id: ShowId = "shw_00000000000070008000000000000001".parse().unwrap();
        let id = format!("{}-3-BookingPaid", booking(n));
        Event { id, kind: Kind::BookingPaid, booking_id: booking(n), show_id, version: 3 }
    }
}
