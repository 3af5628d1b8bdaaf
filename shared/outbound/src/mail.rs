//! E-mail, ready made: the transport only carries it.

use async_trait::async_trait;
use domain::ProviderError;

/// A MIME message and its envelope.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Envelope sender.
    pub from: String,
    /// Envelope recipient.
    pub to: String,
    /// The same mail sent again has the same id: what makes a repeat recognisable.
    pub id: String,
    /// The message, headers and all (RFC 5322).
    pub mime: Vec<u8>,
}

/// Carries mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands the message over for delivery.
    async fn send(&self, mail: Mail) -> Result<(), ProviderError>;
}
