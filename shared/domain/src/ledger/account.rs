//! What entries add up to: one booking's account, and a show's sums.
//!
//! **Captured = what standing tickets cost + what the policy kept + what was given back + what is owed back.** Each side
//! comes from entries of its own: the left from the captures, the right from sales, cancellations and refunds. It is
//! looked at for every booking by itself, so that one booking's error cannot hide another's.

use std::collections::BTreeMap;

use crate::{
    dispute::DisputeStatus,
    ids::BookingId,
    ledger::{Entry, Kind},
    money::Currency,
};

/// Bookings that do not add up are counted, and this many of them named.
pub const UNBALANCED_TOLD_MAX: usize = 20;

/// The entries cannot be added: an amount does not fit, or they are of different currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entries of {0} cannot be added")]
pub struct Unsummable(pub BookingId);

/// What the ledger says of one booking, in minor units of its currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What its tickets cost, while it has any.
    pub tickets: i64,
    /// What its tickets were worth that were cancelled after their money was taken.
    pub cancelled: i64,
    /// What was taken.
    pub captured: i64,
    /// All that was ever to be given back, done or not.
    pub owed_in_all: i64,
    /// What was given back.
    pub refunded: i64,
    /// What is or was disputed, and where that is.
    pub dispute: Option<(i64, DisputeStatus)>,
}

impl Account {
    /// Of one booking's entries, in any order, each any number of times. `None` when an amount does not fit.
    #[must_use]
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Option<Self> {
        // The name of an entry is its version and kind: the same one twice is one.
        let entries: BTreeMap<(u64, Kind), &Entry> =
            entries.into_iter().map(|entry| ((entry.version, entry.kind), entry)).collect();
        let mut account = Self::default();
        for entry in entries.into_values() {
            let amount = entry.amount_minor;
            match entry.kind {
                Kind::PaymentStarted | Kind::IntentRecorded | Kind::PaymentFailed => {}
                Kind::Sold => account.tickets = account.tickets.checked_add(amount)?,
                Kind::Captured => account.captured = account.captured.checked_add(amount)?,
                Kind::SaleTakenBack => account.tickets = account.tickets.checked_sub(amount)?,
                Kind::Cancelled => {
                    account.tickets = account.tickets.checked_sub(amount)?;
                    account.cancelled = account.cancelled.checked_add(amount)?;
                }
                // Totals so far, in the order of versions: the latest one counts.
                Kind::RefundOwed => account.owed_in_all = amount,
                Kind::RefundDone => account.refunded = amount,
                // How much of it had come back before, nobody knows: all of it counts as owed until it is done again.
                Kind::RefundFailed => account.refunded = 0,
                Kind::Disputed | Kind::DisputeChanged | Kind::DisputeClosed => {
                    account.dispute = entry.dispute.map(|status| (amount, status)).or(account.dispute);
                }
            }
        }
        Some(account)
    }

    /// What is reserved for tickets and not taken yet.
    #[must_use]
    pub const fn authorised(&self) -> i64 {
        if self.captured == 0 { self.tickets } else { 0 }
    }

    /// What is still to be given back.
    #[must_use]
    pub const fn owed(&self) -> i64 {
        self.owed_in_all.saturating_sub(self.refunded)
    }

    /// What the tickets that stand cost their buyer, less what was given or is owed back on them.
    #[must_use]
    pub const fn standing(&self) -> i64 {
        if self.captured == 0 || self.tickets == 0 { 0 } else { self.tickets.saturating_sub(self.owed_in_all) }
    }

    /// What the policy kept of cancelled tickets.
    #[must_use]
    pub const fn kept(&self) -> i64 {
        if self.cancelled == 0 { 0 } else { self.cancelled.saturating_sub(self.owed_in_all) }
    }

    /// Whether captured = standing + kept + refunded + owed, and none of them is less than nothing.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let parts = [self.standing(), self.kept(), self.refunded, self.owed()];
        let sum = parts.iter().try_fold(0_i64, |sum, part| sum.checked_add(*part));
        let signs = [self.tickets, self.captured, self.owed_in_all].iter().chain(&parts).all(|part| *part >= 0);
        signs && self.refunded <= self.owed_in_all && sum == Some(self.captured)
    }
}

/// How many bookings are how far. The first four are every booking that somebody began to pay, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Their tickets stand and are paid.
    pub paid: u64,
    /// Their seats are sold; the money is reserved and has yet to be taken.
    pub authorised: u64,
    /// Their money was taken, and their tickets stand no more, or never did.
    pub cancelled: u64,
    /// No money was taken, and they have no tickets.
    pub unpaid: u64,
    /// Of all these, those with an open dispute.
    pub disputed: u64,
}

/// What a show's ledger adds up to, in minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Of every amount.
    pub currency: Currency,
    /// Reserved and not taken yet.
    pub authorised: i64,
    /// Taken.
    pub captured: i64,
    /// What standing tickets cost, less what was given back on them.
    pub standing: i64,
    /// Kept of cancelled tickets.
    pub kept: i64,
    /// Given back.
    pub refunded: i64,
    /// Still to be given back.
    pub refunds_owed: i64,
    /// In open disputes.
    pub disputed: i64,
    /// Lost in disputes. The bank has taken it: it is in `captured` and in no other sum's place.
    pub disputes_lost: i64,
    /// How many bookings.
    pub bookings: Counts,
    /// Bookings that do not add up.
    pub unbalanced: u64,
    /// The first [`UNBALANCED_TOLD_MAX`] of these.
    pub unbalanced_first: Vec<BookingId>,
}

impl Sums {
    /// Nothing yet.
    #[must_use]
    pub const fn new(currency: Currency) -> Self {
        Self {
            currency,
            authorised: 0,
            captured: 0,
            standing: 0,
            kept: 0,
            refunded: 0,
            refunds_owed: 0,
            disputed: 0,
            disputes_lost: 0,
            bookings: Counts { paid: 0, authorised: 0, cancelled: 0, unpaid: 0, disputed: 0 },
            unbalanced: 0,
            unbalanced_first: Vec::new(),
        }
    }

    /// Adds all entries of one booking.
    ///
    /// # Errors
    /// They cannot be added: that is never skipped over.
    pub fn add(&mut self, booking: BookingId, entries: &[Entry]) -> Result<(), Unsummable> {
        let foreign = entries.iter().any(|entry| entry.currency != self.currency || entry.booking != booking);
        let account = Account::of(entries).filter(|_| !foreign).ok_or(Unsummable(booking))?;
        self.add_amounts(&account).ok_or(Unsummable(booking))?;
        self.count(&account);
        if !account.is_balanced() {
            self.unbalanced += 1;
            if self.unbalanced_first.len() < UNBALANCED_TOLD_MAX {
                self.unbalanced_first.push(booking);
            }
        }
        Ok(())
    }

    fn add_amounts(&mut self, account: &Account) -> Option<()> {
        let in_dispute = |is: fn(DisputeStatus) -> bool| match account.dispute {
            Some((amount, status)) if is(status) => amount,
            _ => 0,
        };
        let parts = [
            (&mut self.authorised, account.authorised()),
            (&mut self.captured, account.captured),
            (&mut self.standing, account.standing()),
            (&mut self.kept, account.kept()),
            (&mut self.refunded, account.refunded),
            (&mut self.refunds_owed, account.owed()),
            (&mut self.disputed, in_dispute(DisputeStatus::is_open)),
            (&mut self.disputes_lost, in_dispute(|status| status == DisputeStatus::Lost)),
        ];
        add_all(parts)
    }

    /// The sums of both, of the same currency; `None` when they do not fit.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let amounts = [
            (&mut self.authorised, other.authorised),
            (&mut self.captured, other.captured),
            (&mut self.standing, other.standing),
            (&mut self.kept, other.kept),
            (&mut self.refunded, other.refunded),
            (&mut self.refunds_owed, other.refunds_owed),
            (&mut self.disputed, other.disputed),
            (&mut self.disputes_lost, other.disputes_lost),
        ];
        add_all(amounts)?;
        let (counts, more) = (&mut self.bookings, other.bookings);
        counts.paid += more.paid;
        counts.authorised += more.authorised;
        counts.cancelled += more.cancelled;
        counts.unpaid += more.unpaid;
        counts.disputed += more.disputed;
        self.unbalanced += other.unbalanced;
        self.unbalanced_first.extend(other.unbalanced_first);
        self.unbalanced_first.truncate(UNBALANCED_TOLD_MAX);
        Some(self)
    }

    const fn count(&mut self, account: &Account) {
        let counts = &mut self.bookings;
        match (account.tickets != 0, account.captured != 0) {
            (true, true) => counts.paid += 1,
            (true, false) => counts.authorised += 1,
            (false, true) => counts.cancelled += 1,
            (false, false) => counts.unpaid += 1,
        }
        if matches!(account.dispute, Some((_, status)) if status.is_open()) {
            counts.disputed += 1;
        }
    }

    /// Whether every booking adds up, and so the show does.
    #[must_use]
    pub const fn is_balanced(&self) -> bool {
        self.unbalanced == 0
    }
}

fn add_all<const N: usize>(parts: [(&mut i64, i64); N]) -> Option<()> {
    for (sum, part) in parts {
        *sum = sum.checked_add(part)?;
    }
    Some(())
}
