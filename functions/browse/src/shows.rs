//! Shows of an event, and one show.

use domain::{Error, Refusal};
use edge::{Call, Reply, catalogue::ShowView, http::LIMIT_MAX};
use serde::Serialize;

use crate::{App, CATALOGUE_CACHING, LIVE_CACHING};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    shows: Vec<ShowView>,
    next_cursor: Option<String>,
}

/// `GET /v1/events/{eventId}/shows`: by start. A cursor is the number of the next show.
pub(crate) async fn list(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let limit = usize::try_from(call.limit(LIMIT_MAX)?).unwrap_or(1);
    let from: u16 = call.query_as("cursor")?.unwrap_or_default();
    let found = app.store.shows_of_event(call.path("eventId")?, from.into(), limit).await?;
    let (shows, total) = found.ok_or(Refusal::NotFound("event"))?;
    let next = usize::from(from) + limit;
    let list = List {
        shows: shows.iter().map(|show| ShowView::new(show, app.hold_ttl_seconds)).collect(),
        next_cursor: (next < total).then(|| next.to_string()),
    };
    Ok(Reply::json(200, &list).cached(CATALOGUE_CACHING))
}

/// `GET /v1/shows/{showId}`.
pub(crate) async fn read(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let show = app.store.show(call.path("showId")?).await?.ok_or(Refusal::NotFound("show"))?;
    Ok(Reply::json(200, &ShowView::new(&show, app.hold_ttl_seconds)).cached(LIVE_CACHING))
}
