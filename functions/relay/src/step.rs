//! What a step of a booking's life counts as, and its line in the log: the stream has every step once, whoever took it.

use domain::booking::{Booking, Reason, Status};
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
}

fn counted(old: Option<&Booking>, new: &Booking) -> [(Metric, usize); 7] {
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
    ]
}

fn is_confirmed(booking: &Booking) -> bool {
    booking.status == Status::Confirmed
}

fn is_cancelled(booking: &Booking) -> bool {
    matches!(booking.status, Status::Cancelled(_))
}

/// What is given back or owed in all, in minor units.
fn given(booking: &Booking) -> i64 {
    booking.refund.map_or(0, |refund| refund.amount_minor)
}
