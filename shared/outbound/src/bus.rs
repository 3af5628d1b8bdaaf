//! The event bus: where the outbox empties.

use async_trait::async_trait;
use domain::{ProviderError, event::Event};

/// Events in one call, at most (EventBridge's limit).
pub const EVENTS_PER_CALL_MAX: usize = 10;

/// Takes events and routes them by rules.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Publishes up to [`EVENTS_PER_CALL_MAX`] events. Answers the indexes of those that were not taken.
    async fn publish(&self, events: &[Event]) -> Result<Vec<usize>, ProviderError>;
}
