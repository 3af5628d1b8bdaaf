//! `queue`: the waiting room, for those who wait. A place with one write, the room's state for everybody, and the exchange
//! of a place that is served for an admission.

mod admission;
mod join;
mod state;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    Error, Refusal, StoreError, Timestamp,
    catalogue::{Show, ShowStatus},
    ids::ShowId,
    queue::{Draw, Room, TokenKey},
    time::{Clock, SignedDuration, shift},
};
use edge::{
    Auth, Body, Call, Reply, Request, Response, Settings,
    metrics::{self, Metric},
};
use outbound::ticks::{Tick, Ticks};
use store::{
    Store,
    cache::{Cache, Catalogue},
};

/// The room is this old at most; everybody who looks within that time gets the same answer.
const ROOM_AGE_MAX: Duration = Duration::from_secs(1);
/// What was drawn never changes.
const DRAW_AGE_MAX: Duration = Duration::from_hours(1);
/// Rooms kept.
const ROOMS_MAX: usize = 1_000;
/// Draws kept, of up to 8 KB each.
const DRAWS_MAX: usize = 100;
/// One instance wakes a room no more often than this.
const WAKE_PAUSE: SignedDuration = SignedDuration::from_secs(2);

/// What the function works with.
pub struct App {
    auth: Auth,
    key: TokenKey,
    store: Store,
    ticks: Arc<dyn Ticks>,
    clock: Arc<dyn Clock>,
    catalogue: Catalogue,
    rooms: Cache<ShowId, Arc<Room>>,
    draws: Cache<ShowId, Arc<Draw>>,
    woken: Mutex<Option<(ShowId, Timestamp)>>,
}

impl App {
    /// `ADMISSION_KEY` signs places and admissions.
    #[must_use]
    pub fn new(settings: &Settings, store: Store, ticks: Arc<dyn Ticks>, clock: Arc<dyn Clock>) -> Self {
        Self {
            auth: settings.auth(),
            key: settings.admission_key(),
            catalogue: Catalogue::new(store.clone()),
            store,
            ticks,
            clock,
            rooms: Cache::new(ROOM_AGE_MAX, ROOMS_MAX),
            draws: Cache::new(DRAW_AGE_MAX, DRAWS_MAX),
            woken: Mutex::default(),
        }
    }

    /// The show of the path, with its waiting room as it was up to a second ago.
    async fn room(&self, call: &Call<'_>) -> Result<(Arc<Show>, Arc<Room>), Error> {
        let show = self.catalogue.show(call.path("showId")?).await?.ok_or(Refusal::NotFound("show"))?;
        if !show.waiting_room.enabled {
            return Err(Refusal::NoWaitingRoom.into());
        }
        let (store, id) = (self.store.clone(), show.id);
        let room = self.rooms.get(id, || async move { Ok(store.room(id).await?.map(Arc::new)) }).await?;
        // A show is enabled after its room is made.
        let room = room.ok_or_else(|| StoreError::Corrupt(format!("{id} has a waiting room without a state")))?;
        Ok((show, room))
    }

    /// What was drawn, once it is.
    async fn draw(&self, show: ShowId) -> Result<Option<Arc<Draw>>, StoreError> {
        let store = self.store.clone();
        self.draws.get(show, || async move { Ok(store.draw(show).await?.map(Arc::new)) }).await
    }

    /// Has the room ticking again when it should be and is not: whoever comes to a room that slept wakes it. When that fails,
    /// the schedule does it within the minute.
    async fn wake(&self, show: ShowId, room: &Room, now: Timestamp) {
        if !room.is_stale(now) {
            return;
        }
        {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            if woken.is_some_and(|(last, at)| last == show && now < shift(at, WAKE_PAUSE)) {
                return;
            }
            *woken = Some((show, now));
        }
        if let Err(why) = self.ticks.send(Tick { show_id: show, version: room.version }, 0).await {
            tracing::warn!(show.id = %show, error = %why, "the room of {show} is not woken: {why}");
        }
    }
}

/// Answers one HTTP call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let call = Call::new(&app.auth, request);
    let outcome = route(app, &call).await;
    call.answer(outcome)
}

async fn route(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    match call.route() {
        "POST /v1/shows/{showId}/queue" => join::join(app, call).await,
        "GET /v1/shows/{showId}/queue" => state::read(app, call).await,
        "POST /v1/shows/{showId}/queue/admission" => {
            let outcome = admission::exchange(app, call).await;
            if let Err(Error::Refused(refusal)) = &outcome {
                metrics::refused(Metric::AdmissionsRefused, refusal);
            }
            outcome
        }
        _ => Err(Refusal::NotFound("route").into()),
    }
}

/// Refuses what is over: nobody waits for it any more.
fn check_not_over(show: &Show, now: Timestamp) -> Result<(), Refusal> {
    let is_over = matches!(show.status, ShowStatus::Closed | ShowStatus::Cancelled) || now >= show.starts_at;
    if is_over { Err(Refusal::NotOnSale { on_sale_at: None }) } else { Ok(()) }
}
