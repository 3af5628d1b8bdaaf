//! Ending a booking because its buyer asks, or because its show is called off.

use domain::{
    Error, Refusal,
    booking::{Booking, Reason, Refund, Status},
    catalogue::ShowStatus,
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
        self.end_for(id, Ending::Buyer).await
    }

    /// Ends a booking whose show is called off: nothing is paid any more, and what was paid is owed in full. Repeatable.
    ///
    /// # Errors
    /// As for [`Settlement::end`]: whoever calls the show off comes again.
    pub async fn call_off(&self, id: BookingId) -> Result<Booking, Error> {
        self.end_for(id, Ending::Show).await
    }

    async fn end_for(&self, id: BookingId, ending: Ending) -> Result<Booking, Error> {
        for _ in 0..TRIES_MAX {
            let booking = self.read(id).await?.ok_or(Refusal::NotFound("booking"))?;
            match booking.status {
                Status::Cancelled(_) => return Ok(booking),
                // A hold that turns out to be paid is a sale, and ends as one.
                Status::Pending if ending == Ending::Show => self.give_back(id, ending).await.map(drop)?,
                Status::Pending => return self.give_back(id, ending).await,
                Status::Confirmed if !booking.is_paid() => self.finish_capture(id).await?,
                Status::Confirmed => {
                    if let Some(cancelled) = self.cancel_paid(&booking, ending).await? {
                        return Ok(cancelled);
                    }
                }
            }
        }
        Err(unsettled(id))
    }

    async fn give_back(&self, id: BookingId, ending: Ending) -> Result<Booking, Error> {
        let cause = match ending {
            Ending::Buyer => Cause::Release,
            Ending::Show => Cause::CallOff,
        };
        let ended = self.drive(id, cause, None).await?.ok_or(Refusal::NotFound("booking"))?;
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

    async fn cancel_paid(&self, booking: &Booking, ending: Ending) -> Result<Option<Booking>, Error> {
        let now = self.clock.now();
        let (reason, owed) = match ending {
            Ending::Buyer => (Reason::Buyer, self.by_policy(booking).await?),
            Ending::Show => (Reason::ShowCancelled, refund::in_full(booking)),
        };
        let Some(cancelled) = self.store.cancel(booking, reason, owed, now).await? else { return Ok(None) };
        // The refund is owed from this moment, whatever the provider says now: the sweep goes on where this stops.
        match self.drive(booking.id, Cause::Due, None).await {
            Ok(settled) => Ok(settled.or(Some(cancelled))),
            Err(error) => {
                tracing::warn!(booking.id = %booking.id, %error, "the refund of {} will be tried again", booking.id);
                Ok(Some(cancelled))
            }
        }
    }

    async fn by_policy(&self, booking: &Booking) -> Result<Refund, Error> {
        let show = self.store.show(booking.show).await?.ok_or(Refusal::NotFound("show"))?;
        // A buyer who is quicker than the one who calls the show off gets no less.
        if show.status == ShowStatus::Cancelled {
            return Ok(refund::in_full(booking));
        }
        Ok(refund::by_policy(booking, &show.refund_policy, show.starts_at, self.clock.now()))
    }
}

/// Whose will it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Buyer,
    Show,
}
