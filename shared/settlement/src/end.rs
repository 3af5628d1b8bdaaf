//! Ending a booking because its buyer asks.

use domain::{
    Error, Refusal,
    booking::{Booking, Reason, Status},
    ids::BookingId,
    refund,
    settlement::Cause,
};

use crate::{Settlement, unsettled};

/// Times a lost race is run again.
const TRIES_MAX: u32 = 6;

impl Settlement {
    /// Gives a hold back, or cancels a paid booking by the show's policy. Repeatable: what is cancelled stays as it is.
    ///
    /// # Errors
    /// [`Refusal::PaymentInProgress`] while the provider may still take the money, or has it but the capture could not
    /// be recorded yet.
    pub async fn end(&self, id: BookingId) -> Result<Booking, Error> {
        for _ in 0..TRIES_MAX {
            let booking = self.read(id).await?.ok_or(Refusal::NotFound("booking"))?;
            match booking.status {
                Status::Cancelled(_) => return Ok(booking),
                Status::Pending => return self.give_back(id).await,
                Status::Confirmed if !booking.is_paid() => self.finish_capture(id).await?,
                Status::Confirmed => {
                    if let Some(cancelled) = self.cancel_paid(&booking).await? {
                        return Ok(cancelled);
                    }
                }
            }
        }
        Err(unsettled(id))
    }

    async fn give_back(&self, id: BookingId) -> Result<Booking, Error> {
        let ended = self.drive(id, Cause::Release, None).await?.ok_or(Refusal::NotFound("booking"))?;
        match ended.status {
            Status::Cancelled(_) => Ok(ended),
            // Paid in this very moment, or about to be: the buyer decides again, knowing that.
            Status::Pending | Status::Confirmed => Err(Refusal::PaymentInProgress.into()),
        }
    }

    async fn finish_capture(&self, id: BookingId) -> Result<(), Error> {
        let settled = self.drive(id, Cause::Due, None).await?.ok_or(Refusal::NotFound("booking"))?;
        let open = settled.status == Status::Confirmed && !settled.is_paid();
        if open { Err(Refusal::PaymentInProgress.into()) } else { Ok(()) }
    }

    async fn cancel_paid(&self, booking: &Booking) -> Result<Option<Booking>, Error> {
        let show = self.store.show(booking.show).await?.ok_or(Refusal::NotFound("show"))?;
        let now = self.clock.now();
        let owed = refund::by_policy(booking, show.starts_at, now);
        let Some(cancelled) = self.store.cancel(booking, Reason::Buyer, owed, now).await? else { return Ok(None) };
        // The refund is owed from this moment, whatever the provider says now: the sweep goes on where this stops.
        match self.drive(booking.id, Cause::Due, None).await {
            Ok(settled) => Ok(settled.or(Some(cancelled))),
            Err(error) => {
                tracing::warn!(booking.id = %booking.id, %error, "the refund of {} will be tried again", booking.id);
                Ok(Some(cancelled))
            }
        }
    }
}
