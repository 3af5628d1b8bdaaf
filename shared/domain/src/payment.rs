//! What Usher knows of a payment at the provider.

use std::fmt;

use crate::{
    Timestamp,
    ids::{BookingId, IntentId, ReceiptId},
    money::Money,
};

/// Where the provider's intent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntentStatus {
    /// The buyer has not paid, or an attempt failed.
    RequiresPayment,
    /// The buyer has to pass the bank's check (3-D Secure).
    RequiresAction,
    /// The provider is at it.
    Processing,
    /// The money is reserved, not taken (`requires_capture`).
    Authorised,
    /// The money is taken (`succeeded`).
    Captured,
    /// It can never be paid.
    Cancelled,
}

/// The provider's record of one booking's payment, as fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct Intent {
    /// As the provider names it.
    pub id: IntentId,
    /// Where it is.
    pub status: IntentStatus,
    /// What it is for.
    pub amount: Money,
    /// From its metadata.
    pub booking: Option<BookingId>,
    /// What the buyer's browser pays with. Never logged.
    pub client_secret: Option<String>,
}

/// Without the secret.
impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intent({} {:?} {} for {:?})", self.id, self.status, self.amount, self.booking)
    }
}

/// An intent as the provider's list of all intents has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedIntent {
    /// As it was when the page was made.
    pub intent: Intent,
    /// When it was made.
    pub created_at: Timestamp,
    /// What was taken, once something is.
    pub received: Option<Money>,
    /// What was given back of that, where the list tells.
    pub refunded: Option<Money>,
}

/// An entry of the provider's list that makes no sense to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableIntent {
    /// As the provider names it; empty where not even that can be read.
    pub id: String,
    /// From its metadata.
    pub booking: Option<BookingId>,
    /// What is wrong with it.
    pub why: String,
}

/// A part of the provider's list of intents, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntentPage {
    /// Those that can be read, whoever made them.
    pub intents: Vec<ListedIntent>,
    /// The others.
    pub unreadable: Vec<UnreadableIntent>,
    /// Where to go on, while there are more.
    pub next: Option<IntentId>,
}

/// A refund the provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRefund {
    /// In the intent's currency.
    pub amount: Money,
    /// From its metadata.
    pub booking: Option<BookingId>,
    /// Whether the provider has accepted it (it may still be on its way to the buyer).
    pub accepted: bool,
}

/// What a webhook told: a hint about an intent, never a fact about money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// As the provider names this notification; the same one may come many times.
    pub id: ReceiptId,
    /// The provider's event type, such as `payment_intent.amount_capturable_updated`.
    pub kind: String,
    /// The intent it is about.
    pub intent: Option<IntentId>,
    /// The booking, from the intent's metadata.
    pub booking: Option<BookingId>,
}

impl Notification {
    /// Whether it is about a change that may matter to a booking. The others are acknowledged and ignored: a new intent
    /// is our own doing, and one that waits for its buyer waits.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !matches!(self.kind.as_str(), "payment_intent.created" | "payment_intent.requires_action")
    }

    /// Whether it is about a refund: one that was accepted may still fail at the bank, weeks later.
    #[must_use]
    pub fn is_about_refund(&self) -> bool {
        self.kind.starts_with("refund.") || self.kind.starts_with("charge.refund.")
    }

    /// Whether it is about a dispute.
    #[must_use]
    pub fn is_dispute(&self) -> bool {
        self.kind.starts_with("charge.dispute.")
    }

    /// Whether it reports a failed attempt to pay.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.kind == "payment_intent.payment_failed"
    }
}
