//! Lists, searches and details of events.

use domain::{
    Error, Refusal, Timestamp,
    catalogue::Category,
    ids::VenueId,
    search::{SEARCH_WORDS_MAX, Search, VenueFilter, city_key, words},
    time::{SignedDuration, shift},
};
use edge::{
    Call, Reply,
    catalogue::{EventSummary, EventView},
};
use serde::{Deserialize, Serialize};

use crate::{App, CATALOGUE_CACHING, cursor::Cursor};

/// Events on a page unless `limit` says otherwise.
const LIMIT_DEFAULT: u32 = 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    events: Vec<EventSummary>,
    next_cursor: Option<String>,
}

/// `GET /v1/events`.
pub(crate) async fn list(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let limit = usize::try_from(call.limit(LIMIT_DEFAULT)?).unwrap_or(1);
    let filters = filters(call);
    let cursor = call.query("cursor").map(|text| Cursor::decode(text, &filters)).transpose()?;
    let from = from(call)?.unwrap_or_else(|| app.clock.now());
    let Some(search) = search(call, cursor.as_ref().map_or(from, |cursor| cursor.from))? else {
        return Ok(reply(&List { events: Vec::new(), next_cursor: None }));
    };
    let page = app.store.find(&search, cursor.as_ref().map(|cursor| cursor.position.as_str()), limit).await?;
    let next = page.next.map(|position| Cursor { from: search.from, position }.encode(&filters));
    let events = page.events.iter().map(|listed| EventSummary::new(listed, &search.shows_of(listed)));
    Ok(reply(&List { events: events.collect(), next_cursor: next }))
}

fn reply(list: &List) -> Reply {
    Reply::json(200, list).cached(CATALOGUE_CACHING)
}

/// The filters as they were sent: what a cursor is bound to.
fn filters(call: &Call<'_>) -> String {
    let names = ["city", "category", "from", "to", "q", "venue"];
    names.map(|name| format!("{name}={:?}", call.query(name).unwrap_or_default())).join("&")
}

fn from(call: &Call<'_>) -> Result<Option<Timestamp>, Refusal> {
    call.query("from").map(|text| moment("from", text, false)).transpose()
}

/// What the query asks for; `None` when it can match nothing, such as words without a letter.
fn search(call: &Call<'_>, from: Timestamp) -> Result<Option<Search>, Refusal> {
    let category = call.query("category").map(category).transpose()?;
    let to = call.query("to").map(|text| moment("to", text, true)).transpose()?;
    let city = call.query("city").map(city_key);
    let wanted = call.query("q").map(|text| words([text], SEARCH_WORDS_MAX));
    let venue = call.query("venue").map(|text| match text.parse::<VenueId>() {
        Ok(id) => VenueFilter::Id(id),
        Err(_) => VenueFilter::Words(words([text], SEARCH_WORDS_MAX)),
    });
    let is_empty = city.as_ref().is_some_and(String::is_empty)
        || wanted.as_ref().is_some_and(Vec::is_empty)
        || venue.as_ref().is_some_and(|venue| matches!(venue, VenueFilter::Words(words) if words.is_empty()));
    if is_empty {
        return Ok(None);
    }
    Ok(Some(Search { city, category, words: wanted.unwrap_or_default(), venue, from, to }))
}

fn category(text: &str) -> Result<Category, Refusal> {
    let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        serde::de::IntoDeserializer::into_deserializer(text);
    Category::deserialize(name)
        .map_err(|_| Refusal::BadRequest("category: movies, concerts, sports or theatre".to_owned()))
}

/// A time, or a day by UTC: its beginning, or its last millisecond.
fn moment(name: &str, text: &str, is_end: bool) -> Result<Timestamp, Refusal> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let day: Option<jiff::civil::Date> = text.parse().ok();
    let start = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|zoned| zoned.timestamp());
    let refusal =
        || Refusal::BadRequest(format!("{name}: a day such as 2026-11-22 or a time such as 2026-11-22T18:00:00Z"));
    let start = start.ok_or_else(refusal)?;
    let end = SignedDuration::from_hours(24) - SignedDuration::from_millis(1);
    Ok(if is_end { shift(start, end) } else { start })
}

/// `GET /v1/events/{eventId}`.
pub(crate) async fn read(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let listed = app.store.listed(call.path("eventId")?, false).await?.ok_or(Refusal::NotFound("event"))?;
    Ok(Reply::json(200, &EventView::new(&listed)).cached(CATALOGUE_CACHING))
}
