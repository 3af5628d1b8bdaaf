//! Events.

use domain::{
    Error,
    catalogue::{Category, Event},
    ids::EventId,
};
use edge::{Call, Reply, catalogue::EventView, cursor, http::BODY_BYTES_MAX};
use serde::Deserialize;
use serde_json::json;

use crate::{
    App,
    check::{ARTIST_CHARS_MAX, ARTISTS_MAX, CITY_CHARS_MAX, Check, DESCRIPTION_CHARS_MAX, TITLE_CHARS_MAX},
    command, new_id, organiser,
};

/// Events on a page unless asked otherwise.
const LIMIT_DEFAULT: u32 = 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateEvent {
    title: String,
    category: Category,
    city: String,
    description: Option<String>,
    #[serde(default)]
    artists: Vec<String>,
}

/// `POST /v1/events`.
pub(crate) async fn create(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let (wanted, fingerprint): (CreateEvent, _) = command(call, BODY_BYTES_MAX)?;
    let mut check = Check::default();
    let title = check.line("/title", &wanted.title, TITLE_CHARS_MAX);
    let city = check.line("/city", &wanted.city, CITY_CHARS_MAX);
    let description = wanted.description.filter(|text| !text.trim().is_empty());
    let description = description.map(|text| check.paragraphs("/description", &text, DESCRIPTION_CHARS_MAX));
    if wanted.artists.len() > ARTISTS_MAX {
        check.fault("/artists", format!("at most {ARTISTS_MAX} artists"));
    }
    let artists = wanted.artists.iter().take(ARTISTS_MAX).enumerate();
    let artists = artists.map(|(n, artist)| check.line(&format!("/artists/{n}"), artist, ARTIST_CHARS_MAX)).collect();
    check.done()?;
    let id = EventId::from_uuid(new_id(app, call, "event", &caller.user)?);
    let (category, created_at) = (wanted.category, app.clock.now());
    let event = Event { id, owner: caller.user, title, category, city, description, artists, created_at };
    let listed = app.store.create_event(&event, &fingerprint).await?;
    Ok(Reply::json(201, &EventView::new(&listed)))
}

/// `GET /v1/organiser/events`: the caller's, newest first, also those that are over or have no show yet.
pub(crate) async fn own(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let limit = call.limit(LIMIT_DEFAULT)?;
    let after = call.query("cursor").map(cursor::read).transpose()?;
    let (events, next) = app.store.events_of(&caller.user, after, limit).await?;
    let events: Vec<EventView> = events.iter().map(EventView::new).collect();
    let cursor = next.map(|(created, event)| cursor::write(created, event));
    Ok(Reply::json(200, &json!({"events": events, "nextCursor": cursor})))
}
