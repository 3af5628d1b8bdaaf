//! `sweep`: ends what is over and finishes what is owed. Woken by a timer per hold, and each minute for whatever those
//! missed: correctness waits for neither.

mod call_off;
mod house;

use std::time::Duration;

use domain::{Error, Timestamp, ids::BookingId, settlement::Cause};
use edge::{
    BatchItemFailure, Failure, SqsBatchResponse, SqsEvent, SqsMessage, Wake,
    metrics::{self, Metric},
};
use futures::{StreamExt as _, stream};
use outbound::timers::TimerMessage;
use settlement::Settlement;
use store::keys::DUE_SHARDS;

/// Bookings looked at in one tick, at most: the next tick is a minute away, and goes on where they stay due.
const BOOKINGS_PER_TICK_MAX: usize = 4_000;
/// Bookings read from the due index at once.
const PAGE: u32 = 100;
/// Bookings looked at side by side.
const CONCURRENCY: usize = 8;

/// What the function works with.
pub struct App {
    /// Carries bookings through release, capture and refund.
    pub settlement: Settlement,
}

/// A batch of timers, or a tick. A message that fails comes again by itself; the others are done.
///
/// # Errors
/// A tick that could not read the due index.
pub async fn handle(app: &App, wake: Wake) -> Result<SqsBatchResponse, Failure> {
    match wake {
        Wake::Messages(batch) => Ok(messages(app, batch).await),
        Wake::Tick(_) => tick(app).await.map(|()| SqsBatchResponse::default()),
    }
}

async fn messages(app: &App, batch: SqsEvent) -> SqsBatchResponse {
    let work = batch.records.into_iter().map(|message| message_failed(app, message));
    let failed = stream::iter(work).buffer_unordered(CONCURRENCY);
    let failed: Vec<String> = failed.filter_map(std::future::ready).collect().await;
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed
        .into_iter()
        .map(|id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        })
        .collect();
    response
}

/// The message's id, if it has to come again.
async fn message_failed(app: &App, message: SqsMessage) -> Option<String> {
    let id = message.message_id.unwrap_or_default();
    let body = message.body.unwrap_or_default();
    let Ok(timer) = serde_json::from_str::<TimerMessage>(&body) else {
        tracing::error!(message.id = id, "message {id} is not a timer");
        return Some(id);
    };
    match look_after(app, &timer).await {
        Ok(()) => None,
        Err(error) => {
            metrics::count(Metric::SettleFailures, 1);
            tracing::error!(booking.id = %timer.booking_id, %error, "{} is not settled", timer.booking_id);
            Some(id)
        }
    }
}

/// Settles a booking that is due. A timer that came early was cut to the longest delay: it is set again. One that was
/// overtaken by an extension is not: the extension set its own.
async fn look_after(app: &App, timer: &TimerMessage) -> Result<(), Error> {
    let settled = app.settlement.drive(timer.booking_id, Cause::Due, None).await?;
    let early = app.settlement.clock.now() < timer.due_at;
    if let Some(booking) = settled.filter(|booking| early && booking.due_at.is_some()) {
        app.settlement.wake(&booking).await;
    }
    Ok(())
}

/// What a tick found due.
#[derive(Default)]
struct Found {
    bookings: usize,
    /// How long the longest overdue has waited.
    waited: Duration,
}

/// Settles what is due and tells how much it was. A tick that could not read the index tells nothing: what it did not
/// see may be the worst of it.
async fn tick(app: &App) -> Result<(), Failure> {
    let found = settle_due(app).await?;
    call_off::all(app).await?;
    house::all(app).await?;
    metrics::count(Metric::BookingsDue, found.bookings);
    metrics::took(Metric::DueOldestSeconds, found.waited);
    Ok(())
}

/// Walks the due index, every shard, a page at a time. One booking that fails does not keep the others waiting. Each
/// minute begins at another shard: where more is stuck than one tick does, no shard is always the last.
async fn settle_due(app: &App) -> Result<Found, Failure> {
    let mut found = Found::default();
    let minute = app.settlement.clock.now().as_second().div_euclid(60);
    let first = u16::try_from(minute.rem_euclid(i64::from(DUE_SHARDS))).unwrap_or_default();
    for shard in (0..DUE_SHARDS).map(|nth| (first + nth) % DUE_SHARDS) {
        let mut after = None;
        loop {
            let now = app.settlement.clock.now();
            let (due, next) = app.settlement.store.due(shard, now, after, PAGE).await?;
            if let Some(&oldest) = due.first().filter(|_| after.is_none()) {
                found.waited = found.waited.max(waited(app, oldest, now).await);
            }
            found.bookings += due.len();
            let work = due.into_iter().map(|id| settle_one(app, id));
            stream::iter(work).buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
            after = next;
            if after.is_none() {
                break;
            }
            if found.bookings >= BOOKINGS_PER_TICK_MAX {
                tracing::warn!(due.shard = shard, "more is due than one tick does; the next goes on");
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// How long a booking has been due, at `now`. Whoever settles it will tell if it cannot be read; this only measures.
async fn waited(app: &App, id: BookingId, now: Timestamp) -> Duration {
    let booking = app.settlement.store.booking(id).await.ok().flatten();
    let due_at = booking.and_then(|booking| booking.due_at);
    due_at.and_then(|due_at| now.duration_since(due_at).try_into().ok()).unwrap_or_default()
}

async fn settle_one(app: &App, id: BookingId) {
    if let Err(error) = app.settlement.drive(id, Cause::Due, None).await {
        metrics::count(Metric::SettleFailures, 1);
        tracing::error!(booking.id = %id, %error, "{id} is not settled; the next tick tries again");
    }
}
