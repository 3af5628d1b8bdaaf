//! A bus in this process: envelopes as EventBridge makes them, handed to whoever routes them.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    event::{Event, SOURCE},
    time::Clock,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::bus::{Bus, check_count};

/// An event as a rule's target receives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Envelope {
    /// Of the envelope's form; always `0`.
    pub version: String,
    /// The event's own id, where EventBridge makes one up: a repeat can be seen as one.
    pub id: String,
    /// What happened: the event's kind.
    pub detail_type: String,
    /// Who says so.
    pub source: String,
    /// The AWS account; a made-up one here.
    pub account: String,
    /// When it was published.
    pub time: Timestamp,
    /// The AWS region; a made-up one here.
    pub region: String,
    /// Always empty.
    pub resources: Vec<String>,
    /// The event itself.
    pub detail: Event,
}

impl Envelope {
    /// The envelope of `event`, published at `time`.
    #[must_use]
    pub fn new(event: Event, time: Timestamp) -> Self {
        Self {
            version: "0".to_owned(),
            id: event.id.clone(),
            detail_type: event.kind.as_str().to_owned(),
            source: SOURCE.to_owned(),
            account: "000000000000".to_owned(),
            time,
            region: "local".to_owned(),
            resources: Vec::new(),
            detail: event,
        }
    }
}

/// Hands envelopes to the receiver that it was made with.
#[derive(Clone)]
pub struct LocalBus {
    clock: Arc<dyn Clock>,
    envelopes: mpsc::Sender<Envelope>,
}

impl LocalBus {
    /// A bus, and where its envelopes come out. Events beyond `capacity` unread ones are not taken.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> (Self, mpsc::Receiver<Envelope>) {
        let (envelopes, receiver) = mpsc::channel(capacity);
        (Self { clock, envelopes }, receiver)
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, events: &[Event]) -> Result<Vec<usize>, ProviderError> {
        check_count(events)?;
        let time = self.clock.now();
        let taken = |event: &Event| self.envelopes.try_send(Envelope::new(event.clone(), time)).is_ok();
        let failed = events.iter().enumerate().filter(|(_, event)| !taken(event));
        Ok(failed.map(|(index, _)| index).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::tests::{HandClock, event};

    #[tokio::test]
    async fn envelopes_have_the_form_that_a_rule_matches() {
        let (bus, mut envelopes) = LocalBus::new(Arc::new(HandClock::new()), 10);
        assert_eq!(bus.publish(&[event(1)]).await, Ok(Vec::new()));
        let json = serde_json::to_value(envelopes.recv().await.unwrap()).unwrap();
        assert_eq!(json["detail-type"], "BookingPaid");
        assert_eq!(json["source"], "usher.bookings");
        assert_eq!(json["time"], "2027-01-15T08:00:00Z");
        assert_eq!(json["detail"]["bookingId"], event(1).booking_id.to_string());
    }

    #[tokio::test]
    async fn a_full_bus_names_what_it_did_not_take() {
        let (bus, envelopes) = LocalBus::new(Arc::new(HandClock::new()), 2);
        assert_eq!(bus.publish(&[event(1), event(2), event(3), event(4)]).await, Ok(vec![2, 3]));
        drop(envelopes);
        assert_eq!(bus.publish(&[event(3)]).await, Ok(vec![0]));
    }
}
