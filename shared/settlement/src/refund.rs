//! Giving money back, until the provider has given back as much as is owed.

use domain::{
    Error, ProviderError,
    booking::{Booking, RefundStatus},
    ids::BookingId,
    refund::{Debt, debt, given_back},
    settlement::Cause,
};

use crate::Settlement;

/// Times a lost race is run again.
const TRIES_MAX: u32 = 6;

impl Settlement {
    /// Makes the provider's refunds of the booking sum up to what is owed, then records that. It looks before it makes
    /// one: idempotency keys lapse, debts do not.
    pub(crate) async fn refund(&self, booking: &Booking) -> Result<Option<Booking>, Error> {
        let Some(intent) = booking.payment.intent.as_ref().filter(|_| booking.refund.is_some()) else {
            return Ok(None);
        };
        match debt(booking, &self.payments.refunds(intent).await?) {
            Debt::Paid => {}
            Debt::Stuck => return Err(stuck(booking, "its refunds fail at the provider, one after the other")),
            Debt::Owed { rest, made } => match self.payments.refund(intent, booking.id, rest, made).await {
                Ok(refund) if refund.accepted => {}
                Ok(_) => return Err(unavailable(format!("the refund of {} is not accepted yet", booking.id))),
                Err(ProviderError::Refused(why)) => return Err(stuck(booking, &why)),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(self.store.record_refund(booking).await?)
    }

    /// The provider has news of a refund: one that it accepted may have failed at the bank, weeks later. What is missing
    /// is owed again.
    ///
    /// # Errors
    /// Trouble with the table or the provider: the notification must be delivered again.
    pub async fn refund_news(&self, id: BookingId) -> Result<(), Error> {
        for _ in 0..TRIES_MAX {
            let Some(booking) = self.read(id).await? else { return Ok(()) };
            let (Some(recorded), Some(intent)) = (booking.refund, &booking.payment.intent) else { return Ok(()) };
            let done = recorded.status == RefundStatus::Done && recorded.amount_minor > 0;
            if !done || given_back(&booking, &self.payments.refunds(intent).await?) >= recorded.amount_minor {
                break;
            }
            if self.store.owe_again(&booking, self.clock.now()).await?.is_some() {
                break;
            }
        }
        self.drive(id, Cause::Due, None).await.map(drop)
    }
}

/// It stays due and is tried again; somebody has to know that trying may not be enough.
fn stuck(booking: &Booking, why: &str) -> Error {
    let (id, what) = (booking.id, "a refund that is owed cannot be made");
    tracing::error!(booking.id = %id, alarm = what, error = why, "a person must look at {id}: {what}: {why}");
    unavailable(format!("the refund of {id}: {why}"))
}

fn unavailable(detail: String) -> Error {
    ProviderError::Unavailable { detail, retry_after_seconds: None }.into()
}
