//! Joining: one place for each buyer, the same whenever they ask, until its turn is over.

use domain::{
    Error, StoreError, Timestamp,
    catalogue::Show,
    ids::UserId,
    queue::{AdmissionId, Phase, Place, Room, wait_seconds},
    time::millis,
};
use edge::{
    Call, Reply,
    metrics::{self, Metric},
};
use serde::{Deserialize, Serialize};

use crate::{App, check_not_over};

/// A command without options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinCommand {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceView {
    place: Place,
    position: Option<u64>,
    queue_token: String,
    estimated_wait_seconds: Option<u64>,
    phase: Phase,
}

/// `POST /v1/shows/{showId}/queue`.
pub(crate) async fn join(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let (show, room) = app.room(call).await?;
    let JoinCommand {} = call.body(edge::http::BODY_BYTES_MAX)?;
    let now = app.clock.now();
    check_not_over(&show, now)?;
    let arrival_ms = app.place(&show, &room, &caller.user, now).await?;
    app.wake(show.id, &room, now).await;
    let place = Place::new(show.id, &caller.user, arrival_ms, millis(room.opens_at));
    let (position, wait) = app.standing(&show, &room, &place, now).await?;
    let view = PlaceView {
        place,
        position,
        queue_token: app.key.queue_token(show.id, &caller.user, arrival_ms),
        estimated_wait_seconds: wait,
        phase: room.phase(&show, now),
    };
    Ok(Reply::json(200, &view))
}

impl App {
    /// The arrival of the buyer's place: taken now, or the one they have; a new one where the turn of the old is over.
    async fn place(&self, show: &Show, room: &Room, user: &UserId, now: Timestamp) -> Result<i64, StoreError> {
        let joined = self.store.join(show.id, user, millis(now), show.starts_at).await?;
        let mut is_new = joined.is_new;
        let mut arrival_ms = joined.arrival_ms;
        if !is_new && self.is_over(show, room, user, arrival_ms, now).await? {
            // Later than the old one even on a clock that is behind: an admission's id is its place's arrival.
            let again = self.store.join_again(show.id, user, arrival_ms, millis(now).max(arrival_ms + 1)).await?;
            (arrival_ms, is_new) = (again.arrival_ms, again.is_new);
        }
        metrics::count(Metric::PlacesTaken, usize::from(is_new));
        Ok(arrival_ms)
    }

    /// Whether the turn of a place has come and gone: it was exchanged, and that admission is over.
    async fn is_over(
        &self,
        show: &Show,
        room: &Room,
        user: &UserId,
        arrival_ms: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let place = Place::new(show.id, user, arrival_ms, millis(room.opens_at));
        if place.turn(&room.secret) > room.serving {
            return Ok(false);
        }
        let tally = self.store.tally(show.id, user).await?;
        let id = AdmissionId(arrival_ms);
        Ok(tally.admission.is_some_and(|admission| admission.id >= id) && !tally.is_admitted(id, now))
    }

    /// The place's number and how long it may take, once the draw is known.
    async fn standing(
        &self,
        show: &Show,
        room: &Room,
        place: &Place,
        now: Timestamp,
    ) -> Result<(Option<u64>, Option<u64>), StoreError> {
        if !room.is_drawn(now) {
            return Ok((None, None));
        }
        let Some(draw) = self.draw(show.id).await? else { return Ok((None, None)) };
        let (line, turn) = (room.line(&draw), place.turn(&room.secret));
        let position = line.position(&turn);
        let ahead = if turn <= room.serving { 0 } else { position.saturating_sub(line.rank(&room.serving)).max(1) };
        Ok((Some(position), wait_seconds(ahead, room.per_minute())))
    }
}
