//! One delayed message per hold: prompt expiry. Correctness waits for none of them.

use async_trait::async_trait;
use domain::{ProviderError, Timestamp, ids::BookingId};

/// The longest delay of an SQS message, in seconds. A timer for later arrives early and is set again.
pub const DELAY_SECONDS_MAX: u32 = 900;

/// Asks to be woken about a booking.
#[async_trait]
pub trait Timers: Send + Sync {
    /// Sends one message that arrives at `at` or, beyond [`DELAY_SECONDS_MAX`], as late as can be. Fire and forget for
    /// the caller: a lost timer costs promptness, the periodic sweep finds the booking all the same.
    async fn wake(&self, booking: BookingId, at: Timestamp) -> Result<(), ProviderError>;
}
