//! The door: whether a ticket admits whoever carries it.
//!
//! A scanner that is offline knows the public key, the bookings that were revoked, and what it scanned itself. Online, the
//! booking decides, and the first scan of a ticket is the only one that admits.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    booking::{Booking, Reason, Status},
    ids::{BookingId, GateId, IdempotencyKey, ShowId, TicketId},
    ticket::{BadTicket, ISSUE_FIRST, TicketClaim, VerifyingKey, places},
};

/// Why a code is no ticket for this show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It is not a code of ours.
    Malformed,
    /// It was signed with a key that this house does not know.
    OtherKey,
    /// Its signature does not verify.
    Forged,
    /// It is a ticket for another show.
    OtherShow,
}

impl From<BadTicket> for Fault {
    fn from(bad: BadTicket) -> Self {
        match bad {
            BadTicket::Malformed => Self::Malformed,
            BadTicket::OtherKey => Self::OtherKey,
            BadTicket::Forged => Self::Forged,
        }
    }
}

/// What `code` says, if `key` signed it for `show`.
///
/// # Errors
/// [`Fault`]: it admits nobody here, whatever the bookings say.
pub fn read(key: &VerifyingKey, code: &str, show: ShowId) -> Result<TicketClaim, Fault> {
    let claim = key.verify(code)?;
    if claim.show == show { Ok(claim) } else { Err(Fault::OtherShow) }
}

/// Why a ticket that was good is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Its booking was cancelled.
    Cancelled(Reason),
    /// Its booking has another place by now, or the place another ticket.
    Replaced,
    /// Its booking is not there, or was never paid.
    Unpaid,
}

/// Whether the ticket that says `claim` still stands, by its booking as it is now.
///
/// # Errors
/// [`Revoked`] says why not.
pub fn check(claim: &TicketClaim, booking: Option<&Booking>) -> Result<(), Revoked> {
    let Some(booking) = booking.filter(|booking| booking.id == claim.booking && booking.show == claim.show) else {
        return Err(Revoked::Unpaid);
    };
    match booking.status {
        Status::Cancelled(reason) => Err(Revoked::Cancelled(reason)),
        _ if !booking.is_paid() => Err(Revoked::Unpaid),
        _ if claim.issue != ISSUE_FIRST || !places(booking).any(|place| place == claim.place) => Err(Revoked::Replaced),
        _ => Ok(()),
    }
}

/// One scan of a ticket that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Of which show.
    pub show: ShowId,
    /// Which ticket.
    pub ticket: TicketId,
    /// By the server's clock.
    pub at: Timestamp,
    /// Where.
    pub gate: GateId,
    /// When the scanner let its holder in by its own clock, if it was offline then.
    pub offline_at: Option<Timestamp>,
    /// The scanner's name for this scan: asked again under it, the answer is the same.
    pub attempt: IdempotencyKey,
}

impl Scan {
    /// Whether `other` is this scan, asked about again.
    #[must_use]
    pub fn is_repeat_of(&self, other: &Self) -> bool {
        (self.show, self.ticket, &self.attempt) == (other.show, other.ticket, &other.attempt)
    }
}

/// A booking whose tickets admit nobody any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revocation {
    /// When the table took the change, in whole seconds.
    pub at: Timestamp,
    /// Which booking.
    pub booking: BookingId,
}

/// The revocation that a booking's change from `old` to `new` means, if it means one.
#[must_use]
pub fn revocation(old: Option<&Booking>, new: &Booking, at: Timestamp) -> Option<Revocation> {
    let had_tickets = old.is_some_and(Booking::is_paid);
    (had_tickets && !new.is_paid()).then_some(Revocation { at, booking: new.id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settlement::tests::{booking, instant},
        ticket::{Place, SigningKey, Ticket, tickets},
    };

    fn paid() -> Booking {
        let mut booking = booking(Status::Confirmed);
        booking.payment.captured_at = Some(booking.created_at);
        booking
    }

    fn key() -> SigningKey {
        SigningKey::from_seed([7; 32])
    }

    fn claim(booking: &Booking) -> TicketClaim {
        tickets(&key(), booking)[0].claim().clone()
    }

    #[test]
    fn a_code_is_read_only_with_its_key_at_its_show() {
        let booking = paid();
        let code = tickets(&key(), &booking)[0].code().to_owned();
        let verifying = key().verifying_key();
        assert_eq!(read(&verifying, &code, booking.show), Ok(claim(&booking)));
        let elsewhere = ShowId::from_uuid(uuid::Uuid::from_u128(99));
        assert_eq!(read(&verifying, &code, elsewhere), Err(Fault::OtherShow));
        let stranger = SigningKey::from_seed([8; 32]).verifying_key();
        assert_eq!(read(&stranger, &code, booking.show), Err(Fault::OtherKey));
        assert_eq!(read(&verifying, "USHER1.HELLO", booking.show), Err(Fault::Malformed));
        let middle = code.len() / 2;
        let other = if code.as_bytes()[middle] == b'A' { "B" } else { "A" };
        let bent = format!("{}{other}{}", &code[..middle], &code[middle + 1..]);
        assert_eq!(read(&verifying, &bent, booking.show), Err(Fault::Forged));
    }

    #[test]
    fn a_ticket_stands_while_its_booking_is_paid_and_has_its_place() {
        let booking = paid();
        let good = claim(&booking);
        assert_eq!(check(&good, Some(&booking)), Ok(()));
        assert_eq!(check(&good, None), Err(Revoked::Unpaid));
        let mut uncaptured = booking.clone();
        uncaptured.payment.captured_at = None;
        assert_eq!(check(&good, Some(&uncaptured)), Err(Revoked::Unpaid));
        let mut cancelled = booking.clone();
        cancelled.status = Status::Cancelled(Reason::Buyer);
        assert_eq!(check(&good, Some(&cancelled)), Err(Revoked::Cancelled(Reason::Buyer)));
        let mut moved = booking.clone();
        moved.seats[0].seat = "Z:9:9".parse().unwrap();
        assert_eq!(check(&good, Some(&moved)), Err(Revoked::Replaced));
        let reissued = TicketClaim { issue: ISSUE_FIRST + 1, ..good.clone() };
        assert_eq!(check(&reissued, Some(&booking)), Err(Revoked::Replaced), "an issue that nobody has made");
        let beyond = TicketClaim { place: Place::Area { area: "pit".parse().unwrap(), number: 1 }, ..good };
        assert_eq!(check(&beyond, Some(&booking)), Err(Revoked::Replaced), "a place that was never in it");
    }

    #[test]
    fn every_ticket_of_a_booking_is_another() {
        let mut booking = paid();
        let line = crate::booking::AreaLine { area: "pit".parse().unwrap(), quantity: 3, price_minor: 1, shard: 0 };
        booking.areas.push(line);
        let tickets = tickets(&key(), &booking);
        let ids: std::collections::HashSet<TicketId> = tickets.iter().map(|ticket| ticket.claim().id()).collect();
        assert_eq!(ids.len(), tickets.len());
        assert!(tickets.iter().map(Ticket::claim).all(|claim| check(claim, Some(&booking)).is_ok()));
    }

    #[test]
    fn tickets_are_revoked_once_when_a_paid_booking_ends() {
        let at = instant("2026-11-22T18:00:00Z");
        let (pending, paid) = (booking(Status::Pending), paid());
        let mut cancelled = paid.clone();
        cancelled.status = Status::Cancelled(Reason::ShowCancelled);
        let revoked = Some(Revocation { at, booking: paid.id });
        let cases = [
            (None, &pending, None),
            (Some(&pending), &paid, None),
            (Some(&paid), &paid, None),
            (Some(&paid), &cancelled, revoked),
            (Some(&cancelled), &cancelled, None),
        ];
        for (old, new, expected) in cases {
            assert_eq!(revocation(old, new, at), expected, "{old:?} {new:?}");
        }
    }
}
