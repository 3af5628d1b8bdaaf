//! Calls shows off: each minute some of the bookings of every show on the list, until none is left. What is ended is gone
//! from its buyer's tally, so a tick goes on where the one before stopped, and two at once do no harm.

use domain::{
    Error, Refusal,
    ids::BookingId,
    time::{SignedDuration, shift},
};
use edge::{
    Failure,
    metrics::{self, Metric},
};
use futures::{StreamExt as _, stream};
use store::{call_off::CallOff, keys::BUYER_SHARDS};

use crate::{App, CONCURRENCY};

/// Bookings ended in one tick, at most, over all shows: some four calls of the provider each, far below its limits.
const CALL_OFFS_PER_TICK_MAX: usize = 300;

/// How long a show stays on the list at least: holds that were on their way when it was cancelled, from instances that had
/// not heard of it, are found by then.
const WATCHED: SignedDuration = SignedDuration::from_mins(30);

/// Goes on with every show that is being called off.
pub(crate) async fn all(app: &App) -> Result<(), Failure> {
    let mut left = CALL_OFFS_PER_TICK_MAX;
    for call_off in app.settlement.store.call_offs().await? {
        left = one(app, call_off, left).await?;
    }
    Ok(())
}

/// Ends up to `budget` bookings of a show. Answers how much of the budget is left.
async fn one(app: &App, call_off: CallOff, budget: usize) -> Result<usize, Failure> {
    let CallOff { show, since } = call_off;
    let store = &app.settlement.store;
    let now = app.settlement.clock.now();
    let (mut found, mut left) = (0, budget);
    // Each minute begins at another shard: where some cannot be ended yet, no shard is always the last.
    let first = u16::try_from(now.as_second().div_euclid(60).rem_euclid(i64::from(BUYER_SHARDS))).unwrap_or_default();
    for shard in (0..BUYER_SHARDS).map(|nth| (first + nth) % BUYER_SHARDS) {
        let tallies = store.tallies_in(show, shard).await?;
        let mut bookings: Vec<BookingId> =
            tallies.into_iter().flat_map(|(_, tally)| tally.bookings).map(|(booking, _)| booking).collect();
        found += bookings.len();
        bookings.truncate(left);
        left -= bookings.len();
        stream::iter(bookings).map(|id| end(app, id)).buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
        if left == 0 {
            return Ok(0);
        }
    }
    if found == 0 && now >= shift(since, WATCHED) {
        store.end_call_off(show).await?;
        tracing::info!(show.id = %show, "{show} is called off: none of its bookings is left");
    }
    Ok(left)
}

async fn end(app: &App, id: BookingId) {
    match app.settlement.call_off(id).await {
        // Its payment is being processed, or was captured a moment ago: the next tick ends it.
        Ok(_) | Err(Error::Refused(Refusal::PaymentInProgress)) => {}
        Err(error) => {
            metrics::count(Metric::SettleFailures, 1);
            tracing::error!(booking.id = %id, %error, "{id} is not ended; the next tick tries again");
        }
    }
}
