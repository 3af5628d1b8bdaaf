//! `organise` from recorded events to the table.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;

use domain::{
    availability::SeatState,
    booking::{Booking, Reason, Refund, RefundStatus, Status},
    ids::{EventId, SectionId, ShowId, VenueId},
    ledger::{Kind, steps},
    search::Search,
    time::Clock as _,
};
use edge::{Body, Settings};
use organise::App;
use serde_json::{Value, json};
use store::Store;
use testkit::{clock::ManualClock, engine::Engine, ids::SequencedIds, recorded::Recorded, sale, table};

struct Setup {
    app: App,
    store: Store,
    clock: Arc<ManualClock>,
    _engine: Engine,
}

async fn setup() -> Setup {
    setup_with(&[]).await
}

async fn setup_with(settings: &[(&str, &str)]) -> Setup {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    let settings = [settings, &[("BOOKING_ID_KEY", "a key for this test only")]].concat();
    let settings = Settings::new(settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    let clock = Arc::new(ManualClock::at(sale::held_at()));
    let app = App::new(&settings, store.clone(), clock.clone(), Arc::new(SequencedIds::default()));
    settings.check().unwrap();
    Setup { app, store, clock, _engine: engine }
}

/// With the sale's venue, event and show in the table.
async fn published() -> Setup {
    let setup = setup().await;
    sale::publish(&setup.store).await;
    setup
}

impl Setup {
    async fn call(&self, event: &Recorded) -> (u16, Value) {
        let request = edge::http::request_from_json(&event.text()).unwrap();
        let response = organise::handle(&self.app, request).await;
        let body = match response.body() {
            Body::Text(text) => serde_json::from_str(text).unwrap(),
            Body::Binary(bytes) => serde_json::from_slice(bytes).unwrap(),
            _ => Value::Null,
        };
        (response.status().as_u16(), body)
    }

    /// A venue, an event at which nothing is on yet.
    async fn venue_and_event(&self) -> (VenueId, EventId) {
        let (status, venue) = self.call(&Recorded::http("organise.create-venue")).await;
        assert_eq!(status, 201, "{venue}");
        let (status, event) = self.call(&Recorded::http("organise.create-event")).await;
        assert_eq!(status, 201, "{event}");
        (id(&venue["venueId"]), id(&event["eventId"]))
    }

    /// The recorded show, at a venue and of an event that exist.
    async fn show_request(&self) -> Recorded {
        let (venue, event) = self.venue_and_event().await;
        let recorded = Recorded::http("organise.create-show").path("eventId", &event);
        recorded.change_body(|body| {
            body["venueId"] = json!(venue.to_string());
            body["prices"] = json!({"gold": 30_000, "silver": 12_800});
        })
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}

fn pointers(problem: &Value) -> Vec<&str> {
    let faults = problem["faults"].as_array().unwrap();
    faults.iter().map(|fault| fault["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_show_is_published_and_found() {
    let setup = setup().await;
    let (status, show) = setup.call(&setup.show_request().await).await;
    assert_eq!(status, 201, "{show}");
    assert_eq!(show["status"], "ON_SALE");
    assert_eq!(show["timeZone"], "Asia/Kolkata");
    assert_eq!((&show["maxSeatsPerBuyer"], &show["holdTtlSeconds"]), (&json!(6), &json!(600)));
    let gold = json!({"category": "gold", "price": {"amountMinor": 30_000, "currency": "INR"}});
    assert_eq!(show["prices"][0], gold);
    let search = Search {
        city: None,
        category: None,
        words: vec!["bell".into()],
        venue: None,
        from: setup.clock.now(),
        to: None,
    };
    let page = setup.store.find(&search, None, 10).await.unwrap();
    assert_eq!(page.events[0].event.id.to_string(), show["eventId"]);
}

#[tokio::test]
async fn a_venue_names_the_categories_that_prices_use() {
    let setup = setup().await;
    let (status, venue) = setup.call(&Recorded::http("organise.create-venue")).await;
    assert_eq!((status, &venue["planVersion"]), (201, &json!(1)));
    let categories = json!([{"categoryId": "gold", "name": "Gold"}, {"categoryId": "silver", "name": "Silver"}]);
    assert_eq!(venue["categories"], categories);
    let id: VenueId = id(&venue["venueId"]);
    let overview = setup.store.plan_overview(id, 1).await.unwrap().unwrap();
    let section = setup.store.plan_section(id, 1, &overview.sections[0].id).await.unwrap().unwrap();
    assert_eq!((overview.sections[0].seat_count, section.seat_count()), (5, 5));
}

/// A real plan, looser than the schema: no categories, fractional positions.
#[tokio::test]
async fn the_beer_tent_is_published_with_one_category() {
    let setup = setup().await;
    let plan = testkit::recorded::value("plans/beer-tent.pretix");
    let venue = Recorded::http("organise.create-venue").change_body(|body| body["plan"] = plan);
    let (status, venue) = setup.call(&venue).await;
    assert_eq!(status, 201, "{venue}");
    assert_eq!(venue["categories"][0]["categoryId"], "standard");
    let (_, event) = setup.call(&Recorded::http("organise.create-event")).await;
    let show = Recorded::http("organise.create-show").path("eventId", event["eventId"].as_str().unwrap());
    let show = show.change_body(|body| {
        body["venueId"] = venue["venueId"].clone();
        body["prices"] = json!({"standard": 2_500});
    });
    let (status, show) = setup.call(&show).await;
    assert_eq!(status, 201, "{show}");
    let overview = setup.store.plan_overview(id(&venue["venueId"]), 1).await.unwrap().unwrap();
    assert_eq!(overview.sections.iter().map(|section| section.seat_count).sum::<u32>(), 960);
}

#[tokio::test]
async fn faults_of_a_plan_are_named_with_their_place_in_the_request() {
    let setup = setup().await;
    let broken = Recorded::http("organise.create-venue")
        .change_body(|body| body["plan"]["zones"][0]["rows"][1]["seats"][2]["category"] = json!("Platinum"));
    let (status, problem) = setup.call(&broken).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:problem:usher:invalid-plan")));
    assert_eq!(pointers(&problem), ["/plan/zones/0/rows/1/seats/2/category"]);
}

#[tokio::test]
async fn a_body_with_a_plan_is_bounded_by_the_setting() {
    let setup = setup_with(&[("PLAN_BYTES_MAX", "200")]).await;
    let (status, problem) = setup.call(&Recorded::http("organise.create-venue")).await;
    assert_eq!((status, &problem["limitBytes"]), (413, &json!(200)));
}

type Change = fn(&mut Value);

#[tokio::test]
async fn what_cannot_be_is_named_with_its_place() {
    let setup = setup().await;
    let request = setup.show_request().await;
    let cases: [(Change, &str); 9] = [
        (|body| body["prices"] = json!({"gold": 1}), "/prices/silver"),
        (|body| body["prices"]["platinum"] = json!(1), "/prices/platinum"),
        (|body| body["prices"]["gold"] = json!(-1), "/prices/gold"),
        (|body| body["prices"]["gold"] = json!(i64::MAX), "/prices/gold"),
        (|body| body["currency"] = json!("XXQ"), "/currency"),
        (|body| body["startsAt"] = json!("2026-11-21T00:00:00Z"), "/startsAt"),
        (|body| body["onSaleAt"] = json!("2026-12-06T00:00:00Z"), "/onSaleAt"),
        (|body| body["holdTtlSeconds"] = json!(59), "/holdTtlSeconds"),
        (|body| body["maxSeatsPerBuyer"] = json!(0), "/maxSeatsPerBuyer"),
    ];
    for (change, pointer) in cases {
        let (status, problem) = setup.call(&request.clone().change_body(change)).await;
        assert_eq!(status, 422, "{pointer}: {problem}");
        assert!(pointers(&problem).contains(&pointer), "{problem}");
    }
    let (status, problem) = setup
        .call(&Recorded::http("organise.create-venue").change_body(|body| body["timeZone"] = json!("Mars/Olympus")))
        .await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/timeZone"]));
}

#[tokio::test]
async fn an_unknown_field_is_refused() {
    let setup = setup().await;
    for name in ["organise.create-venue", "organise.create-event", "organise.create-show", "organise.change-show"] {
        let setup_event = Recorded::http(name).change_body(|body| body["capactiy"] = json!(1));
        let (status, problem) = setup.call(&setup_event).await;
        assert_eq!(status, 400, "{name}: {problem}");
    }
}

#[tokio::test]
async fn a_retry_under_the_same_key_finds_what_was_made() {
    let setup = setup().await;
    let keyed = |name: &str| Recorded::http(name).header("idempotency-key", "first try");
    for name in ["organise.create-venue", "organise.create-event"] {
        let (first, again) = (setup.call(&keyed(name)).await, setup.call(&keyed(name)).await);
        assert_eq!(first.0, 201, "{}", first.1);
        assert_eq!(first, again);
        let other = keyed(name).change_body(|body| body["city"] = json!("Pune"));
        let (status, problem) = setup.call(&other).await;
        assert_eq!((status, &problem["type"]), (422, &json!("urn:problem:usher:idempotency-mismatch")));
    }
    let show = setup.show_request().await.header("idempotency-key", "first try");
    let (first, again) = (setup.call(&show).await, setup.call(&show).await);
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(first, again);
    let (status, _) = setup.call(&show.clone().change_body(|body| body["prices"]["gold"] = json!(1))).await;
    assert_eq!(status, 422);
    let listed = setup.store.listed(id(&first.1["eventId"]), true).await.unwrap().unwrap();
    assert_eq!(listed.shows.len(), 1);
}

#[tokio::test]
async fn only_an_organiser_and_only_on_their_own() {
    let setup = published().await;
    let names = [
        "organise.create-venue",
        "organise.create-event",
        "organise.create-show",
        "organise.change-show",
        "organise.block-seats",
        "organise.read-sales",
    ];
    for name in names {
        assert_eq!(setup.call(&Recorded::http(name).anonymous()).await.0, 401, "{name}");
        assert_eq!(setup.call(&Recorded::http(name).by("organiser", "[door]")).await.0, 403, "{name}");
    }
    for name in &names[2..] {
        let (status, problem) = setup.call(&Recorded::http(name).by("somebody-else", "[organiser]")).await;
        assert_eq!(status, 404, "{name}: {problem}");
    }
}

#[tokio::test]
async fn a_show_changes_in_what_was_sent_only() {
    let setup = published().await;
    let (status, show) = setup.call(&Recorded::http("organise.change-show")).await;
    assert_eq!(status, 200, "{show}");
    assert_eq!(
        (&show["status"], &show["maxSeatsPerBuyer"], &show["holdTtlSeconds"]),
        (&json!("PAUSED"), &json!(4), &json!(300))
    );
    let price = |show: &Value, n: usize| show["prices"][n]["price"]["amountMinor"].as_i64();
    assert_eq!((price(&show, 0), price(&show, 1)), (Some(14_000), Some(10_000)));
    let (status, show) = setup.call(&Recorded::http("organise.change-show").body(&json!({"status": "OPEN"}))).await;
    assert_eq!((status, &show["status"], &show["maxSeatsPerBuyer"]), (200, &json!("ON_SALE"), &json!(4)));
    assert_eq!(show["version"], 3);
    let stored = setup.store.show_now(sale::show().id).await.unwrap().unwrap();
    assert_eq!(stored.hold_ttl_seconds, Some(300));
}

#[tokio::test]
async fn a_cancelled_show_leaves_the_lists_for_good() {
    let setup = published().await;
    let (status, _) = setup.call(&Recorded::http("organise.change-show").body(&json!({"status": "CANCELLED"}))).await;
    assert_eq!(status, 200);
    let search = Search { city: None, category: None, words: vec![], venue: None, from: setup.clock.now(), to: None };
    assert_eq!(setup.store.find(&search, None, 10).await.unwrap().events, vec![]);
    let (status, problem) =
        setup.call(&Recorded::http("organise.change-show").body(&json!({"status": "ON_SALE"}))).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/status"]));
}

async fn row(setup: &Setup) -> Vec<(String, SeatState)> {
    let section: SectionId = "balcony".parse().unwrap();
    let states = setup.store.row_states(sale::show().id, &section, &"A".parse().unwrap()).await.unwrap();
    states.into_iter().map(|(seat, state)| (seat.to_string(), state)).collect()
}

#[tokio::test]
async fn ranges_of_house_seats_are_given_to_a_channel_all_or_none() {
    let setup = published().await;
    let allocate = Recorded::http("organise.allocate-seats");
    for _ in 0..2 {
        let (status, job) = setup.call(&allocate).await;
        assert_eq!(
            (status, &job["progress"], &job["done"], &job["total"]),
            (202, &json!("done"), &json!(2), &json!(2))
        );
        assert_eq!(row(&setup).await, [("2".to_owned(), SeatState::Blocked), ("3".to_owned(), SeatState::Blocked)]);
    }
    let with = |key: &str, body: Value| allocate.clone().header("idempotency-key", key).body(&body);
    let whole = json!({"ranges": [{"sectionId": "balcony"}], "action": "release"});
    assert_eq!(setup.call(&with("r", whole.clone())).await.1["progress"], "done");
    assert_eq!(row(&setup).await, []);
    sale::hold(&setup.store, |booking| booking.seats.truncate(1)).await;
    let block = json!({"ranges": [{"sectionId": "balcony", "row": "A"}]});
    let (status, problem) = setup.call(&with("b", block)).await;
    assert_eq!((status, &problem["unavailable"]), (409, &json!(["balcony:A:2"])));
    assert_eq!(row(&setup).await.len(), 1, "nothing is blocked");
    for (body, status) in [
        (json!({"ranges": [{"sectionId": "balcony", "row": "A", "from": "3", "to": "1"}]}), 422),
        (json!({"ranges": [{"sectionId": "balcony"}, {"sectionId": "balcony", "row": "A"}]}), 422),
        (json!({"ranges": [{"sectionId": "cellar"}]}), 422),
        (json!({"ranges": [{"sectionId": "balcony"}], "action": "allocate"}), 400),
        (json!({"ranges": [{"sectionId": "balcony"}], "channel": "sponsor"}), 400),
        (json!({"ranges": [{"sectionId": "balcony"}], "seatIds": ["balcony:A:1"]}), 400),
        (json!({"seatIds": ["balcony:A:1"], "action": "allocate", "channel": "sponsor"}), 400),
    ] {
        assert_eq!(setup.call(&with("refused", body.clone())).await.0, status, "{body}");
    }
    let (status, _) = setup.call(&with("r", json!({"ranges": [{"sectionId": "balcony", "row": "A"}]}))).await;
    assert_eq!(status, 422, "the key was another job's");
    let (status, _) = setup.call(&allocate.clone().by("somebody", "organiser")).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn house_seats_are_blocked_and_released_all_or_none() {
    let setup = published().await;
    let block = Recorded::http("organise.block-seats");
    let with = |seats: &[&str], action: &str| block.clone().body(&json!({"seatIds": seats, "action": action}));
    for _ in 0..2 {
        let (status, body) = setup.call(&block).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(row(&setup).await, [("1".to_owned(), SeatState::Blocked), ("3".to_owned(), SeatState::Blocked)]);
    }
    assert_eq!(setup.call(&with(&["balcony:A:1", "balcony:A:2"], "release")).await.0, 200);
    assert_eq!(row(&setup).await, [("3".to_owned(), SeatState::Blocked)]);
    let booking = sale::hold(&setup.store, |_| ()).await;
    for action in ["block", "release"] {
        let (status, problem) = setup.call(&with(&["balcony:A:3", "balcony:A:1", "balcony:A:2"], action)).await;
        assert_eq!(status, 409, "{problem}");
        assert_eq!(problem["unavailable"], json!(["balcony:A:1", "balcony:A:2"]));
    }
    assert_eq!(row(&setup).await.len(), 3, "the seats of {} are as they were", booking.id);
    let (status, problem) = setup.call(&with(&["balcony:A:9", "stalls:A:1"], "block")).await;
    assert_eq!((status, &problem["unknown"]), (404, &json!(["balcony:A:9", "stalls:A:1"])));
    for seats in [vec![], vec!["balcony:A:1", "balcony:A:1"], vec!["nonsense"]] {
        assert_eq!(setup.call(&with(&seats, "block")).await.0, 400, "{seats:?}");
    }
}

#[tokio::test]
async fn sales_are_counted_by_section_and_area() {
    let setup = published().await;
    sale::hold(&setup.store, |_| ()).await;
    let (status, sales) = setup.call(&Recorded::http("organise.read-sales")).await;
    assert_eq!(status, 200, "{sales}");
    assert_eq!(sales["areas"][0], json!({"areaId": "pit", "name": "Pit", "capacity": 50, "remaining": 49, "taken": 1}));
    assert_eq!(sales["seats"]["total"], 3);
    let show: ShowId = id(&sales["showId"]);
    assert_eq!(show, sale::show().id);
    let none = [("box-office", 0), ("sponsor", 0), ("promoter", 0)]
        .map(|(channel, seats)| json!({"channel": channel, "seats": seats}));
    assert_eq!((&sales["channels"], &sales["unallocated"]), (&json!(none), &json!(0)));
}

/// The sale of the tests in its show's ledger, cancelled for half and given back.
async fn with_ledger() -> Setup {
    let setup = published().await;
    let paid = sale::paid_booking();
    let refund = Refund { amount_minor: 17_800, percent: 50, status: RefundStatus::Done };
    let cancelled = Booking {
        status: Status::Cancelled(Reason::Buyer),
        refund: Some(refund),
        version: paid.version + 1,
        ..paid.clone()
    };
    let mut entries = steps(None, &paid, sale::captured_at());
    entries.extend(steps(Some(&paid), &cancelled, sale::captured_at()));
    setup.store.append(&entries).await.unwrap();
    setup
}

#[tokio::test]
async fn the_money_of_a_show_adds_up() {
    let setup = with_ledger().await;
    let (status, money) = setup.call(&Recorded::http("organise.read-money")).await;
    assert_eq!(status, 200, "{money}");
    let rupees = |minor: i64| json!({"amountMinor": minor, "currency": "INR"});
    let sums = ["captured", "standing", "kept", "refunded", "refundsOwed", "authorised", "disputed", "disputesLost"];
    let expected = [35_600, 0, 17_800, 17_800, 0, 0, 0, 0];
    for (name, minor) in sums.into_iter().zip(expected) {
        assert_eq!(money[name], rupees(minor), "{name}");
    }
    assert_eq!((&money["balanced"], &money["unbalanced"]), (&json!(true), &json!({"count": 0, "first": []})));
    let counts = json!({"paid": 0, "authorised": 0, "cancelled": 1, "unpaid": 0, "disputed": 0});
    assert_eq!((&money["bookings"], &money["currency"]), (&counts, &json!("INR")));
}

#[tokio::test]
async fn money_that_does_not_add_up_is_said_and_named() {
    let setup = with_ledger().await;
    let stray = Booking { id: "bkg_00000000000080008000000000000bad".parse().unwrap(), ..sale::paid_booking() };
    let mut entries = steps(None, &stray, sale::captured_at());
    entries.retain(|entry| entry.kind != Kind::Sold);
    setup.store.append(&entries).await.unwrap();
    let (status, money) = setup.call(&Recorded::http("organise.read-money")).await;
    assert_eq!((status, &money["balanced"]), (200, &json!(false)));
    assert_eq!(money["unbalanced"], json!({"count": 1, "first": [stray.id.to_string()]}));
}

#[tokio::test]
async fn a_ledger_is_read_in_pages_or_of_one_booking() {
    let setup = with_ledger().await;
    let (status, whole) = setup.call(&Recorded::http("organise.read-ledger")).await;
    assert_eq!((status, &whole["nextCursor"]), (200, &Value::Null));
    let entries = whole["entries"].as_array().unwrap();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    let sorted = ["captured", "intent-recorded", "payment-started", "sold", "cancelled", "refund-done", "refund-owed"];
    assert_eq!(kinds, sorted);
    let captured = json!({
        "bookingId": sale::booking().id.to_string(), "version": 5, "at": "2026-11-22T15:01:30Z", "kind": "captured",
        "amount": {"amountMinor": 35_600, "currency": "INR"}, "intentId": "pi_1", "who": "system",
    });
    assert_eq!(entries[0], captured);
    assert_eq!(entries[4]["reason"], "buyer");
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = [("limit", "3"), ("cursor", cursor.as_str())];
        let (status, page) = setup.call(&Recorded::http("organise.read-ledger").query(&query)).await;
        assert_eq!(status, 200, "{page}");
        paged.extend(page["entries"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(&paged, entries);
    let of = async |booking: &str| {
        setup.call(&Recorded::http("organise.read-ledger").query(&[("bookingId", booking)])).await
    };
    let own = of(&sale::booking().id.to_string()).await;
    assert_eq!((own.0, own.1["entries"].as_array().unwrap()), (200, entries));
    assert_eq!(of("bkg_00000000000080008000000000000bad").await.1["entries"], json!([]));
    assert_eq!(of("nonsense").await.0, 400);
    for query in [("cursor", "nonsense"), ("limit", "0"), ("limit", "101")] {
        assert_eq!(setup.call(&Recorded::http("organise.read-ledger").query(&[query])).await.0, 400, "{query:?}");
    }
}

#[tokio::test]
async fn nobody_reads_the_money_of_anothers_show() {
    let setup = with_ledger().await;
    for name in ["organise.read-ledger", "organise.read-money"] {
        let event = Recorded::http(name);
        assert_eq!(setup.call(&event.clone().by("another", "[organiser]")).await.0, 404, "{name}");
        assert_eq!(setup.call(&event.clone().by("organiser", "[]")).await.0, 403, "{name}");
        assert_eq!(setup.call(&event.clone().anonymous()).await.0, 401, "{name}");
        let elsewhere = event.path("showId", "shw_01990000000070008000000000000bad");
        assert_eq!(setup.call(&elsewhere).await.0, 404, "{name}");
    }
}
