//! `organise` from recorded events to the table.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError,
    availability::SeatState,
    booking::{Booking, Reason, Refund, RefundStatus, Status},
    ids::{EventId, SectionId, ShowId, VenueId},
    ledger::{Kind, steps},
    search::Search,
    time::{Clock as _, SignedDuration},
};
use edge::{Body, Settings};
use organise::App;
use outbound::{
    local::LocalUploads,
    uploads::{Offer, Uploads},
};
use serde_json::{Value, json};
use store::Store;
use testkit::{
    clock::ManualClock,
    engine::{CallInfo, Engine, Fault},
    ids::SequencedIds,
    recorded::Recorded,
    sale, table,
};

/// What offers begin with.
const UPLOADS_URL: &str = "http://127.0.0.1/uploads";

struct Setup {
    app: App,
    store: Store,
    clock: Arc<ManualClock>,
    uploads: Arc<Shaky>,
    engine: Engine,
}

/// Uploads that are out of reach when told to.
struct Shaky {
    uploads: LocalUploads,
    failing: AtomicBool,
}

impl Shaky {
    fn check(&self) -> Result<(), ProviderError> {
        let failing = self.failing.load(Ordering::SeqCst);
        let failure = || ProviderError::Unavailable { detail: "told to fail".to_owned(), retry_after_seconds: None };
        if failing { Err(failure()) } else { Ok(()) }
    }
}

#[async_trait]
impl Uploads for Shaky {
    async fn offer(&self, key: &str, bytes: u32, lifetime: Duration) -> Result<Offer, ProviderError> {
        self.check()?;
        self.uploads.offer(key, bytes, lifetime).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        self.check()?;
        self.uploads.get(key).await
    }
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
    let uploads = LocalUploads::new(engine.directory().join("uploads"), UPLOADS_URL, clock.clone()).unwrap();
    let uploads = Arc::new(Shaky { uploads, failing: AtomicBool::new(false) });
    let app = App::new(&settings, store.clone(), uploads.clone(), clock.clone(), Arc::new(SequencedIds::default()));
    settings.check().unwrap();
    Setup { app, store, clock, uploads, engine }
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

impl Setup {
    /// Offers an upload for `file` and puts it there, as `organiser`; answers the upload's id.
    async fn upload(&self, file: &[u8]) -> String {
        let (status, offer) = self.call(&offer_for(file.len())).await;
        assert_eq!(status, 201, "{offer}");
        let (key, query) = offer["url"].as_str().unwrap().split_once('?').unwrap();
        let key = key.strip_prefix(UPLOADS_URL).unwrap().trim_start_matches('/');
        let part = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap();
        let uploads = &self.uploads.uploads;
        let allowed = uploads.allowed(key, part("bytes"), part("expires"), part("signature"));
        assert_eq!(allowed.map(|bytes| bytes as usize), Some(file.len()));
        assert!(uploads.put(key, file.to_vec()).await.unwrap());
        offer["uploadId"].as_str().unwrap().to_owned()
    }
}

fn offer_for(bytes: usize) -> Recorded {
    Recorded::http("organise.create-plan-upload").body(&json!({"bytes": bytes}))
}

/// The recorded command with an upload in the place of its plan.
fn of_upload(upload: &str) -> Recorded {
    let change = |body: &mut Value| {
        body.as_object_mut().unwrap().remove("plan");
        body["planUpload"] = json!(upload);
    };
    Recorded::http("organise.create-venue").change_body(change)
}

/// The plan of the recorded command.
fn recorded_plan() -> Value {
    let mut plan = Value::Null;
    let _ = Recorded::http("organise.create-venue").change_body(|body| plan = body["plan"].clone());
    plan
}

#[tokio::test]
async fn a_plan_that_was_put_beside_the_api_makes_the_same_venue_as_one_in_the_command() {
    let setup = setup().await;
    let (status, inline) = setup.call(&Recorded::http("organise.create-venue")).await;
    assert_eq!(status, 201, "{inline}");
    let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
    let (status, venue) = setup.call(&of_upload(&upload)).await;
    assert_eq!(status, 201, "{venue}");
    assert_eq!((&venue["categories"], &venue["planVersion"]), (&inline["categories"], &inline["planVersion"]));
    let [of_inline, of_upload] = [&inline, &venue].map(|it| id::<VenueId>(&it["venueId"]));
    let overview = setup.store.plan_overview(of_upload, 1).await.unwrap().unwrap();
    assert_eq!(Some(&overview), setup.store.plan_overview(of_inline, 1).await.unwrap().as_ref());
    let section = &overview.sections[0].id;
    let stored = setup.store.plan_section(of_upload, 1, section).await.unwrap();
    assert!(stored.is_some() && stored == setup.store.plan_section(of_inline, 1, section).await.unwrap());
}

#[tokio::test]
async fn an_upload_is_offered_within_bounds() {
    let setup = setup().await;
    let (status, offer) = setup.call(&Recorded::http("organise.create-plan-upload")).await;
    assert_eq!((status, &offer["method"], &offer["bytesMax"]), (201, &json!("PUT"), &json!(33_554_432)));
    assert_eq!(offer["headers"], json!({"content-type": "application/json", "if-none-match": "*"}));
    let lives = offer["expiresAt"].as_str().unwrap().parse::<domain::Timestamp>().unwrap();
    let lives = lives.duration_since(setup.clock.now()).as_secs();
    assert!((899..=900).contains(&lives), "{lives}");
    let (_, other) = setup.call(&Recorded::http("organise.create-plan-upload")).await;
    assert_ne!(offer["uploadId"], other["uploadId"]);
    for bytes in [0, 33_554_433] {
        let (status, problem) = setup.call(&offer_for(bytes)).await;
        assert_eq!((status, pointers(&problem)), (422, vec!["/bytes"]), "{bytes}");
    }
}

#[tokio::test]
async fn an_upload_that_is_not_there_or_not_ones_own_or_over_is_named() {
    let setup = setup().await;
    let nothing = async |event: &Recorded| {
        let (status, problem) = setup.call(event).await;
        let told = (status, &problem["type"], pointers(&problem));
        assert_eq!(told, (422, &json!("urn:problem:usher:invalid"), vec!["/planUpload"]), "{problem}");
    };
    let (_, offer) = setup.call(&offer_for(2)).await;
    nothing(&of_upload(offer["uploadId"].as_str().unwrap())).await;
    nothing(&of_upload("upl_01990000000070008000000000000001")).await;
    let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
    nothing(&of_upload(&upload).by("somebody-else", "[organiser]")).await;
    setup.clock.advance(SignedDuration::from_hours(24));
    nothing(&of_upload(&upload)).await;
    for broken in [
        of_upload("upl_1"),
        of_upload(&upload).change_body(|body| body["plan"] = recorded_plan()),
        Recorded::http("organise.create-venue").change_body(|body| drop(body.as_object_mut().unwrap().remove("plan"))),
    ] {
        let (status, problem) = setup.call(&broken).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:problem:usher:bad-request")), "{problem}");
    }
}

#[tokio::test]
async fn faults_of_an_uploaded_plan_are_named_as_if_it_were_in_the_command_and_take_no_key() {
    let setup = setup().await;
    let keyed = |upload: &str| of_upload(upload).header("idempotency-key", "the house");
    let not_json = setup.upload(b"<svg/>").await;
    let (status, problem) = setup.call(&keyed(&not_json)).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:problem:usher:invalid-plan")), "{problem}");
    assert_eq!(pointers(&problem), ["/plan"]);
    let mut plan = recorded_plan();
    plan["zones"][0]["rows"][1]["seats"][2]["category"] = json!("Platinum");
    let faulty = setup.upload(plan.to_string().as_bytes()).await;
    let (status, problem) = setup.call(&keyed(&faulty)).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/plan/zones/0/rows/1/seats/2/category"]));
    let sound = setup.upload(recorded_plan().to_string().as_bytes()).await;
    assert_eq!(setup.call(&keyed(&sound)).await.0, 201, "the same key, once the plan is mended");
}

#[tokio::test]
async fn a_retry_finds_the_venue_of_an_upload_that_is_long_gone() {
    let setup = setup().await;
    let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
    let event = of_upload(&upload).header("idempotency-key", "the house");
    let first = setup.call(&event).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(setup.call(&event).await, first);
    setup.clock.advance(SignedDuration::from_hours(72));
    setup.uploads.failing.store(true, Ordering::SeqCst);
    assert_eq!(setup.call(&event).await, first, "it needs no bucket any more");
    let (status, problem) = setup.call(&event.change_body(|body| body["city"] = json!("Pune"))).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:problem:usher:idempotency-mismatch")));
}

#[tokio::test]
async fn uploads_out_of_reach_are_a_503_and_lose_nothing() {
    let setup = setup().await;
    let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
    let event = of_upload(&upload).header("idempotency-key", "the house");
    setup.uploads.failing.store(true, Ordering::SeqCst);
    for event in [&event, &offer_for(2)] {
        let (status, problem) = setup.call(event).await;
        assert_eq!((status, &problem["type"]), (503, &json!("urn:problem:usher:busy")), "{problem}");
        assert!(!problem.to_string().contains("told to fail"), "{problem}");
    }
    setup.uploads.failing.store(false, Ordering::SeqCst);
    assert_eq!(setup.call(&event).await.0, 201);
}

/// Whichever call to the table is lost, before or after it is carried out: the same request, sent again, makes the venue
/// with the whole plan.
#[tokio::test]
async fn a_venue_of_an_upload_survives_the_loss_of_any_call() {
    let mut lost = 0;
    for fault in [Fault::DropBeforeSend, Fault::DropAfterCommit] {
        for at in 0.. {
            let setup = setup().await;
            let upload = setup.upload(recorded_plan().to_string().as_bytes()).await;
            let event = of_upload(&upload).header("idempotency-key", "the house");
            let calls = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&calls);
            // The client tries a lost call again by itself: this one is lost as often as it is sent.
            let hook = move |_: &CallInfo<'_>| {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                if number >= at { fault } else { Fault::None }
            };
            setup.engine.set_fault(Some(Arc::new(hook)));
            let (status, problem) = setup.call(&event).await;
            setup.engine.set_fault(None);
            if status == 201 {
                break;
            }
            lost += 1;
            assert_eq!((status, &problem["type"]), (503, &json!("urn:problem:usher:busy")), "{problem}");
            let (status, venue) = setup.call(&event).await;
            assert_eq!(status, 201, "{fault:?} from call {at} on: {venue}");
            let id: VenueId = id(&venue["venueId"]);
            let section = setup.store.plan_overview(id, 1).await.unwrap().unwrap().sections[0].id.clone();
            assert_eq!(setup.store.plan_section(id, 1, &section).await.unwrap().unwrap().seat_count(), 5);
        }
    }
    assert_eq!(lost, 2 * 5, "a read, the id, a section, the overview, the venue");
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
