//! What a step of a booking's life counts as, and its line in the log: the stream has every step once, whoever took it.

use domain::{
    booking::{Booking, Reason, Status},
    dispute::{Dispute, DisputeStatus},
};
use edge::metrics::{self, Metric};

/// Counts and logs the step from `old` to `new`.
pub(crate) fn tell(old: Option<&Booking>, new: &Booking) {
    for (metric, number) in counted(old, new).into_iter().filter(|&(_, number)| number > 0) {
        metrics::count(metric, number);
    }
    let status = new.status.as_str();
    tracing::info!(
        booking.id = %new.id,
        booking.version = new.version,
        booking.status = status,
        booking.reason = new.status.reason().map(tracing::field::display),
        show.id = %new.show,
        "{} is {status}, version {}",
        new.id,
        new.version
    );
    let waits = |booking: &Booking| has_dispute(booking, |status| status == DisputeStatus::NeedsResponse);
    if waits(new) && !old.is_some_and(waits) {
        let what = "a payment is disputed: answer at the provider before its deadline";
        tracing::error!(booking.id = %new.id, alarm = what, "a person must look at {}: {what}", new.id);
    }
}

fn counted(old: Option<&Booking>, new: &Booking) -> [(Metric, usize); 11] {
    let was = |test: fn(&Booking) -> bool| old.is_some_and(test);
    let began = |test: fn(&Booking) -> bool| usize::from(test(new) && !was(test));
    let failures = old.map_or(0, |old| old.payment.failures.len());
    [
        (Metric::HoldsExpired, began(|booking| booking.status == Status::Cancelled(Reason::Expired))),
        (Metric::BookingsConfirmed, began(is_confirmed)),
        (Metric::BookingsPaid, began(Booking::is_paid)),
        (Metric::LatePayments, usize::from(was(is_cancelled) && is_confirmed(new))),
        (Metric::PaymentsFailed, new.payment.failures.len().saturating_sub(failures)),
        (Metric::RefundsOwed, usize::from(given(new) > old.map_or(0, given))),
        (Metric::RefundsDone, began(|booking| given(booking) > 0 && !booking.owes_refund())),
        (Metric::WaitlistOffers, usize::from(new.offered && old.is_none())),
        (Metric::WaitlistTaken, usize::from(new.offered && began(is_confirmed) > 0)),
        (Metric::WaitlistLapsed, usize::from(new.offered && was(is_pending) && is_cancelled(new))),
        (Metric::DisputesOpened, began(|booking| has_dispute(booking, DisputeStatus::is_open))),
    ]
}

fn is_confirmed(booking: &Booking) -> bool {
    booking.status == Status::Confirmed
}

fn is_pending(booking: &Booking) -> bool {
    booking.status == Status::Pending
}

fn is_cancelled(booking: &Booking) -> bool {
    matches!(booking.status, Status::Cancelled(_))
}

/// What is given back or owed in all, in minor units.
fn given(booking: &Booking) -> i64 {
    booking.refund.map_or(0, |refund| refund.amount_minor)
}

/// Whether its payment is disputed, and the dispute is there.
fn has_dispute(booking: &Booking, is_there: fn(DisputeStatus) -> bool) -> bool {
    booking.dispute.is_some_and(|Dispute { status, .. }| is_there(status))
}
