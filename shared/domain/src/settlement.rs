//! What to do next about a booking: the one table behind confirm, webhook, sweep, release and every claimer.
//!
//! [`next`] looks at the booking as read and at the provider's intent as far as it is known, and names ONE step. The
//! caller carries it out, looks again, and asks again, until the answer is [`Step::Rest`]. No step is ever skipped
//! because of who asks: that is what makes a crash between any two of them harmless. The protocol was explored
//! exhaustively as a model; the conditions under which the table accepts each step are in `store`.

use crate::{
    Timestamp,
    booking::{Booking, PAYMENT_FAILURES_MAX, PROCESSING_QUIET_MAX, PROCESSING_RECHECK, Reason, RefundStatus, Status},
    payment::{Intent, IntentStatus},
    time::shift,
};

/// Why the booking is being looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The provider may have news: a webhook, or the buyer asks to pay again. Ends nothing by itself.
    Hint,
    /// Its time may be up, or it may owe somebody: a timer, the sweep, a claimer in need of its seats.
    Due,
    /// The buyer gives the hold back.
    Release,
}

/// What is known of the intent in this round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// Nobody asked yet.
    #[default]
    NotAsked,
    /// As the provider answered.
    Is(Intent),
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is left to do for now.
    Rest,
    /// Fetch the recorded intent.
    Ask,
    /// Get hold of an intent that was never recorded: create it under the booking's key, so that it can be cancelled.
    Create,
    /// The payment is processing: keep the seats and look again at this time. `alarm` when that has gone on too long.
    Extend {
        /// When to look again.
        until: Timestamp,
        /// Whether a person should know.
        alarm: bool,
    },
    /// Put up the fence: from here on nobody can confirm, extend or start a payment.
    Close,
    /// Take the fence down: the money is taken already, so the seats are sold.
    Reopen,
    /// Make sure the intent can never be paid.
    Cancel,
    /// Give the seats back, for this reason.
    Release(Reason),
    /// Sell the seats: the money is authorised.
    Confirm,
    /// Take the authorised money.
    Capture,
    /// Record that it is taken: the booking is paid.
    RecordCapture,
    /// The authorisation is gone: the sale is undone.
    TakeBack,
    /// A payment came after the hold's end: take the same seats again, if they are free.
    Reclaim,
    /// Money was taken and there are no seats for it: owe all of it.
    OweRefund,
    /// Make sure the provider has the refund, then record it.
    Refund,
    /// The refund needs no money moved: record it.
    RecordRefund,
    /// It owes nobody anything: stop looking.
    Settle,
    /// The provider says something that this protocol cannot lead to. A person must look; it stays due.
    Alarm(&'static str),
}

/// The next step for `booking`. `reclaimable` says whether taking its seats again is still worth trying in this round.
#[must_use]
pub fn next(booking: &Booking, known: &Known, cause: Cause, reclaimable: bool, now: Timestamp) -> Step {
    match booking.status {
        Status::Pending => pending(booking, known, cause, now),
        Status::Confirmed => confirmed(booking, known),
        Status::Cancelled(reason) => cancelled(booking, known, reason, reclaimable),
    }
}

/// Whether the intent is for exactly what the booking costs.
fn matches(booking: &Booking, intent: &Intent) -> bool {
    intent.amount == booking.total()
}

fn is_failed(booking: &Booking) -> bool {
    booking.payment.failures.len() >= PAYMENT_FAILURES_MAX
}

fn pending(booking: &Booking, known: &Known, cause: Cause, now: Timestamp) -> Step {
    let payment = &booking.payment;
    let over = match cause {
        Cause::Release => true,
        Cause::Due => booking.is_overdue(now) || payment.closing,
        Cause::Hint => false,
    };
    if !over && !is_failed(booking) {
        return pending_hint(booking, known, cause);
    }
    let reason = match cause {
        _ if is_failed(booking) => Reason::PaymentFailed,
        Cause::Release => Reason::Released,
        Cause::Due | Cause::Hint => Reason::Expired,
    };
    if payment.started_at.is_none() {
        return Step::Release(reason);
    }
    if payment.closing {
        return closing(booking, known, reason);
    }
    match known {
        Known::NotAsked if payment.intent.is_some() => Step::Ask,
        // Nobody recorded one: nobody was given its secret. The fence, then create and cancel.
        Known::NotAsked => Step::Close,
        Known::Is(intent) => match intent.status {
            IntentStatus::Authorised | IntentStatus::Captured if matches(booking, intent) => Step::Confirm,
            IntentStatus::Captured => Step::Alarm("money of another amount was taken for a pending booking"),
            IntentStatus::Processing if cause == Cause::Release => Step::Rest,
            IntentStatus::Processing => processing(booking, now),
            _ => Step::Close,
        },
    }
}

fn pending_hint(booking: &Booking, known: &Known, cause: Cause) -> Step {
    let asks = cause == Cause::Hint && booking.payment.started_at.is_some() && !booking.payment.closing;
    match known {
        Known::NotAsked if asks && booking.payment.intent.is_some() => Step::Ask,
        Known::Is(intent) if asks => match intent.status {
            IntentStatus::Authorised | IntentStatus::Captured if matches(booking, intent) => Step::Confirm,
            IntentStatus::Captured => Step::Alarm("money of another amount was taken for a pending booking"),
            _ => Step::Rest,
        },
        _ => Step::Rest,
    }
}

fn processing(booking: &Booking, now: Timestamp) -> Step {
    let since = booking.payment.started_at.unwrap_or(booking.created_at);
    let alarm = now >= shift(since, PROCESSING_QUIET_MAX);
    Step::Extend { until: shift(now, PROCESSING_RECHECK), alarm }
}

/// Behind the fence: cancel the intent, whatever it takes, then let go of the seats.
fn closing(booking: &Booking, known: &Known, reason: Reason) -> Step {
    match known {
        Known::NotAsked if booking.payment.intent.is_some() => Step::Ask,
        Known::NotAsked => Step::Create,
        Known::Is(intent) => match intent.status {
            IntentStatus::RequiresPayment | IntentStatus::RequiresAction | IntentStatus::Authorised => Step::Cancel,
            IntentStatus::Cancelled => Step::Release(reason),
            IntentStatus::Captured if matches(booking, intent) => Step::Reopen,
            IntentStatus::Captured => Step::Alarm("money of another amount was taken for a closing booking"),
            // Neither to be cancelled nor to be sold: it stays due and is asked about again.
            IntentStatus::Processing => Step::Rest,
        },
    }
}

fn confirmed(booking: &Booking, known: &Known) -> Step {
    if booking.payment.captured_at.is_some() {
        return Step::Rest;
    }
    match known {
        Known::NotAsked if booking.payment.intent.is_some() => Step::Ask,
        Known::NotAsked => Step::Alarm("a confirmed booking has no intent"),
        Known::Is(intent) => match intent.status {
            IntentStatus::Authorised => Step::Capture,
            IntentStatus::Captured => Step::RecordCapture,
            IntentStatus::Cancelled => Step::TakeBack,
            IntentStatus::RequiresPayment | IntentStatus::RequiresAction | IntentStatus::Processing => {
                Step::Alarm("a confirmed booking's authorisation is in doubt")
            }
        },
    }
}

fn cancelled(booking: &Booking, known: &Known, reason: Reason, reclaimable: bool) -> Step {
    let payment = &booking.payment;
    let owes = booking.refund.is_some_and(|refund| refund.status == RefundStatus::Pending);
    if booking.refund.is_some() && !owes {
        return if booking.due_at.is_some() { Step::Settle } else { Step::Rest };
    }
    // Paid, then cancelled without a refund (the policy's 0 %): the money was dealt with in that very write.
    let dealt_with = payment.captured_at.is_some() && booking.refund.is_none();
    if payment.started_at.is_none() || dealt_with {
        return if booking.due_at.is_some() { Step::Settle } else { Step::Rest };
    }
    let intent = match known {
        Known::NotAsked if payment.intent.is_some() => return Step::Ask,
        Known::NotAsked if booking.due_at.is_some() => return Step::Create,
        Known::NotAsked => return Step::Rest,
        Known::Is(intent) => intent,
    };
    if owes {
        return match intent.status {
            IntentStatus::Captured => Step::Refund,
            IntentStatus::Cancelled => Step::RecordRefund,
            IntentStatus::Processing => Step::Rest,
            _ => Step::Cancel,
        };
    }
    let again = reason == Reason::Expired && !payment.closing && reclaimable && matches(booking, intent);
    match intent.status {
        IntentStatus::Authorised | IntentStatus::Captured if again => Step::Reclaim,
        IntentStatus::Authorised => Step::Cancel,
        IntentStatus::Captured => Step::OweRefund,
        IntentStatus::Cancelled if booking.due_at.is_some() => Step::Settle,
        IntentStatus::RequiresPayment | IntentStatus::RequiresAction if booking.due_at.is_some() => Step::Cancel,
        _ => Step::Rest,
    }
}

#[cfg(test)]
mod explore;
#[cfg(test)]
pub(crate) mod tests;
