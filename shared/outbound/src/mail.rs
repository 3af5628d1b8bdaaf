//! E-mail, ready made: the transport only carries it.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sesv2::{
    primitives::Blob,
    types::{Destination, EmailContent, RawMessage},
};
use domain::ProviderError;

use crate::aws;

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

/// Mail through SES. It has no idempotency of its own: a repeat is a second copy with the same `Message-ID`, which
/// mail programs show once.
#[derive(Clone)]
pub struct SesMailer {
    client: aws_sdk_sesv2::Client,
}

impl SesMailer {
    /// Mail from the account's verified senders.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let config = aws_sdk_sesv2::config::Builder::from(config).timeout_config(aws::timeouts()).build();
        Self { client: aws_sdk_sesv2::Client::from_conf(config) }
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: Mail) -> Result<(), ProviderError> {
        let message = RawMessage::builder().data(Blob::new(mail.mime)).build();
        let message = message.map_err(|error| ProviderError::Refused(error.to_string()))?;
        let request = self
            .client
            .send_email()
            .from_email_address(mail.from)
            .destination(Destination::builder().to_addresses(mail.to).build())
            .content(EmailContent::builder().raw(message).build());
        request.send().await.map(drop).map_err(|error| aws::trouble("SendEmail", &error))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;
    use crate::aws::tests::service;

    fn mail() -> Mail {
        let mime = b"Subject: Tickets\r\n\r\nHello".to_vec();
        Mail { from: "usher@example.com".to_owned(), to: "ada@example.com".to_owned(), id: "m1".to_owned(), mime }
    }

    #[tokio::test]
    async fn the_message_goes_out_as_it_is() {
        let (config, asked) = service(200, r#"{"MessageId":"1"}"#).await;
        SesMailer::new(&config).send(mail()).await.unwrap();
        let sent: serde_json::Value = serde_json::from_slice(&asked.lock().unwrap()[0].body).unwrap();
        assert_eq!(sent["FromEmailAddress"], "usher@example.com");
        assert_eq!(sent["Destination"]["ToAddresses"][0], "ada@example.com");
        let data = BASE64_STANDARD.decode(sent["Content"]["Raw"]["Data"].as_str().unwrap()).unwrap();
        assert_eq!(data, mail().mime);
    }

    #[tokio::test]
    async fn a_rejected_message_is_refused_and_a_busy_service_is_not() {
        let (config, _) = service(400, r#"{"__type":"MessageRejected","message":"bad address"}"#).await;
        let outcome = SesMailer::new(&config).send(mail()).await;
        assert!(matches!(&outcome, Err(ProviderError::Refused(why)) if !why.contains("ada@")), "{outcome:?}");
        let (config, _) = service(429, r#"{"__type":"TooManyRequestsException"}"#).await;
        let outcome = SesMailer::new(&config).send(mail()).await;
        assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{outcome:?}");
    }
}
