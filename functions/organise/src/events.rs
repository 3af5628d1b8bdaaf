//! Events.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Error, Refusal, Timestamp,
    catalogue::{Category, Event},
    ids::EventId,
    time::{from_millis, millis},
};
use edge::{Call, Reply, catalogue::EventView, http::BODY_BYTES_MAX};
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
    let after = call.query("cursor").map(read_cursor).transpose()?;
    let (events, next) = app.store.events_of(&caller.user, after, limit).await?;
    let events: Vec<EventView> = events.iter().map(EventView::new).collect();
    let cursor = next.map(|(created, event)| write_cursor(created, event));
    Ok(Reply::json(200, &json!({"events": events, "nextCursor": cursor})))
}

/// A cursor only says where to go on among the caller's own events: a forged one shows nothing else.
fn write_cursor(created: Timestamp, event: EventId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{event}", millis(created)))
}

fn read_cursor(text: &str) -> Result<(Timestamp, EventId), Refusal> {
    let parse = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (created, event) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        Some((from_millis(created.parse().ok()?)?, event.parse().ok()?))
    };
    parse().ok_or_else(|| Refusal::BadRequest("cursor is not one of ours".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_and_nonsense_is_refused() {
        let at = from_millis(1_800_000_000_123).unwrap();
        let event: EventId = "evt_01990000000070008000000000000002".parse().unwrap();
        assert_eq!(read_cursor(&write_cursor(at, event)), Ok((at, event)));
        for text in ["", "!", "AAAA", &URL_SAFE_NO_PAD.encode("99999999999999999999:evt_1")] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }
}
