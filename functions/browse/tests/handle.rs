//! `browse` from recorded events.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use browse::App;
use domain::{
    availability::pack,
    catalogue::{Event, Show},
    ids::{EventId, ShowId},
    time::{SignedDuration, shift},
};
use edge::{Body, Response, Settings};
use serde_json::{Value, json};
use store::Store;
use testkit::{clock::ManualClock, engine::Engine, recorded::Recorded, sale, table};

/// Names and values.
type Query<'a> = &'a [(&'a str, &'a str)];

struct Setup {
    app: App,
    store: Store,
    clock: Arc<ManualClock>,
    _engine: Engine,
}

async fn setup() -> Setup {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish(&store).await;
    let clock = Arc::new(ManualClock::at(sale::held_at()));
    let app = App::new(&Settings::new([]), store.clone(), clock.clone());
    Setup { app, store, clock, _engine: engine }
}

impl Setup {
    async fn response(&self, event: &Recorded) -> Response<Body> {
        browse::handle(&self.app, edge::http::request_from_json(&event.text()).unwrap()).await
    }

    async fn call(&self, event: &Recorded) -> (u16, Value) {
        let response = self.response(event).await;
        (response.status().as_u16(), body(&response))
    }

    async fn ok(&self, name: &str) -> Value {
        let (status, body) = self.call(&Recorded::http(name)).await;
        assert_eq!(status, 200, "{name}: {body}");
        body
    }

    async fn titles(&self, query: Query<'_>) -> Vec<String> {
        let (status, body) = self.call(&Recorded::http("browse.list-events").query(query)).await;
        assert_eq!(status, 200, "{body}");
        body["events"].as_array().unwrap().iter().map(|event| event["title"].as_str().unwrap().to_owned()).collect()
    }

    /// Another event at the sale's venue, with shows this many days after [`sale::held_at`].
    async fn also(&self, number: u128, title: &str, city: &str, days: &[i64]) -> EventId {
        let id = EventId::from_uuid(uuid::Uuid::from_u128(number));
        let event = Event { id, title: title.to_owned(), city: city.to_owned(), artists: vec![], ..sale::event() };
        self.store.create_event(&event, "also").await.unwrap();
        for (n, &days) in (0..).zip(days) {
            let starts_at = shift(sale::held_at(), SignedDuration::from_hours(24 * days));
            let show_id = ShowId::from_uuid(uuid::Uuid::from_u128(number * 1_000 + n));
            let show = Show { id: show_id, event: id, starts_at, ..sale::show() };
            self.store.create_show(&show, &sale::venue().name, &[], "also").await.unwrap();
        }
        id
    }
}

fn body(response: &Response<Body>) -> Value {
    match response.body() {
        Body::Text(text) => serde_json::from_str(text).unwrap(),
        _ => Value::Null,
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test]
async fn every_recorded_event_is_answered_in_the_shape_of_the_contract() {
    let setup = setup().await;
    let list = setup.ok("browse.list-events").await;
    let event = &list["events"][0];
    assert_eq!(event["eventId"], sale::event().id.to_string());
    assert_eq!(
        (&event["venueName"], &event["firstShowAt"]),
        (&json!(sale::venue().name), &json!("2026-11-28T14:00:00Z"))
    );
    assert_eq!(event["fromPrice"], json!({"amountMinor": 10_000, "currency": "INR"}));
    assert_eq!(list["nextCursor"], Value::Null);
    let event = setup.ok("browse.get-event").await;
    assert_eq!((&event["eventId"], &event["artists"]), (&json!(sale::event().id), &json!(sale::event().artists)));
    let shows = setup.ok("browse.list-shows").await;
    let show = setup.ok("browse.get-show").await;
    assert_eq!(shows["shows"], json!([show]));
    assert_eq!((&show["holdTtlSeconds"], &show["maxSeatsPerBuyer"]), (&json!(600), &json!(6)));
    assert_eq!(show["waitingRoom"], json!({"enabled": false, "opensAt": null}));
    let plan = setup.ok("browse.get-plan").await;
    let balcony = json!({
        "sectionId": "balcony", "name": "बालकनी", "seatCount": 3, "categories": ["silver"],
        "outline": [[1.0, 0.0], [3.0, 0.0]],
    });
    assert_eq!(plan["sections"], json!([balcony]));
    assert_eq!(plan["areas"][0]["capacity"], 50);
    assert_eq!(plan["categories"][0], json!({"categoryId": "silver", "name": "रजत", "color": "#be123c"}));
    let section = setup.ok("browse.get-section-plan").await;
    let seat =
        json!({"seatId": "balcony:A:2", "seat": "2", "x": 2.0, "y": 0.0, "category": "silver", "accessible": true});
    assert_eq!(section["rows"][0]["seats"][1], seat);
    let counts = setup.ok("browse.get-availability").await;
    let untouched =
        json!({"sectionId": "balcony", "total": 3, "available": 3, "held": 0, "sold": 0, "blocked": 0, "version": 0});
    assert_eq!(counts["sections"], json!([untouched]));
    assert_eq!((&counts["areas"][0]["remaining"], &counts["asOf"]), (&json!(50), &json!("2026-11-22T15:00:00Z")));
    let seats = setup.ok("browse.get-section-availability").await;
    assert_eq!(seats, json!({"sectionId": "balcony", "version": 0, "seats": STANDARD.encode([0])}));
}

#[tokio::test]
async fn availability_shows_what_was_taken_and_has_a_validator() {
    let setup = setup().await;
    let (counts, seats) =
        (Recorded::http("browse.get-availability"), Recorded::http("browse.get-section-availability"));
    sale::hold(&setup.store, |_| ()).await;
    let (show, section) = (sale::show().id, "balcony".parse().unwrap());
    let row = &sale::plan().sections[0].rows[0];
    let states = setup.store.row_states(show, &section, &row.id).await.unwrap();
    let changed_at = shift(sale::held_at(), SignedDuration::from_secs(7));
    assert!(setup.store.put_row(show, &section, &row.id, &pack(row, &states, "5".into()), changed_at).await.unwrap());
    let (_, told) = setup.call(&counts).await;
    let taken =
        json!({"sectionId": "balcony", "total": 3, "available": 1, "held": 2, "sold": 0, "blocked": 0, "version": 1});
    assert_eq!((&told["sections"][0], &told["asOf"]), (&taken, &json!("2026-11-22T15:00:07Z")));
    assert_eq!(told["areas"], json!([{"areaId": "pit", "remaining": 49}]));
    let (_, told) = setup.call(&seats).await;
    assert_eq!(told["seats"], STANDARD.encode([0b01_01_00_00]));
    for event in [counts, seats] {
        let first = setup.response(&event).await;
        assert_eq!(header(&first, "cache-control"), "public, max-age=1");
        let etag = header(&first, "etag").to_owned();
        assert!(etag.starts_with('"'), "{etag}");
        let again = setup.response(&event.header("if-none-match", &etag)).await;
        assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, etag.as_str()));
    }
}

#[tokio::test]
async fn a_plan_by_its_version_is_immutable() {
    let setup = setup().await;
    for name in ["browse.get-plan", "browse.get-section-plan"] {
        let caching = async |event: Recorded| header(&setup.response(&event).await, "cache-control").to_owned();
        assert_eq!(caching(Recorded::http(name)).await, "public, max-age=31536000, immutable");
        assert_eq!(caching(Recorded::http(name).query(&[])).await, "public, max-age=60");
        assert_eq!(setup.call(&Recorded::http(name).query(&[("v", "2")])).await.0, 404);
        assert_eq!(setup.call(&Recorded::http(name).query(&[("v", "new")])).await.0, 400);
    }
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let setup = setup().await;
    let by_show = ["get-show", "get-plan", "get-section-plan", "get-availability", "get-section-availability"];
    for name in by_show {
        let recorded = Recorded::http(&format!("browse.{name}"));
        for id in ["shw_00000000000000000000000000000009", "nonsense", "shw_%F0%28"] {
            let (status, problem) = setup.call(&recorded.clone().path("showId", id)).await;
            assert_eq!((status, &problem["type"]), (404, &json!("urn:problem:usher:not-found")), "{name} {id}");
        }
    }
    for name in ["get-event", "list-shows"] {
        let recorded =
            Recorded::http(&format!("browse.{name}")).path("eventId", "evt_00000000000000000000000000000009");
        assert_eq!(setup.call(&recorded).await.0, 404, "{name}");
    }
    for name in ["get-section-plan", "get-section-availability"] {
        let recorded = Recorded::http(&format!("browse.{name}")).path("sectionId", "stalls");
        assert_eq!(setup.call(&recorded).await.0, 404, "{name}");
    }
}

#[tokio::test]
async fn events_are_found_by_city_category_words_venue_and_day() {
    let setup = setup().await;
    setup.also(11, "Café Müller", "São Paulo", &[3]).await;
    setup.also(12, "東京 Nights", "東京", &[40]).await;
    let sale = sale::event().title;
    let cases: [(Query<'_>, &[&str]); 14] = [
        (&[], &["Café Müller", &sale, "東京 Nights"]),
        (&[("city", "sao paulo")], &["Café Müller"]),
        (&[("city", "SÃO PAULO")], &["Café Müller"]),
        (&[("city", "東京")], &["東京 Nights"]),
        (&[("city", "Lima")], &[]),
        (&[("q", "muller CAFE")], &["Café Müller"]),
        (&[("q", "東京")], &["東京 Nights"]),
        (&[("q", "cafe nights")], &[]),
        (&[("q", "!!")], &[]),
        (&[("from", "2026-12-01")], &["東京 Nights"]),
        (&[("to", "2026-11-25")], &["Café Müller"]),
        (&[("from", "2026-11-25T15:00:00Z"), ("to", "2026-11-25T15:00:00Z")], &["Café Müller"]),
        (&[("venue", "कमानी"), ("q", "nights")], &["東京 Nights"]),
        (&[("venue", "ven_01990000000070008000000000000001"), ("to", "2026-11-25")], &["Café Müller"]),
    ];
    for (query, titles) in cases {
        assert_eq!(setup.titles(query).await, titles, "{query:?}");
    }
    let category = serde_json::to_value(sale::event().category).unwrap();
    assert_eq!(setup.titles(&[("category", category.as_str().unwrap())]).await.len(), 3);
    for query in [
        ("category", "opera"),
        ("from", "soon"),
        ("to", "2026-13-01"),
        ("limit", "0"),
        ("limit", "101"),
        ("cursor", "x"),
    ] {
        assert_eq!(setup.call(&Recorded::http("browse.list-events").query(&[query])).await.0, 400, "{query:?}");
    }
}

#[tokio::test]
async fn pages_list_every_event_once_even_while_time_passes() {
    let setup = setup().await;
    for number in 0..7 {
        let first = 1 + i64::try_from(number).unwrap();
        setup.also(20 + number, &format!("Play {number}"), "Pune", &[first, first + 20, first + 45]).await;
    }
    let mut titles = Vec::new();
    let mut cursor = None;
    for _ in 0..5 {
        let mut query = vec![("city", "Pune"), ("limit", "2")];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let (status, body) = setup.call(&Recorded::http("browse.list-events").query(&query)).await;
        assert_eq!(status, 200, "{body}");
        titles.extend(body["events"].as_array().unwrap().iter().map(|event| event["title"].to_string()));
        cursor = body["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
        let other = [("city", "Pune"), ("q", "play"), ("cursor", cursor.as_deref().unwrap())];
        assert_eq!(setup.call(&Recorded::http("browse.list-events").query(&other)).await.0, 400, "another search");
        setup.clock.advance(SignedDuration::from_hours(30));
    }
    assert_eq!(titles, (0..7).map(|n| format!("\"Play {n}\"")).collect::<Vec<_>>());
    assert_eq!(cursor, None);
}

#[tokio::test]
async fn shows_are_listed_by_start_in_pages() {
    let setup = setup().await;
    let event = setup.also(30, "Long run", "Pune", &[9, 2, 5]).await;
    let request = Recorded::http("browse.list-shows").path("eventId", &event);
    let (_, all) = setup.call(&request).await;
    let starts: Vec<&str> =
        all["shows"].as_array().unwrap().iter().map(|show| show["startsAt"].as_str().unwrap()).collect();
    assert_eq!(starts, ["2026-11-24T15:00:00Z", "2026-11-27T15:00:00Z", "2026-12-01T15:00:00Z"]);
    let (_, page) = setup.call(&request.clone().query(&[("limit", "2")])).await;
    assert_eq!(page["nextCursor"], "2");
    let (_, page) = setup.call(&request.query(&[("limit", "2"), ("cursor", "2")])).await;
    assert_eq!((&page["shows"][0], &page["nextCursor"]), (&all["shows"][2], &Value::Null));
}

#[tokio::test]
async fn the_document_of_the_api_is_cacheable() {
    let setup = setup().await;
    let event = Recorded::http("browse.get-openapi");
    assert_eq!(setup.ok("browse.get-openapi").await["openapi"], "3.1.0");
    let first = setup.response(&event).await;
    assert_eq!(header(&first, "cache-control"), "public, max-age=300");
    let again = setup.response(&event.header("if-none-match", header(&first, "etag"))).await;
    assert_eq!(again.status().as_u16(), 304);
}
