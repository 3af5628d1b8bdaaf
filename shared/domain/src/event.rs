//! What happened to a booking, told to the functions that write tickets and mail.

use serde::{Deserialize, Serialize};

use crate::{
    booking::{Booking, Reason, RefundStatus, Status},
    ids::{BookingId, ShowId},
};

/// The EventBridge `source` of every event of ours.
pub const SOURCE: &str = "usher.bookings";

/// What happened; the EventBridge `detail-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The capture is recorded: tickets are due.
    BookingPaid,
    /// An attempt to pay failed while the hold lives.
    PaymentFailed,
    /// It ended; the booking's reason says why.
    BookingCancelled,
    /// The provider has the refund.
    RefundDone,
    /// The waitlist made this hold for a buyer who was in line for it.
    WaitlistOffered,
}

impl Kind {
    /// The text in `detail-type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BookingPaid => "BookingPaid",
            Self::PaymentFailed => "PaymentFailed",
            Self::BookingCancelled => "BookingCancelled",
            Self::RefundDone => "RefundDone",
            Self::WaitlistOffered => "WaitlistOffered",
        }
    }
}

/// One event. Consumers re-read the booking and act on its present state: events repeat and come in any order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Booking and version: the same change always has the same id.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// To which booking.
    pub booking_id: BookingId,
    /// At which show.
    pub show_id: ShowId,
    /// The booking's version after it.
    pub version: u64,
}

/// The events that the step from `old` to `new` of one booking's item means; none for most steps.
#[must_use]
pub fn between(old: Option<&Booking>, new: &Booking) -> Vec<Event> {
    let was = |test: fn(&Booking) -> bool| old.is_some_and(test);
    let refunded =
        |b: &Booking| b.refund.is_some_and(|refund| refund.status == RefundStatus::Done && refund.amount_minor > 0);
    let cancelled = |b: &Booking| matches!(b.status, Status::Cancelled(_));
    let lost = |b: &Booking| b.status == Status::Cancelled(Reason::SeatsLost);
    let failures = old.map_or(0, |b| b.payment.failures.len());
    let happened = [
        (Kind::BookingPaid, new.is_paid() && !was(Booking::is_paid)),
        (Kind::PaymentFailed, new.payment.failures.len() > failures),
        // Whoever paid late was told before that the hold is over, and is told now what became of the payment.
        (Kind::BookingCancelled, cancelled(new) && !was(cancelled) || lost(new) && !was(lost)),
        (Kind::RefundDone, refunded(new) && !was(refunded)),
        (Kind::WaitlistOffered, old.is_none() && new.offered && new.status == Status::Pending),
    ];
    let kinds = happened.into_iter().filter(|&(_, it)| it).map(|(kind, _)| kind);
    kinds
        .map(|kind| Event {
            id: format!("{}-{}-{}", new.id, new.version, kind.as_str()),
            kind,
            booking_id: new.id,
            show_id: new.show,
            version: new.version,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        booking::Refund,
        settlement::tests::{STARTED_AT, booking, instant},
    };

    fn refunded(mut booking: Booking, status: RefundStatus) -> Booking {
        booking.refund = Some(Refund { amount_minor: 100, percent: 100, status });
        booking
    }

    #[test]
    fn each_step_tells_what_it_means_and_most_tell_nothing() {
        let held = booking(Status::Pending);
        let mut failed = held.clone();
        failed.payment.failures = vec!["e1".parse().unwrap()];
        let mut closing = failed.clone();
        closing.payment.closing = true;
        let sold = booking(Status::Confirmed);
        let mut paid = sold.clone();
        paid.payment.captured_at = Some(instant(STARTED_AT));
        let expired = booking(Status::Cancelled(Reason::Expired));
        let owed = refunded(booking(Status::Cancelled(Reason::Buyer)), RefundStatus::Pending);
        let done = refunded(owed.clone(), RefundStatus::Done);
        let lost = booking(Status::Cancelled(Reason::SeatsLost));
        let part = refunded(paid.clone(), RefundStatus::Pending);
        let parted = refunded(paid.clone(), RefundStatus::Done);
        let offered = Booking { offered: true, ..held.clone() };
        let cases: [(&str, Option<&Booking>, &Booking, &[Kind]); 22] = [
            ("held", None, &held, &[]),
            ("offered", None, &offered, &[Kind::WaitlistOffered]),
            ("offered, extended", Some(&offered), &offered, &[]),
            (
                "offered, read as new when it is over",
                None,
                &Booking { offered: true, ..expired.clone() },
                &[Kind::BookingCancelled],
            ),
            ("failed", Some(&held), &failed, &[Kind::PaymentFailed]),
            ("failed, again told", Some(&failed), &failed, &[]),
            ("closing", Some(&failed), &closing, &[]),
            ("sold", Some(&held), &sold, &[]),
            ("paid", Some(&sold), &paid, &[Kind::BookingPaid]),
            ("paid, read as new", None, &paid, &[Kind::BookingPaid]),
            ("paid, again told", Some(&paid), &paid, &[]),
            ("expired", Some(&held), &expired, &[Kind::BookingCancelled]),
            ("expired, settled", Some(&expired), &expired, &[]),
            ("taken back", Some(&sold), &expired, &[Kind::BookingCancelled]),
            ("taken again", Some(&expired), &sold, &[]),
            ("cancelled and owed", Some(&paid), &owed, &[Kind::BookingCancelled]),
            ("paid too late", Some(&expired), &lost, &[Kind::BookingCancelled]),
            ("paid too late, again told", Some(&lost), &lost, &[]),
            ("part is owed", Some(&paid), &part, &[]),
            ("part is refunded", Some(&part), &parted, &[Kind::RefundDone]),
            ("refunded", Some(&owed), &done, &[Kind::RefundDone]),
            ("cancelled for nothing", Some(&paid), &done, &[Kind::BookingCancelled, Kind::RefundDone]),
        ];
        for (what, old, new, kinds) in cases {
            let told: Vec<Kind> = between(old, new).iter().map(|event| event.kind).collect();
            assert_eq!(told, kinds, "{what}");
        }
    }

    #[test]
    fn the_same_change_always_has_the_same_id_and_others_have_others() {
        let held = booking(Status::Pending);
        let mut paid = booking(Status::Confirmed);
        paid.payment.captured_at = Some(instant(STARTED_AT));
        paid.version = 5;
        let told = between(Some(&held), &paid);
        assert_eq!(told, between(Some(&held), &paid));
        assert_eq!(told[0].id, format!("{}-5-BookingPaid", paid.id));
        let later = Booking { version: 6, ..paid };
        assert_ne!(between(Some(&held), &later)[0].id, told[0].id);
    }
}
