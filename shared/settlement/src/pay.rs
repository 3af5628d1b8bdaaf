//! Paying: one intent per booking, told to the buyer only once it is recorded.

use domain::{
    Error, Refusal,
    booking::{Booking, FAILURE_EXTENSION, PAYMENT_FAILURES_MAX, Status},
    ids::{BookingId, ReceiptId},
    payment::{Intent, IntentStatus},
    settlement::Cause,
    time::shift,
};

use crate::{Settlement, unsettled};

/// Times a lost race is run again.
const TRIES_MAX: u32 = 6;

/// A booking and the intent its buyer pays with.
#[derive(Clone, Debug)]
pub struct Paying {
    /// As it is now.
    pub booking: Booking,
    /// As the provider has it now.
    pub intent: Intent,
}

impl Settlement {
    /// Begins to pay, or finishes what was begun: writes "payment started", creates the one intent, records it, and
    /// only then answers it. Asked again, it is the same intent, and a payment that was made meanwhile is confirmed.
    ///
    /// # Errors
    /// [`Refusal::HoldExpired`] once the booking cannot be paid any more.
    pub async fn pay(&self, id: BookingId) -> Result<Paying, Error> {
        let mut booking = self.read(id).await?.ok_or(Refusal::NotFound("booking"))?;
        for _ in 0..TRIES_MAX {
            match booking.status {
                Status::Cancelled(reason) => return Err(Refusal::HoldExpired { reason: Some(reason) }.into()),
                Status::Confirmed => return self.paying(id).await,
                Status::Pending if !booking.is_payable(self.clock.now()) => {
                    return Err(Refusal::HoldExpired { reason: None }.into());
                }
                Status::Pending if booking.payment.intent.is_some() => return self.paying(id).await,
                Status::Pending => {}
            }
            let written = if booking.payment.started_at.is_none() {
                // Once it is written that a payment started, the hold cannot end without the provider.
                self.payments.check_up()?;
                self.store.start_payment(&booking, self.clock.now()).await?
            } else {
                let intent = self.payments.create(booking.id, booking.total()).await?;
                let recorded = self.store.record_intent(&booking, &intent.id).await?;
                if let Some(booking) = recorded {
                    // Nobody had its secret before this moment, so nobody can have paid.
                    return Ok(Paying { booking, intent });
                }
                None
            };
            // Where somebody else was first, what they wrote is read.
            booking = match written {
                Some(booking) => booking,
                None => self.read(id).await?.ok_or(Refusal::NotFound("booking"))?,
            };
        }
        Err(unsettled(id))
    }

    /// Takes in what happened at the provider, then answers the booking with its intent as they are.
    async fn paying(&self, id: BookingId) -> Result<Paying, Error> {
        let booking = self.drive(id, Cause::Hint, None).await?.ok_or(Refusal::NotFound("booking"))?;
        if let Status::Cancelled(reason) = booking.status {
            return Err(Refusal::HoldExpired { reason: Some(reason) }.into());
        }
        let recorded = booking.payment.intent.as_ref().ok_or_else(|| unsettled(id))?;
        let intent = self.payments.fetch(recorded).await?;
        if booking.status == Status::Pending && intent.status == IntentStatus::Cancelled {
            // Somebody cancelled it at the provider: there is nothing left to pay with. The hold ends in its time.
            return Err(Refusal::HoldExpired { reason: None }.into());
        }
        Ok(Paying { booking, intent })
    }

    /// Counts a failed attempt to pay: the first ones extend the hold, the last ends it.
    ///
    /// # Errors
    /// Trouble with the table or the provider: the notification must be delivered again.
    pub async fn payment_failed(&self, id: BookingId, failure: &ReceiptId) -> Result<(), Error> {
        for _ in 0..TRIES_MAX {
            let Some(booking) = self.read(id).await? else { return Ok(()) };
            let payment = &booking.payment;
            let counts =
                booking.status == Status::Pending && !payment.closing && payment.failures.len() < PAYMENT_FAILURES_MAX;
            if !counts || payment.failures.contains(failure) {
                return self.drive(id, Cause::Hint, None).await.map(drop);
            }
            let last = payment.failures.len() + 1 >= PAYMENT_FAILURES_MAX;
            let until = (!last).then(|| shift(booking.expires_at, FAILURE_EXTENSION));
            if let Some(counted) = self.store.count_failure(&booking, failure, until).await? {
                if last {
                    self.drive(id, Cause::Hint, None).await?;
                } else {
                    self.wake(&counted).await;
                }
                return Ok(());
            }
        }
        Err(unsettled(id))
    }
}
