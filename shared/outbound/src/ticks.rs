//! Ticks of waiting rooms: messages that come a few seconds later, where a schedule knows only minutes. A lost one costs
//! promptness: the schedule begins another chain within a minute.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::SdkConfig;
use domain::{ProviderError, ids::ShowId};
use serde::{Deserialize, Serialize};

use crate::aws;

/// Asks for a tick.
#[async_trait]
pub trait Ticks: Send + Sync {
    /// Sends one message that arrives after `delay_seconds`.
    async fn send(&self, tick: Tick, delay_seconds: u32) -> Result<(), ProviderError>;
}

/// The body of a tick's message: `{"showId":"shw_…","version":7}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tick {
    /// Whose waiting room.
    pub show_id: ShowId,
    /// The version of the room that the tick is for. At another it has been overtaken.
    pub version: u64,
}

impl Tick {
    /// The message's text.
    #[must_use]
    pub fn body(&self) -> String {
        serde_json::to_string(self).expect("an id and a number always have JSON text")
    }
}

/// Ticks as delayed messages of an SQS queue.
#[derive(Clone)]
pub struct SqsTicks {
    client: aws_sdk_sqs::Client,
    queue_url: Arc<str>,
}

impl SqsTicks {
    /// Ticks on the queue at `queue_url`.
    pub fn new(config: &SdkConfig, queue_url: impl Into<Arc<str>>) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(config).timeout_config(aws::timeouts()).build();
        Self { client: aws_sdk_sqs::Client::from_conf(config), queue_url: queue_url.into() }
    }
}

#[async_trait]
impl Ticks for SqsTicks {
    async fn send(&self, tick: Tick, delay_seconds: u32) -> Result<(), ProviderError> {
        let request = self.client.send_message().queue_url(&*self.queue_url);
        let request = request.message_body(tick.body()).delay_seconds(i32::try_from(delay_seconds).unwrap_or(i32::MAX));
        request.send().await.map(drop).map_err(|error| aws::trouble("SendMessage", &error))
    }
}

/// Ticks as messages of a queue in this process.
pub struct LocalTicks(Arc<crate::local::LocalQueue>);

impl LocalTicks {
    /// Ticks on `queue`.
    #[must_use]
    pub const fn new(queue: Arc<crate::local::LocalQueue>) -> Self {
        Self(queue)
    }
}

#[async_trait]
impl Ticks for LocalTicks {
    async fn send(&self, tick: Tick, delay_seconds: u32) -> Result<(), ProviderError> {
        self.0.send(tick.body(), Duration::from_secs(delay_seconds.into())).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::tests::service,
        local::{
            LocalQueue,
            tests::{HandClock, event},
        },
    };

    fn tick() -> Tick {
        Tick { show_id: event(1).show_id, version: 7 }
    }

    #[tokio::test]
    async fn a_tick_is_one_delayed_message() {
        let (config, asked) = service(200, r#"{"MessageId":"1","MD5OfMessageBody":""}"#).await;
        // The answer's digest is empty, which the SDK reports; what was sent is what counts here.
        let _ = SqsTicks::new(&config, "http://queue/ticks").send(tick(), 2).await;
        let asked = asked.lock().unwrap()[0].clone();
        let sent: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(asked.target, "AmazonSQS.SendMessage");
        assert_eq!((&sent["QueueUrl"], &sent["DelaySeconds"]), (&"http://queue/ticks".into(), &2.into()));
        assert_eq!(serde_json::from_str::<Tick>(sent["MessageBody"].as_str().unwrap()).unwrap(), tick());
    }

    #[tokio::test]
    async fn a_local_tick_arrives_after_its_delay() {
        let clock = Arc::new(HandClock::new());
        let queue = Arc::new(LocalQueue::new(clock.clone(), 3));
        LocalTicks::new(Arc::clone(&queue)).send(tick(), 2).await.unwrap();
        clock.advance_millis(1_999);
        assert!(queue.receive(10, Duration::ZERO).is_empty());
        clock.advance_millis(1);
        let messages = queue.receive(10, Duration::ZERO);
        assert_eq!(messages[0].body, r#"{"showId":"shw_00000000000070008000000000000001","version":7}"#);
    }
}
