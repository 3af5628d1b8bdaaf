//! What the table and the provider have, and what the functions make of it.

use domain::{
    Timestamp,
    booking::{Booking, Payment, Reason, Refund, RefundStatus, SeatLine, Status, Substitute},
    ids::{BookingId, SeatId},
    money::Money,
    payment::{Intent, IntentStatus},
    time::{SignedDuration, shift},
};

use crate::{TTL_TICKS, World};

pub(crate) const BOOKINGS_MAX: usize = 3;
pub(crate) const SEATS: usize = 2;
/// Ticks from a hold's end on when no clock says anything new.
pub(crate) const LEFT_MIN: i8 = -1;
/// What clocks may differ by.
const TICK_MS: i64 = 500;
/// What a seat costs, in minor units.
const PRICE_MINOR: i64 = 100;

/// A booking's item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "they are the item's own")]
pub struct Item {
    pub(crate) status: Status,
    pub(crate) started: bool,
    pub(crate) recorded: bool,
    /// Which failures were counted, a bit each.
    pub(crate) failures: u8,
    pub(crate) closing: bool,
    pub(crate) captured: bool,
    pub(crate) refund: Option<RefundStatus>,
    /// Ticks until `expires_at`, by the slower clock.
    pub(crate) left: i8,
    pub(crate) due: bool,
}

/// The provider's side of a booking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    pub(crate) intent: Option<IntentStatus>,
    pub(crate) failures: u8,
    /// Its buyer has the client secret.
    pub(crate) told: bool,
    /// It was paid after it had been cancelled.
    pub(crate) late: bool,
    pub(crate) refunded: bool,
}

/// Everything that outlives a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Books {
    /// Whose each seat is, and whether it is sold.
    pub(crate) seats: [Option<(usize, bool)>; SEATS],
    pub(crate) items: [Option<Item>; BOOKINGS_MAX],
    pub(crate) accounts: [Account; BOOKINGS_MAX],
    /// Bookings that their buyers' tallies count.
    pub(crate) counted: [bool; BOOKINGS_MAX],
}

impl Item {
    pub(crate) const HELD: Self = Self {
        status: Status::Pending,
        started: false,
        recorded: false,
        failures: 0,
        closing: false,
        captured: false,
        refund: None,
        left: TTL_TICKS,
        due: true,
    };

    pub(crate) fn is_paid(&self) -> bool {
        self.status == Status::Confirmed && self.captured
    }

    /// What is the same for all who have ended is one state: when it would have ended, and what came to be counted.
    pub(crate) fn cancel(&mut self, reason: Reason, due: bool) {
        (self.status, self.left, self.due) = (Status::Cancelled(reason), 0, due);
    }

    fn expires_at(&self) -> Timestamp {
        shift(now(0), SignedDuration::from_millis(TICK_MS * i64::from(self.left)))
    }
}

/// By the clock of instance `at`: the second one's is a tick ahead. It stands still; holds come nearer to their ends.
pub(crate) fn now(at: usize) -> Timestamp {
    let start = Timestamp::from_second(1_800_000_000).expect("a moment of this century");
    shift(start, SignedDuration::from_millis(TICK_MS * i64::try_from(at).unwrap_or(0)))
}

pub(crate) fn booking_id(on: usize) -> BookingId {
    format!("bkg_0000000000008000800000000000000{on}").parse().expect("the form of a booking's id")
}

pub(crate) fn seat_id(seat: usize) -> SeatId {
    format!("A:1:{seat}").parse().expect("the form of a seat's id")
}

impl World {
    /// The booking as the functions read it.
    pub(crate) fn booking(&self, on: usize, item: &Item) -> Booking {
        let (buyer, seats) = &self.bookings[on];
        let line = |seat: &usize| SeatLine {
            seat: seat_id(*seat),
            category: "standard".parse().expect("a category's id"),
            price_minor: PRICE_MINOR,
        };
        let start = shift(now(0), SignedDuration::from_secs(-60));
        Booking {
            id: booking_id(on),
            buyer: format!("buyer-{buyer}").parse().expect("a user's id"),
            email: None,
            show: "shw_00000000000070008000000000000001".parse().expect("the form of a show's id"),
            seats: seats.iter().map(line).collect(),
            areas: Vec::new(),
            currency: "INR".parse().expect("a currency"),
            status: item.status,
            created_at: start,
            expires_at: item.expires_at(),
            due_at: item.due.then(|| item.expires_at()),
            payment: Payment {
                started_at: item.started.then_some(start),
                intent: item.recorded.then(|| "pi_1".parse().expect("an intent's id")),
                failures: (0..item.failures.count_ones()).map(|n| format!("evt_{n}").parse().expect("an id")).collect(),
                closing: item.closing,
                captured_at: item.captured.then_some(start),
            },
            admission: None,
            refund: item.refund.map(|status| Refund {
                amount_minor: PRICE_MINOR * i64::try_from(seats.len()).unwrap_or(0),
                percent: 100,
                status,
            }),
            substitute: Substitute::Refused,
            offered: false,
            dispute: None,
            code: None,
            fingerprint: [0; 16],
            version: 1,
        }
    }

    /// Its intent, for exactly what it costs.
    pub(crate) fn intent(&self, on: usize, status: IntentStatus) -> Intent {
        let places = i64::try_from(self.bookings[on].1.len()).unwrap_or(0);
        Intent {
            id: "pi_1".parse().expect("an intent's id"),
            status,
            amount: Money::new(PRICE_MINOR * places, "INR".parse().expect("a currency")),
            booking: Some(booking_id(on)),
            client_secret: None,
        }
    }

    /// I1 and I5.
    pub(crate) fn seats_are_right(&self, books: &Books) -> bool {
        let is_right = |on: usize| {
            let expected = match books.items[on].map(|item| item.status) {
                Some(Status::Pending) => Some((on, false)),
                Some(Status::Confirmed) => Some((on, true)),
                Some(Status::Cancelled(_)) | None => None,
            };
            let has = |seat: &usize| books.seats[*seat].filter(|&(whose, _)| whose == on);
            self.bookings[on].1.iter().all(|seat| has(seat) == expected)
        };
        (0..self.bookings.len()).all(is_right)
    }

    /// I4.
    pub(crate) fn tallies_are_right(&self, books: &Books) -> bool {
        let lives = |on: usize| books.items[on].is_some_and(|item| !matches!(item.status, Status::Cancelled(_)));
        let all = 0..self.bookings.len();
        all.clone().all(|on| books.counted[on] == lives(on))
            && all.clone().all(|on| self.tally(books, self.bookings[on].0) <= self.cap)
    }

    /// Places that a buyer has, by their tally.
    pub(crate) fn tally(&self, books: &Books, buyer: usize) -> usize {
        let own = self.bookings.iter().zip(books.counted).filter(|((whose, _), counted)| *whose == buyer && *counted);
        own.map(|((_, seats), _)| seats.len()).sum()
    }
}

impl Books {
    pub(crate) fn tick(&mut self) {
        for item in self.items.iter_mut().flatten().filter(|item| item.status == Status::Pending) {
            item.left = (item.left - 1).max(LEFT_MIN);
        }
    }

    /// All time passes.
    pub(crate) fn age(&mut self) {
        for item in self.items.iter_mut().flatten().filter(|item| item.status == Status::Pending) {
            item.left = LEFT_MIN;
        }
    }

    /// I3.
    pub(crate) fn captures_happened(&self) -> bool {
        let pairs = self.items.iter().zip(&self.accounts);
        let mut captured = pairs.filter(|(item, _)| item.is_some_and(|item| item.captured));
        captured.all(|(_, account)| account.intent == Some(IntentStatus::Captured))
    }
}
