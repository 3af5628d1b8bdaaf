//! What people asked for, and what they were told.

use std::sync::{Mutex, PoisonError};

use domain::{
    ids::{BookingId, SeatId, UserId},
    waitlist::Wish,
};

/// A call, from when it was made until it was answered, in milliseconds since the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) began_ms: u64,
    pub(crate) ended_ms: u64,
    pub(crate) buyer: UserId,
    pub(crate) asked: Asked,
    pub(crate) answer: Answer,
}

/// What for.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// These seats, and so many places of the area, under this key.
    Hold { key: String, seats: Vec<SeatId>, places: u32 },
    /// So many seats side by side, under this key.
    Best { key: String, quantity: u32 },
    /// Something about a booking: to see it, to pay it, to end it.
    Booking { what: &'static str },
    /// To give part of a booking's money back, under this key.
    Part { id: BookingId, key: String, amount_minor: i64 },
    /// To keep a seat for the house, or to let it go.
    Block,
    /// To be let in.
    Queue,
    /// To be on the waitlist with this wish.
    Join { wish: Wish },
    /// How their name on the waitlist stands.
    Name,
    /// To have it taken off.
    Leave,
    /// To call the show off.
    CallOff,
}

impl Asked {
    /// How many places a claim is about.
    pub(crate) fn claimed(&self) -> Option<u32> {
        match self {
            Self::Hold { seats, places, .. } => Some(u32::try_from(seats.len()).unwrap_or(u32::MAX) + places),
            Self::Best { quantity, .. } => Some(*quantity),
            _ => None,
        }
    }

    /// The key that a claim was made under.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Hold { key, .. } | Self::Best { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The booking as it was.
    Is { id: BookingId, version: u64, status: String, seats: Vec<SeatId> },
    /// The name on the waitlist as it was, and the booking it was offered.
    Named { state: String, booking: Option<BookingId> },
    /// Yes, about something else.
    Done,
    /// No, and why: the problem's slug, and the seats and areas that it names.
    Refused { slug: String, unavailable: Vec<String> },
    /// Nobody knows: no answer, or one that says that it went wrong.
    Unknown,
}

/// Calls so far, in the order of their answers.
#[derive(Default)]
pub(crate) struct History(Mutex<Vec<Call>>);

impl History {
    pub(crate) fn add(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
