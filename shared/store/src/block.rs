//! House seats: blocked by the organiser, in no booking.

use domain::{
    Error, Refusal, StoreError,
    error::Unavailable,
    ids::{SeatId, ShowId},
};

use crate::{
    Store,
    codec::{decode, encode, s},
    keys::{Key, fold},
    seat::{STATUS, SeatItem, SeatStatus},
    transact::{Ended, TRIES_MAX, Transaction},
};

/// Seats blocked or released at once, at most: they are one transaction.
pub const BLOCK_SEATS_MAX: usize = 100;

/// What to do with house seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// Take free seats off sale.
    Block,
    /// Put blocked seats back on sale.
    Release,
}

impl Store {
    /// Blocks or releases all of `seats` (distinct, at most [`BLOCK_SEATS_MAX`]) or none. Those that are already as
    /// they shall be stay so.
    ///
    /// # Errors
    /// `seat-unavailable` names the seats that buyers have; the table's.
    pub async fn block(&self, show: ShowId, seats: &[SeatId], blocking: Blocking) -> Result<(), Error> {
        let mut todo = seats.to_vec();
        for _ in 0..TRIES_MAX {
            if todo.is_empty() {
                return Ok(());
            }
            let transaction = blocking_of(show, &todo, blocking)?;
            let met = match self.transact(&transaction, fold(show.uuid().as_bytes(), u16::MAX)).await? {
                Ended::Applied => return Ok(()),
                Ended::Conflict => continue,
                Ended::Refused(met) => met,
            };
            let (mut taken, mut rest) = (Vec::new(), Vec::new());
            for (seat, met) in todo.into_iter().zip(met) {
                match met {
                    // It was not in the way; the transaction as a whole was.
                    None => rest.push(seat),
                    // To be released, and free already.
                    Some(item) if item.is_empty() => {}
                    Some(item) => match decode::<SeatItem>(item)?.status {
                        SeatStatus::Blocked if blocking == Blocking::Block => {}
                        SeatStatus::Blocked => rest.push(seat),
                        SeatStatus::Held | SeatStatus::Sold => taken.push(Unavailable::Seat(seat)),
                    },
                }
            }
            if !taken.is_empty() {
                return Err(Refusal::SeatUnavailable(taken).into());
            }
            todo = rest;
        }
        if todo.is_empty() { Ok(()) } else { Err(StoreError::Throttled.into()) }
    }
}

fn blocking_of(show: ShowId, seats: &[SeatId], blocking: Blocking) -> Result<Transaction, StoreError> {
    let item = SeatItem { status: SeatStatus::Blocked, booking: None, channel: None };
    seats.iter().try_fold(Transaction::default(), |transaction, seat| {
        let key = Key::Seat(show, seat.clone());
        match blocking {
            Blocking::Block => transaction.create(encode(&key, &item)?),
            Blocking::Release => transaction.delete_if(&key, STATUS, s(SeatStatus::Blocked.as_str())),
        }
    })
}
