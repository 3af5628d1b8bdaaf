//! The event bus: where the outbox empties.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use domain::{
    ProviderError,
    event::{Event, SOURCE},
};

use crate::aws;

/// Events in one call, at most (EventBridge's limit).
pub const EVENTS_PER_CALL_MAX: usize = 10;

/// Takes events and routes them by rules.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Publishes up to [`EVENTS_PER_CALL_MAX`] events. Answers the indexes of those that were not taken.
    async fn publish(&self, events: &[Event]) -> Result<Vec<usize>, ProviderError>;
}

/// An EventBridge bus.
#[derive(Clone)]
pub struct EventBridgeBus {
    client: aws_sdk_eventbridge::Client,
    name: Arc<str>,
}

impl EventBridgeBus {
    /// The bus called `name`.
    pub fn new(config: &SdkConfig, name: impl Into<Arc<str>>) -> Self {
        let config = aws_sdk_eventbridge::config::Builder::from(config).timeout_config(aws::timeouts()).build();
        Self { client: aws_sdk_eventbridge::Client::from_conf(config), name: name.into() }
    }
}

#[async_trait]
impl Bus for EventBridgeBus {
    async fn publish(&self, events: &[Event]) -> Result<Vec<usize>, ProviderError> {
        check_count(events)?;
        let entries = events.iter().map(|event| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&*self.name)
                .source(SOURCE)
                .detail_type(event.kind.as_str())
                .detail(detail(event))
                .build()
        });
        let request = self.client.put_events().set_entries(Some(entries.collect()));
        let answer = request.send().await.map_err(|error| aws::trouble("PutEvents", &error))?;
        if answer.failed_entry_count() == 0 {
            return Ok(Vec::new());
        }
        if answer.entries().len() != events.len() {
            return Err(ProviderError::Garbled("PutEvents: not one answer for each event".to_owned()));
        }
        let failed = answer.entries().iter().enumerate().filter(|(_, entry)| entry.error_code().is_some());
        Ok(failed.map(|(index, _)| index).collect())
    }
}

/// Refuses what no bus takes in one call.
pub(crate) fn check_count(events: &[Event]) -> Result<(), ProviderError> {
    if (1..=EVENTS_PER_CALL_MAX).contains(&events.len()) {
        return Ok(());
    }
    Err(ProviderError::Refused(format!("{} events in one call; 1 to {EVENTS_PER_CALL_MAX} are taken", events.len())))
}

/// The event as its envelope's `detail`.
pub(crate) fn detail(event: &Event) -> String {
    serde_json::to_string(event).expect("an event always has JSON text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aws::tests::service, local::tests::event};

    #[tokio::test]
    async fn events_go_out_in_one_call() {
        let (config, asked) =
            service(200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"},{"EventId":"2"}]}"#).await;
        let failed = EventBridgeBus::new(&config, "usher").publish(&[event(1), event(2)]).await.unwrap();
        assert_eq!(failed, Vec::<usize>::new());
        let asked = asked.lock().unwrap()[0].clone();
        assert_eq!(asked.target, "AWSEvents.PutEvents");
        let sent: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        let entry = &sent["Entries"][1];
        assert_eq!(entry["EventBusName"], "usher");
        assert_eq!(entry["Source"], SOURCE);
        assert_eq!(entry["DetailType"], "BookingPaid");
        assert_eq!(serde_json::from_str::<Event>(entry["Detail"].as_str().unwrap()).unwrap(), event(2));
    }

    #[tokio::test]
    async fn events_that_were_not_taken_are_named() {
        let answer =
            r#"{"FailedEntryCount":1,"Entries":[{"EventId":"1"},{"ErrorCode":"InternalFailure"},{"EventId":"3"}]}"#;
        let (config, _) = service(200, answer).await;
        let failed = EventBridgeBus::new(&config, "usher").publish(&[event(1), event(2), event(3)]).await;
        assert_eq!(failed, Ok(vec![1]));
    }

    #[tokio::test]
    async fn an_answer_that_does_not_name_them_is_no_success() {
        let (config, _) = service(200, r#"{"FailedEntryCount":1,"Entries":[]}"#).await;
        let outcome = EventBridgeBus::new(&config, "usher").publish(&[event(1)]).await;
        assert!(matches!(outcome, Err(ProviderError::Garbled(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_bus_in_trouble_is_unavailable() {
        let (config, _) = service(500, "{}").await;
        let outcome = EventBridgeBus::new(&config, "usher").publish(&[event(1)]).await;
        assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{outcome:?}");
        let throttled = r#"{"__type":"ThrottlingException","message":"slow down"}"#;
        let (config, _) = service(400, throttled).await;
        let outcome = EventBridgeBus::new(&config, "usher").publish(&[event(1)]).await;
        assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_call_is_bounded() {
        let (config, asked) = service(200, "{}").await;
        let bus = EventBridgeBus::new(&config, "usher");
        assert!(bus.publish(&[]).await.is_err());
        assert!(bus.publish(&vec![event(1); EVENTS_PER_CALL_MAX + 1]).await.is_err());
        assert!(asked.lock().unwrap().is_empty());
    }
}
