//! `sweep`: ends what is over and finishes what is owed. Woken by a timer per hold, and each minute for whatever those
//! missed: correctness waits for neither.

use domain::{Error, ids::BookingId, settlement::Cause};
use edge::{BatchItemFailure, Failure, SqsBatchResponse, SqsEvent, SqsMessage, Wake};
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

/// Walks the due index, every shard, a page at a time. One booking that fails does not keep the others waiting. Each
/// minute begins at another shard: where more is stuck than one tick does, no shard is always the last.
async fn tick(app: &App) -> Result<(), Failure> {
    let mut left = BOOKINGS_PER_TICK_MAX;
    let minute = app.settlement.clock.now().as_second().div_euclid(60);
    let first = u16::try_from(minute.rem_euclid(i64::from(DUE_SHARDS))).unwrap_or_default();
    for shard in (0..DUE_SHARDS).map(|nth| (first + nth) % DUE_SHARDS) {
        let mut after = None;
        loop {
            let now = app.settlement.clock.now();
            let (due, next) = app.settlement.store.due(shard, now, after, PAGE).await?;
            left = left.saturating_sub(due.len());
            let work = due.into_iter().map(|id| settle_one(app, id));
            stream::iter(work).buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
            after = next;
            if after.is_none() {
                break;
            }
            if left == 0 {
                tracing::warn!(due.shard = shard, "more is due than one tick does; the next goes on");
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn settle_one(app: &App, id: BookingId) {
    if let Err(error) = app.settlement.drive(id, Cause::Due, None).await {
        tracing::error!(booking.id = %id, %error, "{id} is not settled; the next tick tries again");
    }
}
