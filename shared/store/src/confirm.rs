//! Selling seats: the booking, every seat and the receipt in one transaction. The booking's id on the seat is the
//! fencing token.

use domain::{
    StoreError, Timestamp,
    booking::{Booking, SeatLine},
    hold::Terms,
    ids::ReceiptId,
    time::millis,
};

use crate::{
    Store,
    booking::{due, seat_lines, update, update_pending},
    buyer, code,
    codec::{encode, s},
    expression::Update,
    hold::take,
    keys::Key,
    receipt::receipt_item,
    seat::{self, SeatItem, SeatStatus},
    transact::Transaction,
};

impl Store {
    /// PENDING → CONFIRMED, every seat HELD by it → SOLD, and the receipt of what told us. Not closing. `due_at` stays:
    /// the capture is still owed. The admission that it was made under is spent.
    pub async fn confirm(
        &self,
        booking: &Booking,
        receipt: Option<&ReceiptId>,
        now: Timestamp,
    ) -> Result<Option<Booking>, StoreError> {
        let change = update_pending(booking).require("attribute_not_exists(#q)", &[("#q", "q")], []).set(
            "#s = :confirmed",
            &[],
            [(":confirmed", s("C"))],
        );
        let mut transaction = Transaction::default().update(&Key::Booking(booking.id), change)?;
        for line in &booking.seats {
            let sell = Update::default()
                .require("#b = :mine", &[("#b", seat::BOOKING)], [(":mine", s(booking.id))])
                .require("#s = :held", &[("#s", seat::STATUS)], [(":held", s(SeatStatus::Held.as_str()))])
                .set("#s = :sold", &[], [(":sold", s(SeatStatus::Sold.as_str()))]);
            transaction = transaction.update(&Key::Seat(booking.show, line.seat.clone()), sell)?;
        }
        if let Some(admission) = booking.admission {
            let buyer = Key::Buyer(booking.show, booking.buyer.clone());
            transaction = transaction.update(&buyer, buyer::spend(Update::default(), admission))?;
        }
        if let Some(receipt) = receipt {
            transaction = transaction.write(receipt_item("payments", receipt.as_str(), now)?)?;
        }
        self.apply(booking, &transaction).await
    }

    /// CANCELLED(expired) → CONFIRMED, for a payment that came after the hold's end: `seats`, its own or others that cost
    /// the same, if they are all free, the same area places, if there are as many, and the cap, if there is room. It owes
    /// its capture again. The fence behind which its hold ended comes down.
    pub async fn reclaim(
        &self,
        booking: &Booking,
        seats: &[SeatLine],
        cap: u32,
        now: Timestamp,
    ) -> Result<Option<Booking>, StoreError> {
        // The buyer's condition passes on an empty tally, whatever the cap is now.
        if booking.places() > cap {
            return Ok(None);
        }
        let change = update(booking)
            .require(
                "#s = :x AND #r = :expired",
                &[("#s", "s"), ("#r", "r")],
                [(":x", s("X")), (":expired", s("expired"))],
            )
            .require("attribute_not_exists(#z)", &[("#z", "z")], [])
            .set("#s = :confirmed", &[], [(":confirmed", s("C"))])
            .remove("#r", &[])
            .remove("#q", &[("#q", "q")]);
        let change = if seats == booking.seats { change } else { substituted(change, seats) };
        let buyer = Key::Buyer(booking.show, booking.buyer.clone());
        let counted = buyer::count_in(booking.id, booking.places(), &Terms::within(cap));
        let counted = booking.admission.into_iter().fold(counted, buyer::spend);
        let mut transaction = Transaction::default()
            .update(&Key::Booking(booking.id), due(change, booking.id, now))?
            .update(&buyer, counted)?;
        let sold = SeatItem { status: SeatStatus::Sold, booking: Some(booking.id), channel: None };
        for line in seats {
            transaction = transaction.create(encode(&Key::Seat(booking.show, line.seat.clone()), &sold)?)?;
        }
        for line in &booking.areas {
            transaction =
                transaction.update(&Key::AreaShard(booking.show, line.area.clone(), line.shard), take(line))?;
        }
        if let Some(code) = &booking.code {
            let again = code::take_again(booking.places());
            transaction = transaction.update(&Key::Code(booking.show, code.clone()), again)?;
        }
        tracing::info!(booking.id = %booking.id, at.ms = millis(now), "taking the seats of {} again", booking.id);
        self.apply(booking, &transaction).await
    }
}

/// The booking has these seats instead of those it held.
fn substituted(change: Update, seats: &[SeatLine]) -> Update {
    let values = [(":l", seat_lines(seats)), (":made", s("made"))];
    change.set("#l = :l", &[("#l", "l")], []).set("#j = :made", &[("#j", "j")], values)
}
