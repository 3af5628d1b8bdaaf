//! `relay`: empties the outbox. A booking's change in the stream becomes the events it means, on the bus. Events may be
//! published again (a batch that is sent again has the same ids); none is lost.

use std::sync::Arc;

use domain::event::{Event, between};
use edge::{DynamoDbBatchItemFailure, DynamoDbEventResponse, DynamodbEvent, DynamodbRecord};
use outbound::bus::{Bus, EVENTS_PER_CALL_MAX};
use store::stream::booking_change;

/// What `relay` works with.
pub struct App {
    /// Where events go.
    pub bus: Arc<dyn Bus>,
}

/// Publishes what the batch means. Names the first record whose events are not out: the platform sends the batch again
/// from there, and a record that never comes through ends in the dead-letter queue.
pub async fn handle(app: &App, batch: DynamodbEvent) -> DynamoDbEventResponse {
    let mut outbox = Vec::new();
    let mut stuck = Vec::new();
    for (number, record) in batch.records.iter().enumerate() {
        match events_of(record) {
            Ok(events) => outbox.extend(events.into_iter().map(|event| (number, event))),
            Err(why) => {
                let key = key_of(record);
                tracing::error!(item.key = key, error = why, "the change of {key} does not decode: {why}");
                stuck.push(number);
            }
        }
    }
    // What cannot be read holds up nobody else's events.
    stuck.extend(publish(app, &outbox).await);
    let mut response = DynamoDbEventResponse::default();
    if let Some(first) = stuck.into_iter().min() {
        let mut failure = DynamoDbBatchItemFailure::default();
        // Without its number the platform sends the whole batch again, which is as good.
        failure.item_identifier.clone_from(&batch.records[first].change.sequence_number);
        response.batch_item_failures.push(failure);
    }
    response
}

fn events_of(record: &DynamodbRecord) -> Result<Vec<Event>, String> {
    let change = &record.change;
    match booking_change(&change.keys, &change.old_image, &change.new_image) {
        Ok(Some((old, new))) => Ok(between(old.as_ref(), &new)),
        Ok(None) => Ok(Vec::new()),
        Err(why) => Err(why.to_string()),
    }
}

/// Publishes in order and answers the numbers of the records whose events were not taken. A bus that fails as a whole
/// is not asked again for the rest.
async fn publish(app: &App, outbox: &[(usize, Event)]) -> Vec<usize> {
    let mut stuck = Vec::new();
    for chunk in outbox.chunks(EVENTS_PER_CALL_MAX) {
        let events: Vec<Event> = chunk.iter().map(|(_, event)| event.clone()).collect();
        match app.bus.publish(&events).await {
            Ok(failed) => {
                for &(number, ref event) in failed.iter().filter_map(|&index| chunk.get(index)) {
                    tracing::warn!(event.id = event.id, "event {} was not taken; it is sent again", event.id);
                    stuck.push(number);
                }
            }
            Err(why) => {
                tracing::error!(error = %why, "the bus takes no events: {why}");
                stuck.extend(chunk.iter().map(|&(number, _)| number));
                break;
            }
        }
    }
    stuck
}

/// The partition key's text, for the log: a booking's id is no personal data.
fn key_of(record: &DynamodbRecord) -> String {
    record.change.keys.get("PK").map_or_else(|| "a record without a key".to_owned(), |key| format!("{key:?}"))
}
