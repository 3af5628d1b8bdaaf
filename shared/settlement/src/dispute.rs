//! Disputes: recorded as the provider has them, whoever told us and in whatever order.

use domain::{Error, ProviderError, booking::Booking, dispute::combined, ids::BookingId, payment::Notification};

use crate::{Settlement, unsettled};

/// Times a lost race is run again.
const TRIES_MAX: u32 = 6;

impl Settlement {
    /// Asks the provider for the disputes about a booking's payment and records them. Answers the booking as it is then;
    /// `None` when there is none. Repeatable. `told` is the notification behind it, if there was one.
    ///
    /// # Errors
    /// Trouble with the table or the provider, or a dispute that the provider told of and does not list yet: the
    /// notification must be delivered again.
    pub async fn disputed(&self, id: BookingId, told: Option<&Notification>) -> Result<Option<Booking>, Error> {
        for _ in 0..TRIES_MAX {
            // Read before asking: the write demands what was read, so an old answer never undoes a newer one.
            let Some(booking) = self.read(id).await? else { return Ok(None) };
            let Some(intent) = booking.payment.intent.clone() else { return Ok(Some(booking)) };
            let disputes = self.payments.disputes(&intent).await?;
            if disputes.is_empty() && told.is_some_and(|told| told.intent.as_ref() == Some(&intent)) {
                let detail = format!("the dispute about {id} is not listed yet");
                return Err(ProviderError::Unavailable { detail, retry_after_seconds: None }.into());
            }
            if disputes.iter().any(|dispute| dispute.amount.currency != booking.currency) {
                let what = "its payment is disputed in another currency";
                tracing::error!(booking.id = %id, alarm = what, "a person must look at {id}: {what}");
                return Ok(Some(booking));
            }
            let Some(dispute) = combined(&disputes).filter(|dispute| booking.dispute != Some(*dispute)) else {
                return Ok(Some(booking));
            };
            let receipt = told.map(|told| &told.id);
            if let Some(written) = self.store.record_dispute(&booking, dispute, receipt, self.clock.now()).await? {
                return Ok(Some(written));
            }
        }
        Err(unsettled(id))
    }
}
