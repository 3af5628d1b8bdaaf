//! What can be found, and what a person does about it.

use std::fmt;

use serde::Serialize;

use crate::ids::{BookingId, IntentId};

/// What two books disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An intent names a booking of ours that does not exist.
    BookingAbsent,
    /// An intent that its booking does not know: it has another, or none.
    SecondIntent,
    /// An intent is for another amount or currency than its booking, or was taken in part.
    AmountDiffers,
    /// Money is taken for a booking that has no seats for it and owes nothing.
    TakenNotSold,
    /// Money is reserved for a booking that is not waiting for it.
    AuthorisedNotSold,
    /// Seats are sold for money that the provider has not taken.
    NotCaptured,
    /// A booking is over, and its intent can still be paid.
    OpenAfterEnd,
    /// A hold is over, and it does not end.
    NotReleased,
    /// The provider gave back more than our books say.
    RefundedMore,
    /// The provider gave back less than our books say.
    RefundedLess,
    /// A refund of ours was not accepted by the provider, or failed later.
    RefundRefused,
    /// A refund is owed and does not come to its end.
    RefundOpen,
    /// A booking's intent does not exist at the provider.
    IntentAbsent,
    /// A booking lives without one of its seats.
    SeatMissing,
    /// A seat belongs to a booking that is over, absent, or not for this seat.
    SeatStray,
    /// A buyer's tally is not the sum of their bookings.
    TallyDiffers,
    /// Something cannot be read, so it is not compared.
    Unreadable,
}

impl Kind {
    /// All of them: the table of `docs/reconcile.md` has a row for each.
    pub const ALL: [Self; 17] = [
        Self::BookingAbsent,
        Self::SecondIntent,
        Self::AmountDiffers,
        Self::TakenNotSold,
        Self::AuthorisedNotSold,
        Self::NotCaptured,
        Self::OpenAfterEnd,
        Self::NotReleased,
        Self::RefundedMore,
        Self::RefundedLess,
        Self::RefundRefused,
        Self::RefundOpen,
        Self::IntentAbsent,
        Self::SeatMissing,
        Self::SeatStray,
        Self::TallyDiffers,
        Self::Unreadable,
    ];

    /// What an operator does about it.
    #[must_use]
    pub const fn todo(self) -> &'static str {
        match self {
            Self::BookingAbsent => {
                "Find out who made the intent: another stack on the same account, or a table that was restored. If nobody \
                 has seats for it, refund or cancel it at the provider."
            }
            Self::SecondIntent => "Cancel the intent at the provider; refund it there if it was taken.",
            Self::AmountDiffers => {
                "Compare the intent's history at the provider with the booking. Refund the difference there, or all of it \
                 and cancel the booking."
            }
            Self::TakenNotSold => {
                "Look at the booking's log lines: the settlement was tried and did not mend it. If it stays, refund the \
                 intent at the provider."
            }
            Self::AuthorisedNotSold => {
                "Look at the booking's log lines: the settlement was tried and did not mend it. If it stays, cancel the \
                 intent at the provider."
            }
            Self::NotCaptured => {
                "The buyer has seats that are not paid for. Look at the intent at the provider; take the payment there, or \
                 cancel the booking."
            }
            Self::OpenAfterEnd => "Cancel the intent at the provider, so that nobody pays for a booking that is over.",
            Self::NotReleased => "Look at the booking's log lines; its seats stay kept until it ends.",
            Self::RefundedMore => {
                "Somebody refunded at the provider without Usher. If it was meant, note it in the accounts: the booking's \
                 record is not changed."
            }
            Self::RefundedLess => "Refund the difference at the provider, with the booking's id in the metadata.",
            Self::RefundRefused => {
                "See at the provider why the refund failed. Pay the buyer back another way, or refund again there, with the \
                 booking's id in the metadata."
            }
            Self::RefundOpen => "Look at the booking's log lines: the refund was tried and is still owed.",
            Self::IntentAbsent => {
                "Check that the provider's account and key are the ones that sold. The money of this booking is not there."
            }
            Self::SeatMissing => {
                "The seat may be sold to somebody else. Give this buyer other seats, or cancel and refund the booking."
            }
            Self::SeatStray => {
                "Nobody can buy the seat. Once it is sure that the booking has no claim to it, delete the seat's item."
            }
            Self::TallyDiffers => {
                "The buyer may be refused too early or too late. Correct the buyer's item to the sum of their bookings."
            }
            Self::Unreadable => "Read the item or the intent by hand. What stands near it was not compared either.",
        }
    }
}

/// The word that it is serialized as.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One disagreement that a person must look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// About which booking.
    pub booking_id: Option<BookingId>,
    /// About which intent, where one is concerned.
    pub intent_id: Option<IntentId>,
    /// What the books say.
    pub detail: String,
    /// What to do about it.
    pub todo: &'static str,
}

impl Finding {
    /// A finding of `kind`.
    #[must_use]
    pub fn new(kind: Kind, booking_id: Option<BookingId>, intent_id: Option<IntentId>, detail: String) -> Self {
        Self { kind, booking_id, intent_id, detail, todo: kind.todo() }
    }
}
