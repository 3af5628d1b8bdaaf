//! `offer`: gives what returns to a show with a waitlist to the names on it, in order, as holds of their own.
//!
//! Woken by what happens to bookings, which is a hint that makes it prompt, and each minute for every show with a list,
//! which makes it complete. Runs may repeat and overlap: an offer and its hold are one transaction.

mod follow;
mod line;

use std::{collections::HashSet, sync::Arc};

use domain::{
    Error,
    booking::Status,
    event::Event,
    ids::{SeatId, ShowId},
    time::Clock,
    waitlist::{OFFER_SECONDS, OFFER_SECONDS_DEFAULT, is_offering, is_over},
};
use edge::{
    EventBridgeEvent, Failure, Settings,
    metrics::{self, Metric},
};
use futures::{StreamExt as _, stream};
use outbound::timers::Timers;
use serde::Deserialize;
use store::{Store, cache::Catalogue, mode::Modes};

/// Shows looked after in one tick, at most; each minute begins at another.
const SHOWS_PER_TICK_MAX: usize = 300;
/// Shows looked after at the same time.
const SHOWS_AT_ONCE: usize = 4;

/// What the function is told by its environment.
pub struct Options {
    booking_id_key: Vec<u8>,
    offer_seconds: u32,
}

impl Options {
    /// From `BOOKING_ID_KEY` and `WAITLIST_OFFER_SECONDS` (1,800). Where the table is local, an offer may live as short as
    /// a second, so that its end can be watched.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let booking_id_key = settings.booking_id_key();
        let shortest = if settings.is_local() { 1 } else { *OFFER_SECONDS.start() };
        let range = shortest..=*OFFER_SECONDS.end();
        let offer_seconds = settings.number("WAITLIST_OFFER_SECONDS", range, OFFER_SECONDS_DEFAULT);
        Self { booking_id_key, offer_seconds }
    }
}

/// What the function works with.
pub struct App {
    options: Options,
    store: Store,
    catalogue: Catalogue,
    modes: Modes,
    timers: Arc<dyn Timers>,
    clock: Arc<dyn Clock>,
}

impl App {
    /// Over these ports.
    #[must_use]
    pub fn new(options: Options, store: Store, timers: Arc<dyn Timers>, clock: Arc<dyn Clock>) -> Self {
        let (catalogue, modes) = (Catalogue::new(store.clone()), Modes::new(store.clone()));
        Self { options, store, catalogue, modes, timers, clock }
    }
}

/// What wakes the function: something happened to a booking, or the clock.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Wake {
    /// One event from the bus.
    Told(Box<EventBridgeEvent<Event>>),
    /// The schedule's tick; what it says does not matter.
    Tick(serde_json::Value),
}

/// An event, or a tick.
///
/// # Errors
/// What could not be done yet: it is to be delivered again, and the next tick does it in any case.
pub async fn handle(app: &App, wake: Wake) -> Result<(), Failure> {
    match wake {
        Wake::Told(event) => told(app, &event.detail).await,
        Wake::Tick(_) => tick(app).await,
    }
}

/// A booking has ended, or was paid. Where nobody waits nothing is read but the show: what became of the last offers is
/// told by their bookings, and written down by the next tick.
async fn told(app: &App, event: &Event) -> Result<(), Failure> {
    let show = app.catalogue.show(event.show_id).await?;
    if show.is_none_or(|show| show.wishes.is_empty()) {
        return Ok(());
    }
    let Some(booking) = app.store.booking(event.booking_id).await? else { return Ok(()) };
    let ended = matches!(booking.status, Status::Cancelled(_));
    if !ended && !booking.offered {
        return Ok(());
    }
    let seats = booking.seats.into_iter().filter(|_| ended);
    let freed = seats.map(|line| line.seat).collect();
    Ok(serve(app, event.show_id, &freed, Care::Prompt).await?)
}

/// Looks after every show with a waitlist. One that fails does not keep the others waiting.
async fn tick(app: &App) -> Result<(), Failure> {
    let mut shows = app.store.waitlists().await?;
    if !shows.is_empty() {
        let minute = usize::try_from(app.clock.now().as_second().div_euclid(60)).unwrap_or_default();
        let first = minute.wrapping_mul(SHOWS_PER_TICK_MAX) % shows.len();
        shows.rotate_left(first);
        shows.truncate(SHOWS_PER_TICK_MAX);
    }
    let number = shows.len();
    let nothing = HashSet::new();
    // Collected, so that the borrowing closures are not part of the future: it must be `Send` for any borrow.
    let work: Vec<_> = shows.into_iter().map(|show| serve_one(app, show, &nothing)).collect();
    let failed: Vec<ShowId> =
        stream::iter(work).buffer_unordered(SHOWS_AT_ONCE).filter_map(std::future::ready).collect().await;
    metrics::count(Metric::WaitlistShows, number);
    if failed.is_empty() { Ok(()) } else { Err(Failure(format!("{} of {number} waitlists wait", failed.len()))) }
}

/// The show, if its waitlist could not be looked after.
async fn serve_one(app: &App, show: ShowId, freed: &HashSet<SeatId>) -> Option<ShowId> {
    let error = serve(app, show, freed, Care::Thorough).await.err()?;
    tracing::error!(show.id = %show, %error, "the waitlist of {show} is not served; the next tick tries again");
    Some(show)
}

/// How much of a list is looked at where nothing that is free fits anybody.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Its head: something has just returned.
    Prompt,
    /// All of it, so that what ordinary holds leave alone is exactly what is waited for.
    Thorough,
}

/// Takes in what has become of the show's offers, and offers what is free.
async fn serve(app: &App, id: ShowId, freed: &HashSet<SeatId>, care: Care) -> Result<(), Error> {
    let open = follow::offers(app, id).await?;
    let Some(show) = app.store.show_now(id).await? else { return Ok(()) };
    let now = app.clock.now();
    if is_over(&show, now) && open == 0 {
        app.store.end_waitlist(id).await?;
        tracing::info!(show.id = %id, "the waitlist of {id} is over");
    }
    // An offer begins something new: it waits while the operator lets nothing begin.
    let is_offering = is_offering(&show, now) && app.modes.read_only().await.is_none();
    if is_offering { line::serve(app, &show, freed, care).await } else { Ok(()) }
}
