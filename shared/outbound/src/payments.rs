//! Card payments on Stripe's wire protocol: intents with manual capture, refunds, signed webhooks.

pub mod circuit;
pub mod stopwatch;
pub mod stripe;
pub mod webhook;

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    dispute::ProviderDispute,
    ids::{BookingId, IntentId},
    money::Money,
    payment::{Intent, IntentPage, ProviderRefund},
};

/// The metadata entry that carries the booking id, on intents and on refunds.
pub const METADATA_BOOKING: &str = "booking_id";

/// The payment provider. Every call may be repeated: the keys make it one.
#[async_trait]
pub trait Payments: Send + Sync {
    /// The booking's one intent: created with manual capture under the booking id as idempotency key, or the same one
    /// again.
    async fn create(&self, booking: BookingId, total: Money) -> Result<Intent, ProviderError>;

    /// The intent as it is now.
    async fn fetch(&self, intent: &IntentId) -> Result<Intent, ProviderError>;

    /// Takes the authorised money. Refused when the intent is not (or no longer) authorised.
    async fn capture(&self, intent: &IntentId) -> Result<Intent, ProviderError>;

    /// Makes sure it can never be paid. Refused when the money is taken or being processed.
    async fn cancel(&self, intent: &IntentId) -> Result<Intent, ProviderError>;

    /// The refunds of the intent, all pages.
    async fn refunds(&self, intent: &IntentId) -> Result<Vec<ProviderRefund>, ProviderError>;

    /// Gives `amount` back, with the booking in the refund's metadata. `made` is how many refunds of the booking the
    /// provider lists: it is part of the idempotency key, so two who have seen the same give back once.
    async fn refund(
        &self,
        intent: &IntentId,
        booking: BookingId,
        amount: Money,
        made: usize,
    ) -> Result<ProviderRefund, ProviderError>;

    /// The disputes about the intent's payment, all pages.
    async fn disputes(&self, intent: &IntentId) -> Result<Vec<ProviderDispute>, ProviderError>;

    /// A page of all intents that were made at `since` or later, the newest first, from behind `after`.
    async fn intents(&self, since: Timestamp, after: Option<&IntentId>) -> Result<IntentPage, ProviderError>;

    /// Whether calls are worth trying. `Unavailable`, with how long to wait, while the provider is known to be down.
    fn check_up(&self) -> Result<(), ProviderError> {
        Ok(())
    }
}
