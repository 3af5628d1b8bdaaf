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
    ids::{RowId, SectionId, ShowId},
    live::Topic,
    plan::Section,
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

use crate::tell::{News, Promises};
pub use crate::{
    drift::{Check, Drift},
    rebuild::{Order, Report},
};

/// Sections refreshed at the same time.
const SECTIONS_AT_ONCE: usize = 16;
/// Rows of one section read at the same time.
const ROWS_AT_ONCE: usize = 4;

/// What `project` works with.
pub struct App {
    store: Store,
    catalogue: Catalogue,
    tellings: Arc<dyn Tellings>,
    promises: Promises,
    clock: Arc<dyn Clock>,
}

impl App {
    /// On `store`; plans and promises to tell are kept in this instance.
    #[must_use]
    pub fn new(store: Store, tellings: Arc<dyn Tellings>, clock: Arc<dyn Clock>) -> Self {
        Self { catalogue: Catalogue::new(store.clone()), store, tellings, promises: Promises::default(), clock }
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

type SectionKey = (ShowId, SectionId);
type Rows = BTreeMap<RowId, Touched>;
/// Number of a record in its batch, and its sequence: where a failed batch begins again.
type At = (usize, String);

/// What a batch says of one row.
struct Touched {
    /// Its first record in the batch.
    first: At,
    /// The sequence of its last record: what is read now is at least as new.
    last_sequence: String,
    /// When the first change of the batch was made.
    first_changed_at: Timestamp,
    /// When the last change was made.
    changed_at: Timestamp,
}

/// What became of a section's rows.
#[derive(Default)]
struct Refreshed {
    /// When the oldest change was made that is shown now, if any is.
    shown_since: Option<Timestamp>,
    /// Some of it was written before, from the same or a later change.
    again: bool,
    /// Where to begin again for rows that are not shown.
    failed: Vec<At>,
}

/// Refreshes every row that the batch touches, and has their watchers told. Names the first record whose row could not be
/// refreshed: the platform sends the batch again from there.
pub async fn handle(app: &App, event: DynamodbEvent) -> DynamoDbEventResponse {
    let (rooms, seats): (Vec<_>, Vec<_>) = event.records.iter().enumerate().partition(|(_, it)| counts::is_counted(it));
    let sections = touched(&seats);
    // Collected, so that the borrowing closure is not part of the future: it must be `Send` for any borrow.
    let refreshed = sections.iter().map(|(section, rows)| async move { (section, refresh(app, section, rows).await) });
    let refreshed = stream::iter(refreshed.collect::<Vec<_>>()).buffer_unordered(SECTIONS_AT_ONCE);
    let refreshed: Vec<_> = refreshed.collect().await;
    let uncounted = counts::count(app, &rooms).await;
    // Also where rows failed: while they do, the lag grows with every try.
    metrics::since_oldest(Metric::MapLagMilliseconds, &event.records);
    let (mut failed, mut news) = (Vec::new(), changed_areas(&event.records));
    for ((show, section), refreshed) in refreshed {
        if let Some(since) = refreshed.shown_since {
            news.add(Topic::Section(*show, section.clone()), since, refreshed.again);
            news.add(Topic::Counts(*show), since, refreshed.again);
        }
        failed.extend(refreshed.failed);
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

fn touched(records: &[(usize, &DynamodbRecord)]) -> BTreeMap<SectionKey, Rows> {
    let mut sections: BTreeMap<SectionKey, Rows> = BTreeMap::new();
    for &(number, record) in records {
        let Some((section, row, sequence)) = row_of(record) else {
            if matches!(Key::of_record(&record.change.keys), Ok(Key::AreaShard(..))) {
                continue;
            }
            tracing::warn!(record.id = record.event_id, "record {} is no seat's; it is skipped", record.event_id);
            continue;
        };
        let changed_at = changed_at(record);
        let entry = sections.entry(section).or_default().entry(row).or_insert_with(|| Touched {
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
    sections
}

fn row_of(record: &DynamodbRecord) -> Option<(SectionKey, RowId, String)> {
    let Ok(Key::Seat(show, seat)) = Key::of_record(&record.change.keys) else { return None };
    Some(((show, seat.section), seat.row, record.change.sequence_number.clone()?))
}

/// Sequences are numbers of any length, written in decimal.
fn is_later(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    (one.len(), one) > (other.len(), other)
}

/// Refreshes the rows of a section: those that can be read are written together.
async fn refresh(app: &App, key: &SectionKey, rows: &Rows) -> Refreshed {
    let (show_id, section_id) = key;
    let mut refreshed = Refreshed::default();
    let fail = |refreshed: &mut Refreshed, row: &RowId, why: &StoreError| {
        tracing::warn!(show.id = %show_id, error = %why, "row {section_id}:{row} of {show_id} is not refreshed: {why}");
        refreshed.failed.extend(rows.get(row).map(|touched| touched.first.clone()));
    };
    let section = match section_of(app, key).await {
        Ok(section) => section,
        Err(why) => {
            for row in rows.keys() {
                fail(&mut refreshed, row, &why);
            }
            return refreshed;
        }
    };
    let known = rows.iter().filter_map(|(id, touched)| {
        let row = section.as_ref().and_then(|section| section.row(id));
        if row.is_none() {
            // No later try will find it: the plan never changes.
            tracing::error!(show.id = %show_id, "seats of {section_id}:{id} are taken, but {show_id} has no such row");
        }
        row.map(|row| (row, touched))
    });
    let reads = known.map(|(row, touched)| async move {
        (row, touched, app.store.row_now(*show_id, section_id, row, touched.last_sequence.clone()).await)
    });
    let read: Vec<_> = stream::iter(reads.collect::<Vec<_>>()).buffered(ROWS_AT_ONCE).collect().await;
    let mut packed = Vec::with_capacity(read.len());
    for (row, touched, outcome) in read {
        match outcome {
            Ok(now) => packed.push((row, touched, now)),
            Err(why) => fail(&mut refreshed, &row.id, &why),
        }
    }
    let Some(changed_at) = packed.iter().map(|(_, touched, _)| touched.changed_at).max() else { return refreshed };
    let writes: Vec<_> = packed.iter().map(|(row, _, now)| (&row.id, now)).collect();
    match app.store.put_rows(*show_id, section_id, &writes, changed_at).await {
        Ok(written) => {
            refreshed.shown_since = packed.iter().map(|(_, touched, _)| touched.first_changed_at).min();
            refreshed.again = written.contains(&false);
        }
        Err(why) => packed.iter().for_each(|(row, ..)| fail(&mut refreshed, &row.id, &why)),
    }
    refreshed
}

/// The section as the show's plan has it, if it does.
async fn section_of(app: &App, (show_id, section): &SectionKey) -> Result<Option<Arc<Section>>, StoreError> {
    let Some(show) = app.catalogue.show(*show_id).await? else {
        return Err(StoreError::Corrupt(format!("seats of {show_id} are taken, but there is no such show")));
    };
    app.catalogue.plan_section(show.venue, show.plan_version, section).await
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
