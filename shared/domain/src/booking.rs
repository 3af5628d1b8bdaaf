//! A hold and the sale it becomes: one id, one item, one life.
//!
//! `PENDING → CONFIRMED → CANCELLED`, `PENDING → CANCELLED`, and `CANCELLED(expired) → CONFIRMED` only by taking the
//! seats and the cap again in one transaction (a late payment). A refund is a field, not a state.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    dispute::Dispute,
    ids::{AccessCode, AreaId, BookingId, CategoryId, IntentId, ReceiptId, SeatId, ShowId, UserId},
    money::{Currency, Money},
    queue::AdmissionId,
    time::{SignedDuration, shift},
};

/// Clocks of two instances may differ by this much; nobody but the buyer's own countdown treats a hold as over before
/// `expires_at` plus this margin.
pub const SKEW_MARGIN: SignedDuration = SignedDuration::from_millis(500);

/// Seats and area places in one hold, at most.
pub const PLACES_PER_HOLD_MAX: u32 = 10;

/// Distinct failed payments of one booking; the last of them ends it.
pub const PAYMENT_FAILURES_MAX: usize = 3;

/// How much longer a hold lives after each failed payment but the last.
pub const FAILURE_EXTENSION: SignedDuration = SignedDuration::from_mins(2);

/// When a payment that the provider still processes is asked about again.
pub const PROCESSING_RECHECK: SignedDuration = SignedDuration::from_secs(30);

/// How long a payment may be processing before it raises an alarm. The seats stay kept and the provider is still asked.
pub const PROCESSING_QUIET_MAX: SignedDuration = SignedDuration::from_mins(60);

/// Why a booking is CANCELLED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its time was up and nobody had paid.
    Expired,
    /// The buyer gave it back before paying.
    Released,
    /// The payment failed for good.
    PaymentFailed,
    /// The buyer cancelled what was paid.
    Buyer,
    /// The organiser cancelled the show.
    ShowCancelled,
    /// A payment came after the hold's end and its seats were gone.
    SeatsLost,
}

/// The word that it is serialized as.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Where a booking is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Its seats are HELD; it is not paid.
    Pending,
    /// Its seats are SOLD; the money is authorised or captured.
    Confirmed,
    /// It has no seats.
    Cancelled(Reason),
}

impl Status {
    /// In the API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled(_) => "CANCELLED",
        }
    }

    /// Why it is CANCELLED, if it is.
    #[must_use]
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Pending | Self::Confirmed => None,
            Self::Cancelled(reason) => Some(reason),
        }
    }
}

/// One seat of a booking, at the price frozen when it was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatLine {
    /// Which seat.
    pub seat: SeatId,
    /// Its price category.
    pub category: CategoryId,
    /// In minor units of the booking's currency.
    pub price_minor: i64,
}

/// Places of one general-admission area, at the price frozen when they were held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaLine {
    /// Which area.
    pub area: AreaId,
    /// How many places.
    pub quantity: u32,
    /// Of one place, in minor units of the booking's currency.
    pub price_minor: i64,
    /// Which counter shard they were taken from, and go back to.
    pub shard: u16,
}

/// What is known of a booking's payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    /// When "payment started" was written: from then on there may be an intent at the provider.
    pub started_at: Option<Timestamp>,
    /// The intent, once recorded. Its client secret is given out only after this.
    pub intent: Option<IntentId>,
    /// The distinct failures counted while PENDING.
    pub failures: Vec<ReceiptId>,
    /// Somebody is ending this booking: confirm, payment start, extension and re-claim refuse.
    pub closing: bool,
    /// When the capture was recorded: the booking is paid.
    pub captured_at: Option<Timestamp>,
}

/// Whether a refund has reached the buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefundStatus {
    /// Owed; retried until the provider confirms it.
    Pending,
    /// The provider has it.
    Done,
}

/// What is given back of what was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refund {
    /// In all, in minor units of the booking's currency. It only grows.
    pub amount_minor: i64,
    /// The share: the policy's when the buyer cancelled, else the part of the total that this is, rounded down.
    pub percent: u8,
    /// How far it is.
    pub status: RefundStatus,
}

/// Whether other seats will do, should a late payment find its own taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Substitute {
    /// These seats or none.
    #[default]
    Refused,
    /// Seats side by side in the same category will do.
    Accepted,
    /// It has other seats than those it held.
    Made,
}

/// A hold, a sale, or what is left of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Derived from buyer, show and idempotency key.
    pub id: BookingId,
    /// Whose it is.
    pub buyer: UserId,
    /// Where its tickets go, when the identity provider says.
    pub email: Option<String>,
    /// For which show.
    pub show: ShowId,
    /// Seats, in request order.
    pub seats: Vec<SeatLine>,
    /// General-admission places.
    pub areas: Vec<AreaLine>,
    /// Of every amount in it.
    pub currency: Currency,
    /// Where it is in its life.
    pub status: Status,
    /// When it was held.
    pub created_at: Timestamp,
    /// When the hold ends, unless paid.
    pub expires_at: Timestamp,
    /// When it wants to be looked at again; `None` once it owes nobody anything.
    pub due_at: Option<Timestamp>,
    /// What is known of its payment.
    pub payment: Payment,
    /// The admission that it was made under, where the show had a waiting room: it is spent when this is confirmed.
    pub admission: Option<AdmissionId>,
    /// What is given back, if anything.
    pub refund: Option<Refund>,
    /// Whether its buyer takes other seats.
    pub substitute: Substitute,
    /// The waitlist offered it: its buyer did not ask for these seats.
    pub offered: bool,
    /// What the card holder's bank was asked to take back, if anything.
    pub dispute: Option<Dispute>,
    /// The presale code that its places were taken from.
    pub code: Option<AccessCode>,
    /// Digest of the request that made it: the same key with another body is refused.
    pub fingerprint: [u8; 16],
    /// One more with every write.
    pub version: u64,
}

impl Booking {
    /// Places it counts for toward the cap: seats and area places.
    #[must_use]
    pub fn places(&self) -> u32 {
        places(&self.seats, &self.areas)
    }

    /// What is to be paid, from the frozen prices.
    #[must_use]
    pub fn total(&self) -> Money {
        let seats: i64 = self.seats.iter().map(|line| line.price_minor).sum();
        let areas: i64 = self.areas.iter().map(|line| line.price_minor * i64::from(line.quantity)).sum();
        Money::new(seats + areas, self.currency)
    }

    /// Whether the hold's time is up on every clock: other claimers and the sweep may end it.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.status == Status::Pending && now >= shift(self.expires_at, SKEW_MARGIN)
    }

    /// Whether the buyer may still pay for it.
    #[must_use]
    pub fn is_payable(&self, now: Timestamp) -> bool {
        self.status == Status::Pending && !self.payment.closing && now < self.expires_at
    }

    /// Whether some of its money has yet to be given back.
    #[must_use]
    pub fn owes_refund(&self) -> bool {
        self.refund.is_some_and(|refund| refund.status == RefundStatus::Pending)
    }

    /// Whether its tickets exist: the capture is recorded and nothing was given back since.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.status == Status::Confirmed && self.payment.captured_at.is_some()
    }
}

/// Seats and area places together.
#[must_use]
pub fn places(seats: &[SeatLine], areas: &[AreaLine]) -> u32 {
    let seats = u32::try_from(seats.len()).unwrap_or(u32::MAX);
    areas.iter().fold(seats, |sum, line| sum.saturating_add(line.quantity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settlement::tests::{booking, instant};

    #[test]
    fn a_hold_is_payable_until_it_expires_and_overdue_only_when_every_clock_agrees() {
        let cases = [
            ("2026-11-22T15:09:59.999Z", true, false),
            ("2026-11-22T15:10:00Z", false, false),
            ("2026-11-22T15:10:00.499Z", false, false),
            ("2026-11-22T15:10:00.500Z", false, true),
        ];
        for (now, payable, overdue) in cases {
            let hold = booking(Status::Pending);
            assert_eq!((hold.is_payable(instant(now)), hold.is_overdue(instant(now))), (payable, overdue), "{now}");
            for status in [Status::Confirmed, Status::Cancelled(Reason::Expired)] {
                let other = booking(status);
                assert!(!other.is_payable(instant(now)) && !other.is_overdue(instant(now)), "{status:?}");
            }
        }
        let mut closing = booking(Status::Pending);
        closing.payment.closing = true;
        assert!(!closing.is_payable(closing.created_at), "the fence is up");
    }

    #[test]
    fn a_booking_is_paid_while_it_is_confirmed_and_its_capture_recorded() {
        for status in [Status::Pending, Status::Confirmed, Status::Cancelled(Reason::Buyer)] {
            let mut booking = booking(status);
            assert!(!booking.is_paid());
            booking.payment.captured_at = Some(booking.created_at);
            assert_eq!(booking.is_paid(), status == Status::Confirmed, "{status:?}");
        }
    }

    #[test]
    fn the_total_is_of_every_seat_and_every_place() {
        let mut booking = booking(Status::Pending);
        let seats = booking.total().amount_minor;
        booking.areas.push(AreaLine { area: "pit".parse().unwrap(), quantity: 3, price_minor: 100, shard: 0 });
        assert_eq!((booking.total().amount_minor, booking.places()), (seats + 300, 5));
    }
}
