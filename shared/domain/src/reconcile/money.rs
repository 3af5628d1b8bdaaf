//! The provider's books and ours.

use crate::{
    Timestamp,
    booking::{Booking, RefundStatus, Status},
    money::Money,
    payment::{Intent, IntentStatus, ListedIntent, ProviderRefund},
    reconcile::Kind,
    settlement::Cause,
};

/// What the provider says was given back of one intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refunds {
    /// Nobody asked yet.
    Untold,
    /// The sum, as the list of intents tells it.
    Sum(Money),
    /// Each of them.
    Each(Vec<ProviderRefund>),
}

/// What the provider says of one intent and the money in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The intent.
    pub intent: Intent,
    /// What was taken, once something is; `None` where it was not told.
    pub received: Option<Money>,
    /// What was given back.
    pub refunds: Refunds,
}

impl From<ListedIntent> for Seen {
    fn from(listed: ListedIntent) -> Self {
        let refunds = listed.refunded.map_or(Refunds::Untold, Refunds::Sum);
        Self { intent: listed.intent, received: listed.received, refunds }
    }
}

/// What to make of an intent and its booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They tell the same story.
    Agrees,
    /// The intent is no business of ours.
    Foreign,
    /// It depends on each of its refunds: ask for them.
    Look,
    /// The settlement protocol mends it. If it does not, `kind` is the finding.
    Drive {
        /// Why the booking is looked at.
        cause: Cause,
        /// What it is if driving does not help.
        kind: Kind,
    },
    /// What our books call given back the provider could not deliver: the settlement protocol owes it again. If that does
    /// not help, this is the finding.
    OweAgain(Kind),
    /// A person must look.
    Found(Kind),
}

use Verdict::{Agrees, Drive, Found, OweAgain};

/// Compares an intent with its booking, as read at `now`.
#[must_use]
pub fn compare(booking: Option<&Booking>, seen: &Seen, now: Timestamp) -> Verdict {
    let intent = &seen.intent;
    if intent.booking.is_none() && booking.is_none() {
        return Verdict::Foreign;
    }
    let Some(booking) = booking else { return unclaimed(seen, Kind::BookingAbsent) };
    if booking.payment.intent.as_ref() != Some(&intent.id) {
        return unrecorded(booking, seen, now);
    }
    let total = booking.total();
    let part = seen.received.is_some_and(|received| intent.status == IntentStatus::Captured && received != total);
    if intent.status != IntentStatus::Cancelled && (intent.amount != total || part) {
        // Over, and all of it given back: a person has dealt with it.
        let over = matches!(booking.status, Status::Cancelled(_));
        return if over { unclaimed(seen, Kind::AmountDiffers) } else { Found(Kind::AmountDiffers) };
    }
    match booking.status {
        Status::Pending => pending(booking, intent, now),
        Status::Confirmed => confirmed(booking, seen),
        Status::Cancelled(_) => cancelled(booking, seen),
    }
}

/// Nothing of ours stands against this intent: it is `kind` while there is, or may come, money in it.
fn unclaimed(seen: &Seen, kind: Kind) -> Verdict {
    if seen.intent.status == IntentStatus::Cancelled {
        return Agrees;
    }
    let taken = seen.received.unwrap_or(seen.intent.amount).amount_minor;
    match (seen.intent.status, &seen.refunds) {
        (IntentStatus::Captured, Refunds::Untold) => Verdict::Look,
        (IntentStatus::Captured, Refunds::Sum(sum)) if sum.amount_minor >= taken => Agrees,
        (IntentStatus::Captured, Refunds::Each(refunds)) if given_back(refunds) >= taken => Agrees,
        _ => Found(kind),
    }
}

/// An intent that its booking does not know.
fn unrecorded(booking: &Booking, seen: &Seen, now: Timestamp) -> Verdict {
    let kind = Kind::SecondIntent;
    // Made, and the writing of it was lost: nobody was told its secret. Whoever pays next, or ends the hold, finds it.
    let half_made = booking.payment.intent.is_none() && booking.payment.started_at.is_some();
    match booking.status {
        Status::Pending if half_made && is_over(booking, now) => Drive { cause: Cause::Due, kind },
        Status::Pending if half_made => Agrees,
        _ => unclaimed(seen, kind),
    }
}

fn is_over(booking: &Booking, now: Timestamp) -> bool {
    booking.is_overdue(now) || booking.payment.closing
}

fn pending(booking: &Booking, intent: &Intent, now: Timestamp) -> Verdict {
    let over = is_over(booking, now);
    let cause = if over { Cause::Due } else { Cause::Hint };
    match intent.status {
        IntentStatus::Captured => Drive { cause, kind: Kind::TakenNotSold },
        IntentStatus::Authorised => Drive { cause, kind: Kind::AuthorisedNotSold },
        // Its seats are kept for as long as that takes; the sweep asks, and tells when it takes too long.
        IntentStatus::Processing => Agrees,
        _ if over => Drive { cause, kind: Kind::NotReleased },
        _ => Agrees,
    }
}

fn confirmed(booking: &Booking, seen: &Seen) -> Verdict {
    let kind = Kind::NotCaptured;
    match (booking.payment.captured_at, seen.intent.status) {
        (Some(_), IntentStatus::Captured) => refunds(booking, seen),
        (None, IntentStatus::Captured | IntentStatus::Authorised | IntentStatus::Cancelled) => {
            Drive { cause: Cause::Due, kind }
        }
        _ => Found(kind),
    }
}

fn cancelled(booking: &Booking, seen: &Seen) -> Verdict {
    let due = |kind| Drive { cause: Cause::Due, kind };
    let status = seen.intent.status;
    if booking.payment.captured_at.is_some() && status != IntentStatus::Captured {
        return Found(Kind::NotCaptured);
    }
    match status {
        IntentStatus::Captured if booking.payment.captured_at.is_none() && booking.refund.is_none() => {
            due(Kind::TakenNotSold)
        }
        IntentStatus::Captured => refunds(booking, seen),
        IntentStatus::Authorised => due(Kind::AuthorisedNotSold),
        IntentStatus::Cancelled if is_owed(booking) => due(Kind::RefundOpen),
        // What it becomes is seen by the next pass.
        IntentStatus::Cancelled | IntentStatus::Processing => Agrees,
        IntentStatus::RequiresPayment | IntentStatus::RequiresAction if booking.due_at.is_some() => {
            due(Kind::OpenAfterEnd)
        }
        IntentStatus::RequiresPayment | IntentStatus::RequiresAction => Found(Kind::OpenAfterEnd),
    }
}

fn is_owed(booking: &Booking) -> bool {
    booking.refund.is_some_and(|refund| refund.status == RefundStatus::Pending)
}

/// What was given back, in minor units of the intent's currency. What the provider did not accept was not.
fn given_back(refunds: &[ProviderRefund]) -> i64 {
    let accepted = refunds.iter().filter(|refund| refund.accepted);
    accepted.fold(0, |sum, refund| sum.saturating_add(refund.amount.amount_minor))
}

/// The money is taken: is as much given back as the booking says?
fn refunds(booking: &Booking, seen: &Seen) -> Verdict {
    let recorded = booking.refund.map_or(0, |refund| refund.amount_minor);
    let each = match &seen.refunds {
        Refunds::Sum(sum) if sum.amount_minor == 0 && recorded == 0 && !is_owed(booking) => return Agrees,
        Refunds::Untold | Refunds::Sum(_) => return Verdict::Look,
        Refunds::Each(each) => each,
    };
    let given = given_back(each);
    let refused = each.iter().any(|refund| refund.booking == Some(booking.id) && !refund.accepted);
    let due = |kind| Drive { cause: Cause::Due, kind };
    match given.cmp(&recorded) {
        std::cmp::Ordering::Greater => Found(Kind::RefundedMore),
        std::cmp::Ordering::Equal if is_owed(booking) => due(Kind::RefundOpen),
        std::cmp::Ordering::Equal => Agrees,
        std::cmp::Ordering::Less if is_owed(booking) => {
            due(if refused { Kind::RefundRefused } else { Kind::RefundOpen })
        }
        std::cmp::Ordering::Less if refused => OweAgain(Kind::RefundRefused),
        std::cmp::Ordering::Less => OweAgain(Kind::RefundedLess),
    }
}
