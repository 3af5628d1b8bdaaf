//! `queue-admit`: moves each waiting room's threshold, every two seconds while somebody waits. A tick is a message that
//! sends the next one; the schedule begins another chain where one broke.

mod look;

use std::sync::Arc;

use domain::{
    Error, StoreError,
    catalogue::{Show, ShowStatus},
    ids::ShowId,
    queue::{ADMISSIONS_MAX, ADMISSIONS_MAX_DEFAULT, Draw, Room},
    time::{Clock, from_millis},
};
use edge::{
    BatchItemFailure, Failure, Settings, SqsBatchResponse, SqsEvent, SqsMessage, Wake,
    metrics::{self, Metric},
};
use futures::{StreamExt as _, stream};
use outbound::ticks::{Tick, Ticks};
use store::{Store, cache::Catalogue};

/// Rooms looked after side by side.
const CONCURRENCY: usize = 8;

/// What the function works with.
pub struct App {
    store: Store,
    catalogue: Catalogue,
    ticks: Arc<dyn Ticks>,
    clock: Arc<dyn Clock>,
    admissions_max: u32,
}

impl App {
    /// `ADMISSIONS_MAX` bounds the live admissions of shows without a bound of their own.
    #[must_use]
    pub fn new(settings: &Settings, store: Store, ticks: Arc<dyn Ticks>, clock: Arc<dyn Clock>) -> Self {
        Self {
            catalogue: Catalogue::new(store.clone()),
            store,
            ticks,
            clock,
            admissions_max: settings.number("ADMISSIONS_MAX", ADMISSIONS_MAX, ADMISSIONS_MAX_DEFAULT),
        }
    }
}

/// A batch of ticks, or the clock. A message that fails comes again by itself, and then stands for a broken chain.
///
/// # Errors
/// The list of rooms cannot be read.
pub async fn handle(app: &App, wake: Wake) -> Result<SqsBatchResponse, Failure> {
    match wake {
        Wake::Messages(batch) => Ok(messages(app, batch).await),
        Wake::Tick(_) => restart(app).await.map(|()| SqsBatchResponse::default()),
    }
}

async fn messages(app: &App, batch: SqsEvent) -> SqsBatchResponse {
    let work = batch.records.into_iter().map(|message| message_failed(app, message));
    let failed: Vec<Option<String>> = stream::iter(work).buffer_unordered(CONCURRENCY).collect().await;
    let mut response = SqsBatchResponse::default();
    for id in failed.into_iter().flatten() {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        response.batch_item_failures.push(failure);
    }
    response
}

/// The message's id, if it has to come again.
async fn message_failed(app: &App, message: SqsMessage) -> Option<String> {
    let id = message.message_id.unwrap_or_default();
    let Ok(told) = serde_json::from_str::<Tick>(&message.body.unwrap_or_default()) else {
        tracing::error!(message.id = id, "message {id} is not a tick");
        return Some(id);
    };
    match tick(app, told, &id).await {
        Ok(()) => None,
        Err(error) => {
            tracing::error!(show.id = %told.show_id, %error, "the room of {} is not moved: {error}", told.show_id);
            Some(id)
        }
    }
}

/// Sends a tick to every room whose chain is broken, or asleep.
async fn restart(app: &App) -> Result<(), Failure> {
    let rooms = app.store.waiting_rooms().await?;
    let work = rooms.into_iter().map(|show| async move {
        let woken = async {
            let Some(room) = app.store.room_now(show).await? else { return Ok(()) };
            if room.is_stale(app.clock.now()) {
                app.ticks.send(Tick { show_id: show, version: room.version }, 0).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = woken.await {
            tracing::error!(show.id = %show, %error, "the room of {show} is not woken; the next minute tries again");
        }
    });
    stream::iter(work.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
    Ok(())
}

/// One tick: looks, moves the threshold if nobody else did meanwhile, fills the permits, and sends the next tick.
///
/// The room's version is the fence. A tick for another version was overtaken and does nothing, unless the chain is broken:
/// so of two that overlap, or one that is delivered twice, one moves the room and sends one successor. Permits come after
/// the room: if the function dies in between, the next tick fills them, and no order of fills grants anything twice.
async fn tick(app: &App, told: Tick, message: &str) -> Result<(), Error> {
    let Tick { show_id, version } = told;
    let Some(show) = look_after(app, show_id).await? else { return Ok(()) };
    let Some(room) = app.store.room_now(show_id).await? else { return Ok(()) };
    let now = app.clock.now();
    if room.version != version && !room.is_stale(now) {
        return Ok(());
    }
    if room.is_stale(now) {
        // Whatever woke it: a room that is asked for is looked after.
        app.store.watch_room(show_id).await?;
    }
    let draw = app.draw(&show, &room, now).await?;
    let seen = app.look(&show).await?;
    let waited = is_waiting(&room, draw.as_ref()).then(|| from_millis(room.ticked_ms)).flatten();
    if let Some(last) = waited.filter(|_| room.ticked_ms > 0) {
        metrics::since(Metric::AdmissionLagSeconds, last);
    }
    let mut ticked = room.tick(&show, &seen.as_seen(draw.as_ref()), now);
    tracing::debug!(
        show.id = %show_id, room.version = ticked.room.version, room.serving = %ticked.room.serving,
        room.live = ticked.room.live, room.expected = ticked.room.expected, seats.free = seen.free,
        seats.held = seen.held, seats.taken = seen.taken,
        "the room of {show_id} is moved"
    );
    message.clone_into(&mut ticked.room.ticked_by);
    if !app.store.put_room(show_id, &ticked.room).await? {
        return Ok(());
    }
    app.store.fill(show_id, ticked.granted, &seen.permits, now).await?;
    if let Some(seconds) = ticked.again_seconds {
        app.ticks.send(Tick { show_id, version: ticked.room.version }, seconds).await?;
    }
    Ok(())
}

/// The show, if its room is still of use; what is over is taken from the list, and comes back when it is changed.
async fn look_after(app: &App, id: ShowId) -> Result<Option<Show>, StoreError> {
    let show = app.store.show_now(id).await?;
    let is_over = |show: &Show| {
        let ended = matches!(show.status, ShowStatus::Closed | ShowStatus::Cancelled);
        ended || app.clock.now() >= show.starts_at
    };
    let show = show.filter(|show| show.waiting_room.enabled && !is_over(show));
    if show.is_none() {
        app.store.unwatch_room(id).await?;
    }
    Ok(show)
}

fn is_waiting(room: &Room, draw: Option<&Draw>) -> bool {
    draw.is_some_and(|draw| room.line(draw).total() > room.line(draw).rank(&room.serving))
}
