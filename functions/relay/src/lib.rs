//! `relay`: empties the outbox. A booking's change in the stream becomes the ledger entries and the revoked tickets it
//! means, in the table, and then the events it means, on the bus. Both may come again (a batch that is sent again has the same ids); none is lost.

mod step;

use std::sync::Arc;

use domain::{
    Timestamp,
    booking::Booking,
    event::{Event, between},
    ids::ShowId,
    ledger::{Entry, steps},
    scan::{Revocation, revocation},
    time::from_millis,
};
use edge::{
    DynamoDbBatchItemFailure, DynamoDbEventResponse, DynamodbEvent, DynamodbRecord,
    metrics::{self, Metric},
};
use outbound::bus::{Bus, EVENTS_PER_CALL_MAX};
use store::{Store, ledger::APPEND_MAX, stream::booking_change};

/// What `relay` works with.
pub struct App {
    /// Where the ledger is.
    pub store: Store,
    /// Where events go.
    pub bus: Arc<dyn Bus>,
}

/// Writes down and publishes what the batch means. Names the first record of which something is not out: the platform
/// sends the batch again from there, and a record that never comes through ends in the dead-letter queue.
pub async fn handle(app: &App, batch: DynamodbEvent) -> DynamoDbEventResponse {
    let mut changes = Vec::new();
    let mut stuck = Vec::new();
    for (number, record) in batch.records.iter().enumerate() {
        match change_of(number, record) {
            Ok(change) => changes.extend(change),
            Err(why) => {
                let key = key_of(record);
                tracing::error!(item.key = key, error = why, "the change of {key} does not decode: {why}");
                stuck.push(number);
            }
        }
    }
    // What cannot be read holds up nobody else's money or events.
    let unrecorded = [record(app, &changes).await, revoke(app, &changes).await].into_iter().flatten().min();
    stuck.extend(unrecorded);
    // Nobody is told of money that is not in the ledger.
    let recorded = changes.iter().filter(|change| unrecorded.is_none_or(|first| change.number < first));
    let mut outbox = Vec::new();
    for Change { number, old, new, .. } in recorded {
        outbox.extend(between(old.as_ref(), new).into_iter().map(|event| (*number, event)));
    }
    stuck.extend(publish(app, &outbox).await);
    let first = stuck.into_iter().min();
    // What comes again is counted when it does.
    for change in changes.iter().filter(|change| first.is_none_or(|first| change.number < first)) {
        step::tell(change.old.as_ref(), &change.new);
    }
    metrics::since_oldest(Metric::OutboxLagMilliseconds, &batch.records);
    let mut response = DynamoDbEventResponse::default();
    if let Some(first) = first {
        let mut failure = DynamoDbBatchItemFailure::default();
        // Without its number the platform sends the whole batch again, which is as good.
        failure.item_identifier.clone_from(&batch.records[first].change.sequence_number);
        response.batch_item_failures.push(failure);
    }
    response
}

/// A booking before and after the batch's record of this number.
struct Change {
    number: usize,
    /// When the table took it, in whole seconds: the same whenever the record comes.
    at: Timestamp,
    old: Option<Booking>,
    new: Booking,
}

fn change_of(number: usize, record: &DynamodbRecord) -> Result<Option<Change>, String> {
    let change = &record.change;
    let change = booking_change(&change.keys, &change.old_image, &change.new_image).map_err(|why| why.to_string())?;
    let millis = record.change.approximate_creation_date_time.timestamp_millis();
    // A record without a time reads as the beginning of time; no booking is as old.
    let at = from_millis(millis).filter(|_| millis > 0);
    Ok(change.map(|(old, new)| Change { number, at: at.unwrap_or(new.created_at), old, new }))
}

/// Writes the ledger entries in order, and answers the number of the first record whose entries may not all be written.
async fn record(app: &App, changes: &[Change]) -> Option<usize> {
    let entries_of = |change: &Change| {
        let entries = steps(change.old.as_ref(), &change.new, change.at);
        let number = change.number;
        entries.into_iter().map(move |entry| (number, entry))
    };
    let entries: Vec<(usize, Entry)> = changes.iter().flat_map(entries_of).collect();
    for chunk in entries.chunks(APPEND_MAX) {
        let batch: Vec<Entry> = chunk.iter().map(|(_, entry)| entry.clone()).collect();
        if let Err(why) = app.store.append(&batch).await {
            tracing::error!(error = %why, "the ledger takes no entries: {why}");
            return chunk.first().map(|&(number, _)| number);
        }
    }
    None
}

/// Notes whose tickets are void, and answers the number of the first record that is one if they may not all be noted.
async fn revoke(app: &App, changes: &[Change]) -> Option<usize> {
    let voided = changes.iter().filter_map(|change| {
        let revocation = revocation(change.old.as_ref(), &change.new, change.at)?;
        Some((change.number, (change.new.show, revocation)))
    });
    let (numbers, revocations): (Vec<usize>, Vec<(ShowId, Revocation)>) = voided.unzip();
    let why = app.store.revoke(&revocations).await.err()?;
    tracing::error!(error = %why, "revoked tickets cannot be noted: {why}");
    numbers.first().copied()
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
