//! One delayed message per hold: prompt expiry. Correctness waits for none of them.

use async_trait::async_trait;
use aws_config::SdkConfig;
use domain::{ProviderError, Timestamp, ids::BookingId, time::Clock};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::aws;

/// The longest delay of an SQS message, in seconds. A timer for later arrives early and is set again.
pub const DELAY_SECONDS_MAX: u32 = 900;

/// Asks to be woken about a booking.
#[async_trait]
pub trait Timers: Send + Sync {
    /// Sends one message that arrives at `at` or, beyond [`DELAY_SECONDS_MAX`], as late as can be. Fire and forget for
    /// the caller: a lost timer costs promptness, the periodic sweep finds the booking all the same.
    async fn wake(&self, booking: BookingId, at: Timestamp) -> Result<(), ProviderError>;
}

/// The body of a timer's message: `{"bookingId":"bkg_…","dueAt":"2026-11-22T14:48:09Z"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimerMessage {
    /// Which booking to look at.
    pub booking_id: BookingId,
    /// When. A message that arrives before this was cut to the longest delay and is sent again.
    pub due_at: Timestamp,
}

/// Whole seconds from `now` to `at`, rounded up so that no timer is early by its own rounding, and cut to what a
/// message can wait: 0 to [`DELAY_SECONDS_MAX`].
#[must_use]
pub fn delay_seconds(now: Timestamp, at: Timestamp) -> u32 {
    let wait = at.duration_since(now);
    let seconds = wait.as_secs() + i64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds.clamp(0, i64::from(DELAY_SECONDS_MAX))).unwrap_or(DELAY_SECONDS_MAX)
}

/// Timers as delayed messages of an SQS queue.
#[derive(Clone)]
pub struct SqsTimers {
    client: aws_sdk_sqs::Client,
    queue_url: Arc<str>,
    clock: Arc<dyn Clock>,
}

impl SqsTimers {
    /// Timers on the queue at `queue_url`.
    pub fn new(config: &SdkConfig, queue_url: impl Into<Arc<str>>, clock: Arc<dyn Clock>) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(config).timeout_config(aws::timeouts()).build();
        Self { client: aws_sdk_sqs::Client::from_conf(config), queue_url: queue_url.into(), clock }
    }
}

#[async_trait]
impl Timers for SqsTimers {
    async fn wake(&self, booking: BookingId, at: Timestamp) -> Result<(), ProviderError> {
        let delay_seconds = i32::try_from(delay_seconds(self.clock.now(), at)).unwrap_or(i32::MAX);
        let request = self.client.send_message().queue_url(&*self.queue_url);
        let request = request.message_body(body(booking, at)).delay_seconds(delay_seconds);
        request.send().await.map(drop).map_err(|error| aws::trouble("SendMessage", &error))
    }
}

/// The message's text.
pub(crate) fn body(booking_id: BookingId, due_at: Timestamp) -> String {
    let message = TimerMessage { booking_id, due_at };
    serde_json::to_string(&message).expect("an id and an instant always have JSON text")
}

#[cfg(test)]
mod tests {
    use domain::time::from_millis;

    use super::*;
    use crate::{aws::tests::service, clock::SystemClock, local::tests::booking};

    #[test]
    fn delays_round_up_and_stay_within_what_a_message_can_wait() {
        let at = |millis: i64| from_millis(1_800_000_000_000 + millis).unwrap();
        for (millis, seconds) in [(-5000, 0), (0, 0), (1, 1), (1000, 1), (1001, 2), (900_000, 900), (900_001, 900)] {
            assert_eq!(delay_seconds(at(0), at(millis)), seconds, "{millis} ms");
        }
        assert_eq!(delay_seconds(Timestamp::MIN, Timestamp::MAX), 900);
        assert_eq!(delay_seconds(Timestamp::MAX, Timestamp::MIN), 0);
    }

    #[test]
    fn a_message_reads_back() {
        let sent = body(booking(1), from_millis(1_800_000_000_123).unwrap());
        let expected = format!(r#"{{"bookingId":"{}","dueAt":"2027-01-15T08:00:00.123Z"}}"#, booking(1));
        assert_eq!(sent, expected);
        let read: TimerMessage = serde_json::from_str(&sent).unwrap();
        assert_eq!((read.booking_id, read.due_at), (booking(1), from_millis(1_800_000_000_123).unwrap()));
    }

    #[tokio::test]
    async fn a_timer_is_one_delayed_message() {
        let (config, asked) = service(200, r#"{"MessageId":"1","MD5OfMessageBody":""}"#).await;
        let timers = SqsTimers::new(&config, "http://queue/timers", Arc::new(SystemClock));
        // The answer's digest is empty, which the SDK reports; what was sent is what counts here.
        let _ = timers
            .wake(booking(1), domain::time::shift(SystemClock.now(), domain::time::SignedDuration::from_secs(60)))
            .await;
        let asked = asked.lock().unwrap()[0].clone();
        let sent: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(asked.target, "AmazonSQS.SendMessage");
        assert_eq!(sent["QueueUrl"], "http://queue/timers");
        assert_eq!(sent["DelaySeconds"], 60);
        let message: TimerMessage = serde_json::from_str(sent["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(message.booking_id, booking(1));
    }

    #[tokio::test]
    async fn a_queue_in_trouble_is_unavailable_and_a_missing_one_refuses() {
        let (config, _) = service(503, r#"{"__type":"ServiceUnavailable","message":"later"}"#).await;
        let timers = SqsTimers::new(&config, "http://queue/timers", Arc::new(SystemClock));
        let outcome = timers.wake(booking(1), SystemClock.now()).await;
        assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{outcome:?}");
        let (config, _) = service(400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}"#).await;
        let timers = SqsTimers::new(&config, "http://queue/timers", Arc::new(SystemClock));
        let outcome = timers.wake(booking(1), SystemClock.now()).await;
        assert!(matches!(outcome, Err(ProviderError::Refused(_))), "{outcome:?}");
    }
}
