//! What the room tells everybody: one small object, the same for all, from which a client knows by itself where it stands.

use domain::{
    Error, Refusal,
    queue::{Phase, Place},
};
use edge::{Call, Reply};
use serde::Serialize;

use crate::App;

/// Caches may keep it for a second.
const CACHING: &str = "public, max-age=1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StateView<'a> {
    phase: Phase,
    serving: Place,
    joined: u64,
    per_minute: u64,
    histogram: HistogramView<'a>,
    commitment: String,
    secret: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HistogramView<'a> {
    opens_at: domain::Timestamp,
    drawn: u64,
    bucket_seconds: u32,
    counts: &'a [u32],
}

/// `GET /v1/shows/{showId}/queue`.
pub(crate) async fn read(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let (show, room) = app.room(call).await.map_err(|error| match error {
        Error::Refused(Refusal::NoWaitingRoom) => Refusal::NotFound("waiting room").into(),
        error => error,
    })?;
    let now = app.clock.now();
    let view = StateView {
        phase: room.phase(&show, now),
        serving: room.serving,
        joined: room.histogram.joined(),
        per_minute: room.per_minute(),
        histogram: HistogramView {
            opens_at: room.opens_at,
            drawn: room.histogram.drawn,
            bucket_seconds: room.histogram.bucket_seconds,
            counts: &room.histogram.counts,
        },
        commitment: room.secret.commitment(),
        secret: room.is_drawn(now).then(|| room.secret.reveal()),
    };
    Ok(Reply::json(200, &view).cached(CACHING))
}
