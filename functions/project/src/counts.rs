//! Counts waiting rooms: who joined, and what became of admissions.

use std::collections::BTreeMap;

use domain::{
    StoreError,
    ids::ShowId,
    queue::{Sequence, Standing},
    time::millis,
};
use edge::DynamodbRecord;
use futures::{StreamExt as _, stream};
use store::{
    keys::Key,
    queue::{BuyerChange, PlaceTaken},
};

use crate::{App, At};

/// Partitions counted at the same time.
const PARTITIONS_AT_ONCE: usize = 8;

/// What a batch says of one partition.
#[derive(Default)]
struct Part<T> {
    first: At,
    records: Vec<T>,
}

type Parts<T> = BTreeMap<(ShowId, u16), Part<T>>;

/// Whether a record is a place's or a buyer's.
pub(crate) fn is_counted(record: &DynamodbRecord) -> bool {
    matches!(Key::of_record(&record.change.keys), Ok(Key::Place(..) | Key::Buyer(..)))
}

/// Counts these records. Answers where to begin again for each partition that could not be counted.
pub(crate) async fn count(app: &App, records: &[(usize, &DynamodbRecord)]) -> Vec<At> {
    let (mut places, mut buyers) = (Parts::default(), Parts::default());
    for (number, record) in records {
        if let Err(why) = sort(*number, record, &mut places, &mut buyers) {
            // No later try would read it.
            tracing::error!(record.id = record.event_id, error = %why, "record {} is not counted: {why}", record.event_id);
        }
    }
    // Collected, so that the borrowing closures are not part of the future: it must be `Send` for any borrow.
    let places: Vec<_> = places.into_iter().map(|(of, part)| count_places(app, of, part)).collect();
    let buyers: Vec<_> = buyers.into_iter().map(|(of, part)| count_buyers(app, of, part)).collect();
    let mut failed: Vec<Option<At>> = stream::iter(places).buffer_unordered(PARTITIONS_AT_ONCE).collect().await;
    failed.extend(stream::iter(buyers).buffer_unordered(PARTITIONS_AT_ONCE).collect::<Vec<_>>().await);
    failed.into_iter().flatten().collect()
}

fn sort(
    number: usize,
    record: &DynamodbRecord,
    places: &mut Parts<(Sequence, i64)>,
    buyers: &mut Parts<(Sequence, Option<Standing>, Option<Standing>)>,
) -> Result<(), StoreError> {
    let change = &record.change;
    let text = change.sequence_number.clone().unwrap_or_default();
    let sequence = Sequence::new(&text);
    let (keys, old, new) = (&change.keys, &change.old_image, &change.new_image);
    if let Some(taken) = PlaceTaken::of_record(keys, old, new)? {
        note(places, (taken.show, taken.shard), (number, text), (sequence, taken.arrival_ms));
    } else if let Some(BuyerChange { show, shard, was, is }) = BuyerChange::of_record(keys, old, new)? {
        note(buyers, (show, shard), (number, text), (sequence, was, is));
    }
    Ok(())
}

fn note<T>(parts: &mut Parts<T>, of: (ShowId, u16), at: At, record: T) {
    let part = parts.entry(of).or_insert_with(|| Part { first: at, records: Vec::new() });
    part.records.push(record);
}

async fn count_places(app: &App, (show, shard): (ShowId, u16), part: Part<(Sequence, i64)>) -> Option<At> {
    let counted = async {
        let Some(room) = app.store.room(show).await? else {
            // No later try will find it: a room is made before anybody can join it.
            tracing::error!(show.id = %show, "there are places in the waiting room of {show}, but it has none");
            return Ok(());
        };
        app.store.count_arrivals(show, shard, &part.records, millis(room.opens_at)).await
    };
    failed(show, counted.await, part.first)
}

async fn count_buyers(
    app: &App,
    (show, shard): (ShowId, u16),
    part: Part<(Sequence, Option<Standing>, Option<Standing>)>,
) -> Option<At> {
    failed(show, app.store.count_admitted(show, shard, &part.records).await, part.first)
}

fn failed(show: ShowId, outcome: Result<(), StoreError>, first: At) -> Option<At> {
    outcome.err().map(|why| {
        tracing::warn!(show.id = %show, error = %why, "the waiting room of {show} is not counted: {why}");
        first
    })
}
