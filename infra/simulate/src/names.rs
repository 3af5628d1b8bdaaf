//! The names on the waitlist as the table has them, and what must be true of them right after a write.

use std::collections::BTreeMap;

use domain::{
    booking::{Booking, Status},
    ids::{BookingId, CategoryId, UserId},
    time::millis,
    waitlist::{Entry, State, Wish, Wishes},
};

use crate::{
    check::BOOKING_ID_KEY,
    witness::{Line, value_at},
};

/// How long a walk down the line takes at most, in milliseconds, reads that take seconds included: who was in line before
/// that was looked at.
const WALK_MS_MAX: u64 = 90_000;

/// What was seen of the waitlist.
#[derive(Default)]
pub(crate) struct Names {
    /// Entries as they are.
    pub(crate) entries: BTreeMap<UserId, Entry>,
    /// Each entry over time.
    pub(crate) entry_lines: BTreeMap<UserId, Line<Entry>>,
    /// What ordinary holds leave alone, over time.
    pub(crate) wishes_line: Line<Wishes>,
    /// Each buyer's places in line, by arrival in milliseconds: the wish, and the version of the entry it stands beside.
    places: BTreeMap<UserId, BTreeMap<u64, (Wish, u64)>>,
    /// Each buyer's open offers.
    offers: BTreeMap<UserId, BTreeMap<BookingId, (Wish, u64)>>,
}

impl Names {
    /// What ordinary holds leave alone now.
    pub(crate) fn wishes(&self) -> Wishes {
        self.wishes_line.last().map(|(_, wishes)| wishes.clone()).unwrap_or_default()
    }

    pub(crate) fn see_place(&mut self, buyer: &UserId, arrival_ms: u64, beside: Option<(Wish, u64)>) {
        see(self.places.entry(buyer.clone()).or_default(), arrival_ms, beside);
    }

    pub(crate) fn see_offer(&mut self, buyer: &UserId, booking: BookingId, beside: Option<(Wish, u64)>) {
        see(self.offers.entry(buyer.clone()).or_default(), booking, beside);
    }

    /// Takes in an entry's next state. What is wrong with the step.
    pub(crate) fn step(&mut self, new: &Entry, at_ms: u64) -> Option<String> {
        let old = self.entries.insert(new.buyer.clone(), new.clone());
        self.entry_lines.entry(new.buyer.clone()).or_default().push((at_ms, new.clone()));
        let is_right = match &old {
            None => new.version == 1 && new.state == State::Waiting,
            Some(old) => new.version == old.version + 1 && may_follow(old, new),
        };
        (!is_right).then(|| format!("{} went from {old:?} to {new:?}", new.buyer))
    }

    /// What does not fit together of a buyer's entry, what stands beside it, and the bookings it was offered.
    pub(crate) fn unfit(&self, buyer: &UserId, bookings: &BTreeMap<BookingId, Booking>) -> Option<String> {
        let entry = self.entries.get(buyer);
        let beside = |entry: &Entry| (entry.wish.clone(), entry.version);
        let arrival_ms = |entry: &Entry| u64::try_from(millis(entry.joined_at)).unwrap_or_default();
        let waits = entry.filter(|entry| entry.state == State::Waiting);
        let places: BTreeMap<u64, (Wish, u64)> =
            waits.map(|entry| (arrival_ms(entry), beside(entry))).into_iter().collect();
        let offer = entry.and_then(|entry| match entry.state {
            State::Offered(booking) => Some((booking, beside(entry))),
            _ => None,
        });
        let offers: BTreeMap<BookingId, (Wish, u64)> = offer.into_iter().collect();
        let has_places = self.places.get(buyer).cloned().unwrap_or_default();
        let has_offers = self.offers.get(buyer).cloned().unwrap_or_default();
        if (&has_places, &has_offers) != (&places, &offers) {
            return Some(format!("beside {entry:?} stand {has_places:?} and {has_offers:?}"));
        }
        let offered = bookings.values().filter(|booking| booking.offered && booking.buyer == *buyer);
        for booking in offered.filter(|booking| booking.status == Status::Pending) {
            if entry.is_none_or(|entry| entry.state != State::Offered(booking.id)) {
                return Some(format!("{} is offered to {buyer}, whose name says {entry:?}", booking.id));
            }
        }
        entry.and_then(|entry| untrue(entry, bookings))
    }

    /// Who was passed over when `booking` was offered to its buyer: they came before, and it fits them, too.
    pub(crate) fn passed_over(
        &self,
        booking: &Booking,
        tallies: &BTreeMap<UserId, Line<u32>>,
        cap: u32,
        now_ms: u64,
    ) -> Option<String> {
        let own = self.entries.get(&booking.buyer)?;
        let earlier = self.entries.values().filter(|other| {
            other.state == State::Waiting && (other.joined_at, &other.buyer) < (own.joined_at, &own.buyer)
        });
        let looked_at = now_ms.saturating_sub(WALK_MS_MAX);
        let mut passed_over = earlier.filter(|other| {
            let since = self.entry_lines.get(&other.buyer).and_then(|line| line.last()).map_or(now_ms, |(at, _)| *at);
            let had = most_since(tallies.get(&other.buyer), looked_at);
            since < looked_at && had + other.wish.quantity <= cap && fits(booking, &other.wish)
        });
        let other = passed_over.next()?;
        Some(format!("{} is offered to {}, and {} came before", booking.id, booking.buyer, other.buyer))
    }
}

fn see<K: Ord>(all: &mut BTreeMap<K, (Wish, u64)>, key: K, beside: Option<(Wish, u64)>) {
    match beside {
        Some(beside) => drop(all.insert(key, beside)),
        None => drop(all.remove(&key)),
    }
}

/// Whether one write may make that of an entry.
fn may_follow(old: &Entry, new: &Entry) -> bool {
    let is_same_place = old.joined_at == new.joined_at;
    match (old.state, new.state) {
        (State::Waiting, State::Waiting | State::Left | State::Offered(_)) => is_same_place,
        (State::Offered(was), State::Fulfilled(is) | State::Lapsed(is)) => is_same_place && was == is,
        (State::Fulfilled(_) | State::Lapsed(_) | State::Left, State::Waiting) => old.joined_at < new.joined_at,
        _ => false,
    }
}

/// What an entry says of its booking that is not so. One that was paid and cancelled afterwards was taken all the same.
fn untrue(entry: &Entry, bookings: &BTreeMap<BookingId, Booking>) -> Option<String> {
    let (State::Offered(id) | State::Fulfilled(id) | State::Lapsed(id)) = entry.state else { return None };
    let booking = bookings.get(&id);
    let is_theirs = booking.is_some_and(|it| it.offered && it.buyer == entry.buyer);
    let is_named = entry.booking_id(BOOKING_ID_KEY.as_bytes()) == id;
    let was_taken = booking.is_some_and(|it| it.status == Status::Confirmed || it.payment.captured_at.is_some());
    let is_over = booking.is_some_and(|it| it.status != Status::Pending);
    let is_true = match entry.state {
        State::Fulfilled(_) => was_taken,
        // A late payment may still take its seats again after that.
        State::Lapsed(_) => is_over,
        _ => true,
    };
    (!(is_theirs && is_named && is_true)).then(|| format!("{entry:?} and {booking:?}"))
}

/// Whether what is offered is something that `wish` could have been given.
fn fits(booking: &Booking, wish: &Wish) -> bool {
    let wanted = |category: &CategoryId| !wish.accessible && wish.takes(category);
    let seats = booking.seats.iter().filter(|line| wanted(&line.category)).count();
    let places: u32 = booking.areas.iter().map(|line| line.quantity).sum();
    let is_standing = booking.areas.first().is_some_and(|_| wanted(&crate::hall::standing()));
    u32::try_from(seats).is_ok_and(|seats| seats >= wish.quantity) || is_standing && places >= wish.quantity
}

/// The most that a line had at some moment from `from_ms` on.
pub(crate) fn most_since(line: Option<&Line<u32>>, from_ms: u64) -> u32 {
    let Some(line) = line else { return 0 };
    let later = line.iter().filter(|(at, _)| *at >= from_ms).map(|(_, had)| *had);
    later.chain(value_at(line, from_ms).copied()).max().unwrap_or_default()
}
