//! Where the table and the payment provider meet: paying, ending, refunding and finishing what is half done.
//!
//! What to do is decided in `domain::settlement`, one step at a time; what a step needs of the table is a condition in
//! `store`. This crate only carries steps out and looks again, so a crash between any two leaves nothing that the next
//! caller, the sweep at the latest, does not finish.

mod dispute;
mod drive;
mod end;
mod late;
mod pay;
mod refund;

use std::sync::Arc;

use domain::{Error, ProviderError, booking::Booking, ids::BookingId, time::Clock};
use outbound::{
    clock::SystemClock,
    payments::{Payments, circuit::Circuit},
    timers::Timers,
};
use store::Store;

pub use crate::pay::Paying;

/// Carries bookings through payment, release and refund.
#[derive(Clone)]
pub struct Settlement {
    /// The table.
    pub store: Store,
    /// The payment provider.
    pub payments: Arc<dyn Payments>,
    /// Wakes the sweep.
    pub timers: Arc<dyn Timers>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Settlement {
    /// Over these ports, by the machine's clock, with a circuit around the provider.
    pub fn new(store: Store, payments: impl Payments + 'static, timers: impl Timers + 'static) -> Self {
        let payments = Arc::new(Circuit::new(payments));
        Self { store, payments, timers: Arc::new(timers), clock: Arc::new(SystemClock) }
    }

    /// Asks to be woken when `booking` is due. A lost timer costs promptness only, so it is logged and forgiven.
    pub async fn wake(&self, booking: &Booking) {
        let Some(due_at) = booking.due_at else { return };
        self.wake_at(booking.id, domain::time::shift(due_at, domain::booking::SKEW_MARGIN)).await;
    }

    async fn wake_at(&self, id: BookingId, at: domain::Timestamp) {
        if let Err(error) = self.timers.wake(id, at).await {
            tracing::warn!(booking.id = %id, %error, "no timer for {id}: the sweep will find it");
        }
    }

    async fn read(&self, id: BookingId) -> Result<Option<Booking>, Error> {
        Ok(self.store.booking(id).await?)
    }
}

/// Too many steps for one call: somebody else is at the same booking. What is left stays due.
fn unsettled(id: BookingId) -> Error {
    let detail = format!("{id} does not come to rest");
    ProviderError::Unavailable { detail, retry_after_seconds: None }.into()
}
