//! `project`: from changed seats to what maps show. It never applies a change: it reads the row as it is now and writes
//! it whole, so that batches that repeat, come late or come in pieces end in the same availability. Whoever watches is
//! told through a queue: no connection is waited for here. Waiting rooms it counts: there each partition remembers up to
//! where it has counted.

mod counts;

mod drift;
mod rebuild;
mod tell;

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    StoreError, Timestamp,
    availability::pack,
    ids::{RowId, SectionId, ShowId},
    live::Topic,
    time::{Clock, from_millis},
};
use edge::{
    DynamoDbBatchItemFailure, DynamoDbEventResponse, DynamodbEvent, DynamodbRecord, Failure,
    metrics::{self, Metric},
};
use futures::{StreamExt as _, stream};
use outbound::live::Tellings;
use serde::{Deserialize, Serialize};
use store::{Store, cache::Catalogue, keys::Key};

use crate::tell::News;
pub use crate::{
    drift::{Check, Drift},
    rebuild::{Order, Report},
};

/// Rows read and written at the same time.
const ROWS_AT_ONCE: usize = 8;

/// What `project` works with.
pub struct App {
    store: Store,
    catalogue: Catalogue,
    tellings: Arc<dyn Tellings>,
    clock: Arc<dyn Clock>,
}

impl App {
    /// On `store`; plans are kept in this instance.
    #[must_use]
    pub fn new(store: Store, tellings: Arc<dyn Tellings>, clock: Arc<dyn Clock>) -> Self {
        Self { catalogue: Catalogue::new(store.clone()), store, tellings, clock }
    }
}

/// What wakes `project`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Work {
    /// An operator, who wants a show's map rebuilt from its seats.
    Rebuild(Order),
    /// The clock: the maps are compared with the seats.
    Check(Check),
    /// A batch of the stream.
    Changes(DynamodbEvent),
}

/// What it answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Which records have to come again.
    Changes(DynamoDbEventResponse),
    /// What was rebuilt.
    Rebuilt(Report),
    /// What differs.
    Checked(Drift),
}

/// Does either.
///
/// # Errors
/// A map that could not be rebuilt. A batch never fails as a whole.
pub async fn work(app: &App, work: Work) -> Result<Answer, Failure> {
    match work {
        Work::Changes(event) => Ok(Answer::Changes(handle(app, event).await)),
        Work::Rebuild(order) => rebuild::show(app, &order).await.map(Answer::Rebuilt),
        Work::Check(Check::Drift) => drift::check(app).await.map(Answer::Checked),
    }
}

type RowKey = (ShowId, SectionId, RowId);

/// What a batch says of one row.
struct Touched {
    /// Number of its first record in the batch, and that record's sequence: where a failed batch begins again.
    first: (usize, String),
    /// The sequence of its last record: what is read now is at least as new.
    last_sequence: String,
    /// When the first change of the batch was made.
    first_changed_at: Timestamp,
    /// When the last change was made.
    changed_at: Timestamp,
}

/// Refreshes every row that the batch touches, and has their watchers told. Names the first record whose row could not be
/// refreshed: the platform sends the batch again from there.
pub async fn handle(app: &App, event: DynamodbEvent) -> DynamoDbEventResponse {
    let (rooms, seats): (Vec<_>, Vec<_>) = event.records.iter().enumerate().partition(|(_, it)| counts::is_counted(it));
    let rows = touched(&seats);
    // Collected, so that the borrowing closure is not part of the future: it must be `Send` for any borrow.
    let refreshed = rows.iter().map(|(row, touched)| async move { (row, touched, refresh(app, row, touched).await) });
    let refreshed: Vec<_> = stream::iter(refreshed.collect::<Vec<_>>()).buffer_unordered(ROWS_AT_ONCE).collect().await;
    let uncounted = counts::count(app, &rooms).await;
    // Also where rows failed: while they do, the lag grows with every try.
    metrics::since_oldest(Metric::MapLagMilliseconds, &event.records);
    let (mut failed, mut news) = (Vec::new(), changed_areas(&event.records));
    for ((show, section, row), touched, outcome) in refreshed {
        match outcome {
            Ok(Some(written)) => {
                news.add(Topic::Section(*show, section.clone()), touched.first_changed_at, !written);
                news.add(Topic::Counts(*show), touched.first_changed_at, !written);
            }
            Ok(None) => {}
            Err(why) => {
                tracing::warn!(show.id = %show, error = %why, "row {section}:{row} of {show} is not refreshed: {why}");
                failed.push(touched.first.clone());
            }
        }
    }
    tell::all(app, news).await;
    let mut response = DynamoDbEventResponse::default();
    if let Some((_, sequence)) = failed.into_iter().chain(uncounted).min() {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence);
        response.batch_item_failures.push(failure);
    }
    response
}

/// Shows whose areas' counters changed. There is nothing to refresh: counters are read where they are.
fn changed_areas(records: &[DynamodbRecord]) -> News {
    let mut news = News::default();
    for record in records {
        if let Ok(Key::AreaShard(show, ..)) = Key::of_record(&record.change.keys) {
            news.add(Topic::Counts(show), changed_at(record), false);
        }
    }
    news
}

fn changed_at(record: &DynamodbRecord) -> Timestamp {
    let at = from_millis(record.change.approximate_creation_date_time.timestamp_millis());
    at.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn touched(records: &[(usize, &DynamodbRecord)]) -> BTreeMap<RowKey, Touched> {
    let mut rows: BTreeMap<RowKey, Touched> = BTreeMap::new();
    for &(number, record) in records {
        let Some((row, sequence)) = row_of(record) else {
            if matches!(Key::of_record(&record.change.keys), Ok(Key::AreaShard(..))) {
                continue;
            }
            tracing::warn!(record.id = record.event_id, "record {} is no seat's; it is skipped", record.event_id);
            continue;
        };
        let changed_at = changed_at(record);
        let entry = rows.entry(row).or_insert_with(|| Touched {
            first: (number, sequence.clone()),
            last_sequence: sequence.clone(),
            first_changed_at: changed_at,
            changed_at,
        });
        if is_later(&sequence, &entry.last_sequence) {
            entry.last_sequence = sequence;
            entry.changed_at = changed_at;
        }
    }
    rows
}

fn row_of(record: &DynamodbRecord) -> Option<(RowKey, String)> {
    let Ok(Key::Seat(show, seat)) = Key::of_record(&record.change.keys) else { return None };
    Some(((show, seat.section, seat.row), record.change.sequence_number.clone()?))
}

/// Sequences are numbers of any length, written in decimal.
fn is_later(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    (one.len(), one) > (other.len(), other)
}

/// Whether the row was written; not if that was done before, from the same or a later change. Nothing of a row that the
/// plan does not have.
async fn refresh(
    app: &App,
    (show_id, section_id, row_id): &RowKey,
    touched: &Touched,
) -> Result<Option<bool>, StoreError> {
    let Some(show) = app.catalogue.show(*show_id).await? else {
        return Err(StoreError::Corrupt(format!("seats of {show_id} are taken, but there is no such show")));
    };
    let section = app.catalogue.plan_section(show.venue, show.plan_version, section_id).await?;
    let Some(row) = section.as_ref().and_then(|section| section.row(row_id)) else {
        // No later try will find it: the plan never changes.
        tracing::error!(show.id = %show_id, "seats of {section_id}:{row_id} are taken, but {show_id} has no such row");
        return Ok(None);
    };
    let states = app.store.row_states(*show_id, section_id, row_id).await?;
    let packed = pack(row, &states, touched.last_sequence.clone());
    app.store.put_row(*show_id, section_id, row_id, &packed, touched.changed_at).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::is_later;

    #[test]
    fn sequences_compare_as_numbers() {
        for (one, other, later) in [("10", "9", true), ("9", "10", false), ("7", "7", false), ("007", "6", true)] {
            assert_eq!(is_later(one, other), later, "{one} {other}");
        }
    }
}
