//! The map of a stadium of 50,000, each seat free, held, sold or blocked at random.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    availability::{SeatState, count},
    booking::{Booking, SeatLine},
    catalogue::Show,
    hold::Terms,
    ids::{BookingId, SeatId, SectionId, ShowId},
    time::Clock,
};
use edge::{Body, DynamodbEvent, Response, Settings};
use flate2::{Compression, write::GzEncoder};
use outbound::{
    clock::SystemClock,
    local::{LocalQueue, LocalTellings},
};
use serde_json::{Value, json};
use store::{
    Store,
    block::{BLOCK_SEATS_MAX, Blocking},
    hold::Claimed,
};
use testkit::{
    budget,
    engine::{self, Engine, Record},
    recorded::Recorded,
    sale,
};
use tokio::task::JoinSet;
use usher::{Options, Platform};
use uuid::Uuid;

use super::stage::f64_of;

/// Seats of the demo's stadium.
const SEATS: usize = 50_000;
/// Seats in one booking here, so that there are fewer of them: a transaction takes 100 items.
const BOOKING_SEATS: usize = 90;
/// Another draw is another seed.
const SEED: u64 = 50_000;
/// Records that the stream is asked for at once, and that `project` is given at once.
const RECORDS: u32 = 1_000;
/// How long a call to the platform may take.
const CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// The stream's name; no function reads it.
pub(super) const STREAM_ARN: &str = "arn:aws:dynamodb:local:000000000000:table/usher/stream/local";

/// The demo's stadium, published through the API by a platform that is gone when it is measured.
pub(super) async fn stadium(directory: &std::path::Path) -> (Engine, Store, Show) {
    let options = Options { data: Some(directory.to_owned()), demo: true, ..Options::default() };
    let platform = Platform::start(options).await.expect("the platform starts");
    let http = reqwest::Client::builder().timeout(CALL_TIMEOUT).build().unwrap();
    let get = async |path: String| -> Value {
        http.get(format!("{}{path}", platform.base_url())).send().await.unwrap().json().await.unwrap()
    };
    let events = get("/v1/events?q=skyline".to_owned()).await;
    let event = events["events"][0]["eventId"].as_str().unwrap().to_owned();
    let shows = get(format!("/v1/events/{event}/shows")).await;
    let show: ShowId = shows["shows"][0]["showId"].as_str().unwrap().parse().unwrap();
    platform.stop().await;
    let options = engine::Options { directory: Some(directory.to_owned()), metered: true };
    let engine = Engine::start(options).await.unwrap();
    let store = Store::new(engine.client(), engine.table());
    let show = store.show_now(show).await.unwrap().unwrap();
    (engine, store, show)
}

async fn seats_of(store: &Store, show: &Show) -> (Vec<SectionId>, Vec<SeatId>) {
    let plan = store.plan_overview(show.venue, show.plan_version).await.unwrap().unwrap();
    let sections: Vec<SectionId> = plan.sections.iter().map(|section| section.id.clone()).collect();
    let mut seats = Vec::with_capacity(SEATS);
    for section in &sections {
        let section = store.plan_section(show.venue, show.plan_version, section).await.unwrap().unwrap();
        seats.extend(section.seats().map(|(id, _)| id));
    }
    assert_eq!(seats.len(), SEATS);
    (sections, seats)
}

fn drawn(seat: &SeatId) -> SeatState {
    let mut hasher = DefaultHasher::new();
    (SEED, seat.to_string()).hash(&mut hasher);
    SeatState::from_bits(hasher.finish().to_be_bytes()[0])
}

/// Brings the seats to the states that were drawn, by the store's own writes; only the bookings are larger than buyers
/// may make them. Answers how many are held, sold and blocked.
async fn occupy(store: &Store, show: &Show, seats: &[SeatId]) -> [u32; 3] {
    let of = |state| seats.iter().filter(|seat| drawn(seat) == state).cloned().collect::<Vec<_>>();
    let (held, sold, blocked) = (of(SeatState::Held), of(SeatState::Sold), of(SeatState::Blocked));
    let mut writes = JoinSet::new();
    for (number, seats) in blocked.chunks(BLOCK_SEATS_MAX).enumerate() {
        let (store, show, seats) = (store.clone(), show.id, seats.to_vec());
        writes.spawn(async move {
            store.block(show, &seats, Blocking::Block).await.unwrap_or_else(|why| panic!("block {number}: {why}"));
        });
    }
    let bookings = held.chunks(BOOKING_SEATS).map(|seats| (seats, false));
    let bookings = bookings.chain(sold.chunks(BOOKING_SEATS).map(|seats| (seats, true)));
    for (number, (seats, pay)) in bookings.enumerate() {
        let (store, booking) = (store.clone(), booking(number, show.id, seats));
        writes.spawn(async move {
            assert_eq!(store.claim(&booking, &Terms::within(u32::MAX)).await.unwrap(), Claimed::Won);
            if pay {
                sale::pay(&store, booking).await;
            }
        });
    }
    writes.join_all().await;
    [held, sold, blocked].map(|seats| u32::try_from(seats.len()).unwrap())
}

fn booking(number: usize, show: ShowId, seats: &[SeatId]) -> Booking {
    let line =
        |seat: &SeatId| SeatLine { seat: seat.clone(), category: "silver".parse().unwrap(), price_minor: 12_800 };
    Booking {
        id: BookingId::from_uuid(Uuid::from_u128(number as u128 + 1)),
        buyer: format!("buyer {number}").parse().unwrap(),
        show,
        seats: seats.iter().map(line).collect(),
        areas: Vec::new(),
        ..sale::booking()
    }
}

/// Hands `project` the last record of each row: it reads the row as it is now, so that earlier ones would change nothing.
async fn project(engine: &Engine, store: &Store) {
    let mut last: HashMap<String, Record> = HashMap::new();
    let mut after = 0;
    loop {
        let records = engine.stream().read(after, RECORDS).unwrap();
        let Some(newest) = records.last() else { break };
        after = newest.sequence;
        for record in records {
            let key = record.keys["PK"]["S"].as_str().unwrap().to_owned();
            if key.starts_with("SEATS#") {
                last.insert(key, record);
            }
        }
    }
    let mut last: Vec<Value> = last.into_values().map(|record| record.event(STREAM_ARN).unwrap()).collect();
    last.sort_by_key(|record| record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let queue = Arc::new(LocalQueue::new(Arc::clone(&clock), 1));
    let app = project::App::new(store.clone(), Arc::new(LocalTellings::new(queue, Arc::clone(&clock))), clock);
    for batch in last.chunks(RECORDS as usize) {
        let event: DynamodbEvent = serde_json::from_value(json!({"Records": batch})).unwrap();
        let response = project::handle(&app, event).await;
        assert_eq!(response.batch_item_failures.len(), 0);
    }
}

struct Browse {
    app: browse::App,
    show: ShowId,
}

impl Browse {
    async fn get(&self, name: &str, section: &SectionId, coding: &str) -> Response<Body> {
        let event = Recorded::http(name).path("showId", &self.show).path("sectionId", section);
        let event = event.header("accept-encoding", coding).text();
        let response = browse::handle(&self.app, edge::http::request_from_json(&event).unwrap()).await;
        assert_eq!(response.status(), 200, "{name} {section}");
        response
    }
}

fn bytes(response: Response<Body>) -> Vec<u8> {
    match response.into_body() {
        Body::Text(text) => text.into_bytes(),
        Body::Binary(bytes) => bytes,
        _ => Vec::new(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_of_a_stadium_is_small_and_cheap() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, store, show) = stadium(directory.path()).await;
    let (sections, seats) = seats_of(&store, &show).await;
    let occupied = occupy(&store, &show, &seats).await;
    project(&engine, &store).await;
    let app = browse::App::new(&Settings::new([]), store, Arc::new(SystemClock));
    let browse = Browse { app, show: show.id };
    let (mut raw, mut compressed, mut units, mut states) = (Vec::new(), 0, 0.0_f64, Vec::new());
    for section in &sections {
        // An instance reads a plan once; what it reads from then on is availability, and the show every 3 s.
        browse.get("browse.get-section-plan", section, "identity").await;
        let before = engine.meter().total().read_units;
        let json = bytes(browse.get("browse.get-section-availability", section, "identity").await);
        units = units.max(engine.meter().total().read_units - before);
        let packed: Value = serde_json::from_slice(&json).unwrap();
        states.extend(STANDARD.decode(packed["seats"].as_str().unwrap()).unwrap());
        raw.extend(json);
        let response = browse.get("browse.get-section-availability", section, "gzip").await;
        assert!(response.headers().contains_key("content-encoding") || response.body().len() < 512, "{section}");
        compressed += bytes(response).len();
    }
    let counts = count(&states);
    assert_eq!([counts.held, counts.sold, counts.blocked], occupied, "the map shows what was drawn");
    assert!(units > 0.0, "something was read");
    let bytes = |length: usize| f64_of(length as u64);
    let parts = sections.len();
    budget::at_most("read units of a section's availability at the origin, the dearest section", 1.0, units);
    budget::at_most(&format!("bytes of all {parts} sections of 50,000 seats, JSON"), 20_000.0, bytes(raw.len()));
    let stream = gzip(&raw).len();
    budget::at_most("bytes of these, gzip, as one stream", 14_000.0, bytes(stream));
    budget::told(
        &format!("bytes of these, as the {parts} answers that are sent to who accepts gzip"),
        bytes(compressed),
    );
}
