//! Giving money back, until the provider has given back as much as is owed.

use domain::{Error, ProviderError, booking::Booking, money::Money, payment::ProviderRefund};

use crate::Settlement;

/// Refunds of one booking that the provider accepted and that failed later, before a person must look.
const REFUNDS_FAILED_MAX: usize = 3;

impl Settlement {
    /// Makes the provider's refunds of the booking sum up to what is owed, then records that. It looks before it makes
    /// one: idempotency keys lapse, debts do not.
    pub(crate) async fn refund(&self, booking: &Booking) -> Result<Option<Booking>, Error> {
        let (Some(owed), Some(intent)) = (booking.refund, &booking.payment.intent) else { return Ok(None) };
        let mut refunds = self.payments.refunds(intent).await?;
        refunds.retain(|refund| refund.booking == Some(booking.id));
        let given: i64 = refunds.iter().filter(|refund| refund.accepted).map(|refund| refund.amount.amount_minor).sum();
        if given < owed.amount_minor {
            if failed(&refunds) >= REFUNDS_FAILED_MAX {
                return Err(stuck(booking, "its refunds fail at the provider, one after the other"));
            }
            let rest = Money::new(owed.amount_minor - given, booking.currency);
            // The same number of refunds seen makes the same key: two who give the rest back at once give it once.
            match self.payments.refund(intent, booking.id, rest, refunds.len()).await {
                Ok(refund) if refund.accepted => {}
                Ok(_) => return Err(unavailable(format!("the refund of {} is not accepted yet", booking.id))),
                Err(ProviderError::Refused(why)) => return Err(stuck(booking, &why)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.store.record_refund(booking).await?)
    }
}

fn failed(refunds: &[ProviderRefund]) -> usize {
    refunds.iter().filter(|refund| !refund.accepted).count()
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
