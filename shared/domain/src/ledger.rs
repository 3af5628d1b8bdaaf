//! The ledger: every money step of every booking, as an entry that is written once and never changed.
//!
//! Entries are derived from two images of a booking, as events are ([`crate::event`]): whoever made the change, and
//! however often it is looked at, the same change gives the same entries under the same ids. What a show's money is,
//! and whether it adds up, is computed from entries alone ([`account`]).

pub mod account;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    booking::{Booking, Reason, RefundStatus, Status},
    dispute::{Dispute, DisputeStatus},
    ids::{BookingId, IllFormed, IntentId, ShowId},
    money::Currency,
};

/// What happened to a booking's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The buyer began to pay: from now on there may be an intent at the provider. The amount is what is to be paid.
    PaymentStarted,
    /// The intent's name is recorded, and its secret told to the buyer.
    IntentRecorded,
    /// An attempt to pay failed. No money moved.
    PaymentFailed,
    /// The seats are sold; the money is reserved.
    Sold,
    /// The money is taken.
    Captured,
    /// The sale is undone before its money was taken.
    SaleTakenBack,
    /// The booking is over. The amount is what its tickets were worth: nothing when none had been sold.
    Cancelled,
    /// Money is owed back. The amount is **all** that is owed or given back of this booking so far.
    RefundOwed,
    /// The provider has what was owed. The amount is **all** that is given back of this booking so far.
    RefundDone,
    /// What the provider had taken on did not reach the buyer. The amount is all that is owed of this booking again.
    RefundFailed,
    /// A dispute was opened.
    Disputed,
    /// A dispute is about another amount or somewhere else, and still open.
    DisputeChanged,
    /// The bank has decided: the entry says how.
    DisputeClosed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::PaymentStarted,
        Self::IntentRecorded,
        Self::PaymentFailed,
        Self::Sold,
        Self::Captured,
        Self::SaleTakenBack,
        Self::Cancelled,
        Self::RefundOwed,
        Self::RefundDone,
        Self::RefundFailed,
        Self::Disputed,
        Self::DisputeChanged,
        Self::DisputeClosed,
    ];

    /// Its word, in the API and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentStarted => "payment-started",
            Self::IntentRecorded => "intent-recorded",
            Self::PaymentFailed => "payment-failed",
            Self::Sold => "sold",
            Self::Captured => "captured",
            Self::SaleTakenBack => "sale-taken-back",
            Self::Cancelled => "cancelled",
            Self::RefundOwed => "refund-owed",
            Self::RefundDone => "refund-done",
            Self::RefundFailed => "refund-failed",
            Self::Disputed => "disputed",
            Self::DisputeChanged => "dispute-changed",
            Self::DisputeClosed => "dispute-closed",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = IllFormed;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(IllFormed("ledger kind"))
    }
}

/// Who made a step, as far as the booking tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// Who pays.
    Buyer,
    /// Whose show it is.
    Organiser,
    /// Usher, by its rules.
    System,
    /// The payment provider, or the bank behind it.
    Provider,
}

/// One money step of one booking. Booking, version and kind name it: an entry has no other id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose money.
    pub booking: BookingId,
    /// At which show.
    pub show: ShowId,
    /// The booking's version after the step.
    pub version: u64,
    /// When: as the booking says, else when the table took the change, in whole seconds.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// In minor units of `currency`; what it is the amount of, [`Kind`] says.
    pub amount_minor: i64,
    /// Of the amount.
    pub currency: Currency,
    /// The provider's name of the payment, once it is recorded.
    pub intent: Option<IntentId>,
    /// Who did it.
    pub who: Who,
    /// Why the booking is over, where it is.
    pub reason: Option<Reason>,
    /// Where the dispute is, of the entries about one.
    pub dispute: Option<DisputeStatus>,
}

/// The money steps that the change from `old` to `new` of one booking means; none for most changes. `at` is when the
/// table took the change.
#[must_use]
pub fn steps(old: Option<&Booking>, new: &Booking, at: Timestamp) -> Vec<Entry> {
    let total = new.total().amount_minor;
    let entry = |kind, at, amount_minor, who| Entry {
        booking: new.id,
        show: new.show,
        version: new.version,
        at,
        kind,
        amount_minor,
        currency: new.currency,
        intent: new.payment.intent.clone(),
        who,
        reason: new.status.reason(),
        dispute: None,
    };
    let began = |test: fn(&Booking) -> bool| test(new) && !old.is_some_and(test);
    let failures = old.map_or(0, |old| old.payment.failures.len());
    let mut entries = Vec::new();
    if began(is_started) {
        entries.push(entry(Kind::PaymentStarted, new.payment.started_at.unwrap_or(at), total, Who::Buyer));
    }
    if began(|booking| booking.payment.intent.is_some()) {
        entries.push(entry(Kind::IntentRecorded, at, total, Who::System));
    }
    if new.payment.failures.len() > failures {
        entries.push(entry(Kind::PaymentFailed, at, total, Who::Provider));
    }
    if began(is_confirmed) {
        entries.push(entry(Kind::Sold, at, total, Who::Provider));
    }
    if began(is_taken) {
        entries.push(entry(Kind::Captured, new.payment.captured_at.unwrap_or(at), total, Who::System));
    }
    entries.extend(ended(old, new).map(|(kind, amount_minor, who)| entry(kind, at, amount_minor, who)));
    entries.extend(refunded(old, new).map(|(kind, amount_minor, who)| entry(kind, at, amount_minor, who)));
    let disputes = disputed(old.and_then(|old| old.dispute), new.dispute);
    entries.extend(disputes.into_iter().map(|(kind, dispute)| Entry {
        dispute: Some(dispute.status),
        ..entry(kind, at, dispute.amount_minor, Who::Provider)
    }));
    entries
}

const fn is_started(booking: &Booking) -> bool {
    booking.payment.started_at.is_some()
}

fn is_confirmed(booking: &Booking) -> bool {
    booking.status == Status::Confirmed
}

/// Whether the provider has taken the money. What is owed back was taken, even where no sale came of it and so no
/// capture was recorded.
const fn is_taken(booking: &Booking) -> bool {
    booking.payment.captured_at.is_some() || booking.refund.is_some()
}

type Told = (Kind, i64, Who);

/// The end of a booking that somebody had begun to pay.
fn ended(old: Option<&Booking>, new: &Booking) -> Option<Told> {
    let reason = new.status.reason()?;
    if old.is_some_and(|old| old.status.reason().is_some()) || !is_started(new) {
        return None;
    }
    let was_sold = old.is_some_and(is_confirmed);
    let worth = if was_sold { new.total().amount_minor } else { 0 };
    let kind = if was_sold && !is_taken(new) { Kind::SaleTakenBack } else { Kind::Cancelled };
    Some((kind, worth, who_ends(reason)))
}

const fn who_ends(reason: Reason) -> Who {
    match reason {
        Reason::Released | Reason::Buyer => Who::Buyer,
        Reason::ShowCancelled => Who::Organiser,
        Reason::PaymentFailed => Who::Provider,
        Reason::Expired | Reason::SeatsLost => Who::System,
    }
}

/// What more is owed back, and what has come back. The totals are told, not the differences: of what the provider had
/// when a debt grew twice in a row, the images say nothing.
fn refunded(old: Option<&Booking>, new: &Booking) -> impl Iterator<Item = Told> + use<> {
    let amount = |booking: &Booking| booking.refund.map_or(0, |refund| refund.amount_minor);
    let done = |booking: &Booking| match booking.refund {
        Some(refund) if refund.status == RefundStatus::Done => refund.amount_minor,
        _ => 0,
    };
    let was_done = old.map_or(0, done);
    // Done, and pending again without being more: the bank could not deliver it.
    let failed = was_done > 0 && done(new) == 0 && amount(new) == was_done;
    let owed = (amount(new) > old.map_or(0, amount)).then(|| (Kind::RefundOwed, amount(new), who_owes(old, new)));
    let back = (done(new) > 0 && done(new) != was_done).then(|| (Kind::RefundDone, done(new), Who::Provider));
    let lost = failed.then(|| (Kind::RefundFailed, amount(new), Who::Provider));
    owed.into_iter().chain(back).chain(lost)
}

/// Whose decision it was that money goes back.
fn who_owes(old: Option<&Booking>, new: &Booking) -> Who {
    let had_ended = old.is_some_and(|old| old.status.reason().is_some());
    match new.status.reason() {
        Some(reason) if !had_ended => who_ends(reason),
        // Taken for a booking without seats: nobody decides that it goes back.
        Some(_) if new.payment.captured_at.is_none() => Who::System,
        _ => Who::Organiser,
    }
}

fn disputed(old: Option<Dispute>, new: Option<Dispute>) -> Vec<(Kind, Dispute)> {
    let Some(dispute) = new.filter(|_| new != old) else { return Vec::new() };
    let was_open = old.is_some_and(|old| old.status.is_open());
    let is_open = dispute.status.is_open();
    // One that is heard of only when it is over was opened, too.
    let opened = (!was_open && (is_open || old.is_none())).then_some(Kind::Disputed);
    let went_on = match (is_open, opened) {
        (true, None) => Some(Kind::DisputeChanged),
        (true, Some(_)) => None,
        (false, _) => Some(Kind::DisputeClosed),
    };
    opened.into_iter().chain(went_on).map(|kind| (kind, dispute)).collect()
}

#[cfg(test)]
pub(crate) mod tests;
