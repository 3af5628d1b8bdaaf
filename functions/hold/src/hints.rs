//! What this instance remembers of seats that were taken: enough to look before it writes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::{
    Timestamp,
    ids::{SeatId, ShowId},
    time::{SignedDuration, shift},
};

/// How long a seat is believed to be taken after it was last seen so.
const HINT_LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// Seats remembered, at most; then all are forgotten, which costs a look each.
const HINTS_MAX: usize = 100_000;

/// Seats that were taken when last seen. A hint saves a losing claim its write units and is never an answer: whoever
/// meets one reads the seats consistently before saying no.
#[derive(Default)]
pub(crate) struct Hints {
    taken: Mutex<HashMap<(ShowId, SeatId), Timestamp>>,
}

impl Hints {
    /// Whether any of the seats was seen taken lately.
    pub(crate) fn any<'a>(&self, show: ShowId, mut seats: impl Iterator<Item = &'a SeatId>, now: Timestamp) -> bool {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |seen: &Timestamp| now < shift(*seen, HINT_LIFETIME);
        seats.any(|seat| taken.get(&(show, seat.clone())).is_some_and(fresh))
    }

    /// These seats were seen taken.
    pub(crate) fn note<'a>(&self, show: ShowId, seats: impl Iterator<Item = &'a SeatId>, now: Timestamp) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= HINTS_MAX {
            taken.clear();
        }
        taken.extend(seats.map(|seat| ((show, seat.clone()), now)));
    }

    /// These seats were seen free.
    pub(crate) fn forget<'a>(&self, show: ShowId, seats: impl Iterator<Item = &'a SeatId>) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for seat in seats {
            taken.remove(&(show, seat.clone()));
        }
    }
}
