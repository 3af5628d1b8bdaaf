//! Letting go of what a booking has: seats, area places and its part of the cap, with the booking, in one transaction.

use std::collections::HashSet;

use domain::{
    StoreError, Timestamp,
    booking::{Booking, Reason, Refund, RefundStatus},
    ids::SeatId,
};

use crate::{
    Store,
    booking::{cancelled, due, refund_value, settled, update, update_pending},
    buyer, code,
    codec::{decode, key_of, n, s},
    expression::Update,
    keys::{Key, fold},
    seat::{self, SeatItem},
    transact::{Ended, Transaction},
};

impl Store {
    /// PENDING → CANCELLED: `expires_at`, fence and intent as read, and either no payment started or the fence is up.
    /// It then owes nobody anything: the caller has seen that its intent can never be paid.
    pub async fn release(&self, booking: &Booking, reason: Reason) -> Result<Option<Booking>, StoreError> {
        let change = update_pending(booking).require(
            "(attribute_not_exists(#p) OR #q = :true)",
            &[("#p", "p"), ("#q", "q")],
            [(":true", aws_sdk_dynamodb::types::AttributeValue::Bool(true))],
        );
        self.let_go(booking, settled(cancelled(change, reason))).await
    }

    /// CONFIRMED → CANCELLED(payment-failed): the authorisation is gone before it was captured.
    pub async fn take_back(&self, booking: &Booking) -> Result<Option<Booking>, StoreError> {
        let change = update(booking).require("#s = :confirmed", &[("#s", "s")], [(":confirmed", s("C"))]).require(
            "attribute_not_exists(#k)",
            &[("#k", "k")],
            [],
        );
        self.let_go(booking, settled(cancelled(change, Reason::PaymentFailed))).await
    }

    /// CONFIRMED and captured → CANCELLED with `reason`: the seats return to sale, and a `refund` that is pending is owed.
    pub async fn cancel(
        &self,
        booking: &Booking,
        reason: Reason,
        refund: Refund,
        now: Timestamp,
    ) -> Result<Option<Booking>, StoreError> {
        let change = update(booking).require("#s = :confirmed", &[("#s", "s")], [(":confirmed", s("C"))]).require(
            "attribute_exists(#k)",
            &[("#k", "k")],
            [],
        );
        let change = cancelled(change, reason).set("#z = :z", &[("#z", "z")], [(":z", refund_value(refund))]);
        let change = match refund.status {
            RefundStatus::Pending => due(change, booking.id, now),
            RefundStatus::Done => change,
        };
        self.let_go(booking, change).await
    }

    async fn let_go(&self, booking: &Booking, change: Update) -> Result<Option<Booking>, StoreError> {
        let (seats, counted) = self.still_held(booking).await?;
        let mut transaction = Transaction::default().update(&Key::Booking(booking.id), change)?;
        if counted {
            let buyer = Key::Buyer(booking.show, booking.buyer.clone());
            transaction = transaction.update(&buyer, buyer::count_out(booking.id, booking.places()))?;
        }
        for seat in seats {
            transaction = transaction.delete_if(&Key::Seat(booking.show, seat), seat::BOOKING, s(booking.id))?;
        }
        for line in &booking.areas {
            let back = Update::default().require("attribute_exists(#n)", &[("#n", "n")], []).set(
                "#n = #n + :q",
                &[],
                [(":q", n(line.quantity))],
            );
            transaction = transaction.update(&Key::AreaShard(booking.show, line.area.clone(), line.shard), back)?;
        }
        if let Some(code) = &booking.code {
            let back = code::give_back(booking.places());
            transaction = transaction.update(&Key::Code(booking.show, code.clone()), back)?;
        }
        self.apply(booking, &transaction).await
    }

    /// The seats that carry the booking's id, and whether its buyer's tally counts it.
    async fn still_held(&self, booking: &Booking) -> Result<(Vec<SeatId>, bool), StoreError> {
        let mut keys = vec![Key::Buyer(booking.show, booking.buyer.clone())];
        keys.extend(booking.seats.iter().map(|line| Key::Seat(booking.show, line.seat.clone())));
        let mut seats = HashSet::new();
        let mut counted = false;
        for item in self.batch_get(&keys, true).await? {
            match key_of(&item)? {
                Key::Seat(_, seat) => {
                    if decode::<SeatItem>(item)?.booking == Some(booking.id) {
                        seats.insert(seat);
                    }
                }
                _ => counted = buyer::tally(&item)?.bookings.iter().any(|(id, _)| *id == booking.id),
            }
        }
        let in_order = booking.seats.iter().map(|line| line.seat.clone()).filter(|seat| seats.contains(seat));
        Ok((in_order.collect(), counted))
    }

    /// Sends a transaction that moves `booking` one version on; answers the booking as it is then, or `None` when any
    /// condition failed. A lost answer is settled by reading: only this very write makes the next version of this form,
    /// and if it was another's, the caller decides again from what it reads.
    pub(crate) async fn apply(
        &self,
        booking: &Booking,
        transaction: &Transaction,
    ) -> Result<Option<Booking>, StoreError> {
        let seed = fold(booking.id.uuid().as_bytes(), u16::MAX);
        match self.transact(transaction, seed).await {
            Ok(Ended::Applied) => self.booking(booking.id).await,
            Ok(Ended::Refused(_) | Ended::Conflict) => Ok(None),
            Err(StoreError::Ambiguous(why)) => {
                tracing::warn!(booking.id = %booking.id, why, "the answer of a write on {} was lost", booking.id);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
