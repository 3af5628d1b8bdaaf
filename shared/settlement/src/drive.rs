//! Step after step until a booking rests.

use domain::{
    Error, ProviderError,
    booking::{Booking, PROCESSING_RECHECK, Status},
    ids::{BookingId, IntentId, ReceiptId},
    payment::Intent,
    settlement::{Cause, Known, Step, Tried, next},
    time::shift,
};

use crate::{Settlement, unsettled};

/// Steps in one call, at most: the longest life takes half of them.
const STEPS_MAX: u32 = 24;

/// A booking on its way to rest.
struct Round {
    booking: Booking,
    known: Known,
    tried: Tried,
}

impl Round {
    /// Goes on from what a write answered: its result, or, when its condition failed, a fresh start.
    async fn after(&mut self, settlement: &Settlement, written: Option<Booking>) -> Result<bool, Error> {
        if let Some(booking) = written {
            self.booking = booking;
            return Ok(true);
        }
        let Some(booking) = settlement.read(self.booking.id).await? else { return Ok(false) };
        self.booking = booking;
        self.known = Known::NotAsked;
        Ok(true)
    }

    /// The intent to work on: as fetched or created in this round, or as recorded.
    fn intent(&self) -> Option<IntentId> {
        match &self.known {
            Known::Is(intent) => Some(intent.id.clone()),
            Known::NotAsked => self.booking.payment.intent.clone(),
        }
    }

    /// Takes in what the provider says of the intent; "not in this state" means that it must be asked again.
    fn learn(&mut self, step: &Step, answer: Result<Intent, ProviderError>) -> Result<(), Error> {
        self.known = match answer {
            Ok(intent) => Known::Is(intent),
            Err(ProviderError::Refused(why)) => {
                let id = self.booking.id;
                tracing::info!(booking.id = %id, error = why, "the provider refused a step on {id}: {why}");
                self.tried.captures_refused += u32::from(*step == Step::Capture);
                Known::NotAsked
            }
            Err(error) => return Err(error.into()),
        };
        Ok(())
    }
}

impl Settlement {
    /// Looks at a booking for `cause` and does what is to be done, until nothing is. Answers the booking as it is then;
    /// `None` when there is none. `receipt` is what told us, written with its effect.
    ///
    /// # Errors
    /// Trouble with the table or the provider: what is left to do stays due.
    pub async fn drive(
        &self,
        id: BookingId,
        cause: Cause,
        receipt: Option<&ReceiptId>,
    ) -> Result<Option<Booking>, Error> {
        let Some(booking) = self.read(id).await? else { return Ok(None) };
        let mut round = Round { booking, known: Known::NotAsked, tried: Tried::default() };
        for _ in 0..STEPS_MAX {
            let now = self.clock.now();
            let step = next(&round.booking, &round.known, cause, round.tried, now);
            tracing::debug!(booking.id = %id, booking.step = ?step, "{id}: {step:?}");
            if matches!(step, Step::Rest) {
                return Ok(Some(round.booking));
            }
            if let Step::Extend { until, alarm } = step {
                return self.keep(&round.booking, until, alarm).await;
            }
            if let Step::Alarm(what) = step {
                tracing::error!(booking.id = %id, alarm = what, "a person must look at {id}: {what}");
                return Ok(Some(round.booking));
            }
            match self.carry_out(step, &mut round, receipt).await {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => {
                    self.look_again_soon(&round.booking).await;
                    return Err(error);
                }
            }
        }
        Err(unsettled(id))
    }

    /// A sale whose capture is still owed is due when its hold would have ended. A timer makes that sooner.
    async fn look_again_soon(&self, booking: &Booking) {
        if booking.status == Status::Confirmed && !booking.is_paid() {
            self.wake_at(booking.id, shift(self.clock.now(), PROCESSING_RECHECK)).await;
        }
    }

    /// Answers whether the booking is still there.
    async fn carry_out(&self, step: Step, round: &mut Round, receipt: Option<&ReceiptId>) -> Result<bool, Error> {
        let now = self.clock.now();
        let booking = &round.booking;
        let store = &self.store;
        let written = match step {
            Step::Rest | Step::Extend { .. } | Step::Alarm(_) => return Ok(true),
            Step::Ask | Step::Create | Step::Cancel | Step::Capture => return self.ask(&step, round).await,
            Step::Close => store.close(booking).await?,
            Step::Reopen => store.reopen(booking).await?,
            Step::Release(reason) => store.release(booking, reason).await?,
            Step::Confirm => store.confirm(booking, receipt, now).await?,
            Step::RecordCapture => store.record_capture(booking, now).await?,
            Step::TakeBack => store.take_back(booking).await?,
            Step::Reclaim => {
                let written = self.reclaim(booking).await?;
                round.tried.reclaim = written.is_none();
                written
            }
            Step::LoseSeats => store.lose_seats(booking, now).await?,
            Step::OweRefund => store.owe_refund(booking, now).await?,
            Step::Refund => self.refund(booking).await?,
            Step::RecordRefund => store.record_refund(booking).await?,
            Step::Settle => store.settle(booking).await?,
        };
        round.after(self, written).await
    }

    /// The steps that are a call of the provider.
    async fn ask(&self, step: &Step, round: &mut Round) -> Result<bool, Error> {
        let booking = &round.booking;
        let answer = match (step, round.intent()) {
            (Step::Create, _) => self.payments.create(booking.id, booking.total()).await,
            (Step::Cancel, Some(intent)) => self.payments.cancel(&intent).await,
            (Step::Capture, Some(intent)) => self.payments.capture(&intent).await,
            (_, Some(intent)) => self.payments.fetch(&intent).await,
            (_, None) => return Err(unsettled(booking.id)),
        };
        // A replayed creation is told as it was then, so only the id is believed; its state is asked for.
        if let (Step::Create, Ok(created)) = (step, &answer) {
            let present = self.payments.fetch(&created.id).await;
            round.learn(step, present)?;
        } else {
            round.learn(step, answer)?;
        }
        Ok(true)
    }

    async fn keep(&self, booking: &Booking, until: domain::Timestamp, alarm: bool) -> Result<Option<Booking>, Error> {
        if alarm {
            let (id, what) = (booking.id, "its payment is processing for too long");
            tracing::error!(booking.id = %id, alarm = what, "a person must look at {id}: {what}");
        }
        match self.store.extend(booking, until).await? {
            Some(kept) => {
                self.wake(&kept).await;
                Ok(Some(kept))
            }
            None => self.read(booking.id).await,
        }
    }
}
