//! What to do next about a booking: the one table behind confirm, webhook, sweep, release and every claimer.
//!
//! [`next`] looks at the booking as read and at the provider's intent as far as it is known, and names ONE step. The
//! caller carries it out, looks again, and asks again, until the answer is [`Step::Rest`]. No step is ever skipped
//! because of who asks: that is what makes a crash between any two of them harmless. The protocol was explored
//! exhaustively as a model; the conditions under which the table accepts each step are in `store`.

use crate::{
    Timestamp,
    booking::{Booking, PAYMENT_FAILURES_MAX, PROCESSING_QUIET_MAX, PROCESSING_RECHECK, Reason, Status},
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
    /// The organiser has cancelled the show.
    CallOff,
}

impl Cause {
    /// Why a booking that has not been paid ends for this cause, while its time is not up.
    const fn ends_for(self) -> Option<Reason> {
        match self {
            Self::Hint | Self::Due => None,
            Self::Release => Some(Reason::Released),
            Self::CallOff => Some(Reason::ShowCancelled),
        }
    }
}

/// Captures that the provider refuses of an authorisation that still stands, before it is given up.
pub const CAPTURES_REFUSED_MAX: u32 = 2;

/// What was tried in vain in this round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tried {
    /// Its seats could not be taken again.
    pub reclaim: bool,
    /// How many captures were refused.
    pub captures_refused: u32,
}

impl Tried {
    const fn capture(self) -> bool {
        self.captures_refused >= CAPTURES_REFUSED_MAX
    }
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
    /// The money of a late payment is reserved and there are no seats for it: record that, so that the buyer is told.
    LoseSeats,
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

/// The next step for `booking`.
#[must_use]
pub fn next(booking: &Booking, known: &Known, cause: Cause, tried: Tried, now: Timestamp) -> Step {
    match booking.status {
        Status::Pending => pending(booking, known, cause, now),
        Status::Confirmed if booking.is_paid() => paid(booking, known),
        Status::Confirmed => confirmed(booking, known, tried),
        Status::Cancelled(reason) => cancelled(booking, known, reason, tried),
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
        Cause::Release | Cause::CallOff => true,
        Cause::Due => booking.is_overdue(now) || payment.closing,
        Cause::Hint => false,
    };
    if !over && !is_failed(booking) {
        return pending_hint(booking, known, cause);
    }
    let reason = match cause.ends_for() {
        _ if is_failed(booking) => Reason::PaymentFailed,
        Some(reason) => reason,
        None => Reason::Expired,
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
            IntentStatus::Processing if cause.ends_for().is_some() => Step::Rest,
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

/// Sold, not captured yet.
fn confirmed(booking: &Booking, known: &Known, tried: Tried) -> Step {
    match known {
        Known::NotAsked if booking.payment.intent.is_some() => Step::Ask,
        Known::NotAsked => Step::Alarm("a confirmed booking has no intent"),
        Known::Is(intent) => match intent.status {
            // The provider will not let us have it, for whatever reason: nobody shall wait for it any longer.
            IntentStatus::Authorised if tried.capture() => Step::Cancel,
            IntentStatus::Authorised => Step::Capture,
            IntentStatus::Captured => Step::RecordCapture,
            IntentStatus::Cancelled => Step::TakeBack,
            IntentStatus::RequiresPayment | IntentStatus::RequiresAction | IntentStatus::Processing => {
                Step::Alarm("a confirmed booking's authorisation is in doubt")
            }
        },
    }
}

/// Sold and captured; some of it may have to be given back.
fn paid(booking: &Booking, known: &Known) -> Step {
    match known {
        _ if !booking.owes_refund() => Step::Rest,
        Known::NotAsked if booking.payment.intent.is_some() => Step::Ask,
        Known::Is(intent) if intent.status == IntentStatus::Captured => Step::Refund,
        _ => Step::Alarm("a paid booking owes a refund of money that was not taken"),
    }
}

fn cancelled(booking: &Booking, known: &Known, reason: Reason, tried: Tried) -> Step {
    let payment = &booking.payment;
    let owes = booking.owes_refund();
    // Paid, then cancelled without a refund (the policy's 0 %): the money was dealt with in that very write.
    let dealt_with = payment.captured_at.is_some() && booking.refund.is_none();
    if !owes && (booking.refund.is_some() || payment.started_at.is_none() || dealt_with) {
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
    // The fence kept everybody out until the intent was dead. If it lives all the same, the provider broke its word, and
    // there is nothing left for the fence to keep out.
    let again = reason == Reason::Expired && !tried.reclaim && matches(booking, intent);
    match intent.status {
        IntentStatus::Authorised | IntentStatus::Captured if again => Step::Reclaim,
        IntentStatus::Authorised if reason == Reason::Expired => Step::LoseSeats,
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
