//! `queue` from recorded events to places, positions and admissions.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{
    Timestamp,
    catalogue::{Show, ShowStatus, WaitingRoom},
    ids::UserId,
    queue::{Draw, DrawSecret, Epoch, Place, Room, buyer_hash},
    time::{Clock as _, SignedDuration, millis, shift},
};
use edge::{
    Body, Settings,
    metrics::{Metric, capture},
};
use outbound::{local::LocalQueue, ticks::LocalTicks};
use queue::App;
use serde_json::{Value, json};
use store::{Store, queue::Granted};
use testkit::{
    clock::ManualClock,
    engine::{CallInfo, Engine, Fault},
    recorded::Recorded,
    sale, table,
};

const KEY: &str = "a key for this test only";

struct Setup {
    engine: Engine,
    store: Store,
    clock: Arc<ManualClock>,
    ticks: Arc<LocalQueue>,
}

fn opens_at() -> Timestamp {
    shift(sale::held_at(), SignedDuration::from_mins(1))
}

fn secret() -> DrawSecret {
    DrawSecret::new([7; 32])
}

fn gated() -> Show {
    let waiting_room = WaitingRoom { enabled: true, opens_at: Some(opens_at()), admissions_max: None };
    Show { waiting_room, ..sale::show() }
}

/// A minute before the doors open.
async fn setup_with(show: &Show) -> Setup {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish_as(&store, &sale::plan(), show).await;
    store.make_room(show.id, &Room::new(opens_at(), secret())).await.unwrap();
    let clock = Arc::new(ManualClock::at(sale::held_at()));
    let ticks = Arc::new(LocalQueue::new(clock.clone(), 5));
    Setup { engine, store, clock, ticks }
}

async fn setup() -> Setup {
    setup_with(&gated()).await
}

impl Setup {
    /// Another instance, which remembers nothing.
    fn app(&self) -> App {
        self.app_on(self.store.clone())
    }

    fn app_on(&self, store: Store) -> App {
        let settings = Settings::new([("ADMISSION_KEY".to_owned(), KEY.to_owned())]);
        let app = App::new(&settings, store, Arc::new(LocalTicks::new(Arc::clone(&self.ticks))), self.clock.clone());
        settings.check().unwrap();
        app
    }

    /// A call to an instance of its own.
    async fn call(&self, event: &Recorded) -> (u16, Value) {
        call(&self.app(), event).await
    }

    async fn join(&self, user: &str) -> Value {
        let (status, place) = self.call(&Recorded::http("queue.join").by(user, "")).await;
        assert_eq!(status, 200, "{place}");
        place
    }

    async fn exchange(&self, user: &str, token: &Value) -> (u16, Value) {
        self.call(&exchange(user, token)).await
    }

    /// The doors open, the draw is noted, and everybody who came by now is served, with permits for `permits`.
    async fn serve_all(&self, permits: u64) {
        self.clock.set(self.clock.now().max(shift(opens_at(), SignedDuration::from_secs(2))));
        let mut drawn = Vec::new();
        for shard in 0..domain::queue::QUEUE_SHARDS {
            let (places, _) = self.store.places_in(sale::show().id, shard, None).await.unwrap();
            let early = places.into_iter().filter(|(_, arrival_ms)| *arrival_ms < millis(opens_at()));
            drawn.extend(early.map(|(user, _)| secret().drawn_for(buyer_hash(sale::show().id, &user))));
        }
        self.store.put_draw(sale::show().id, &Draw::of(drawn)).await.unwrap();
        let room = self.store.room_now(sale::show().id).await.unwrap().unwrap();
        let now_ms = millis(self.clock.now());
        let (version, serving) = (room.version + 1, Place::end_of(now_ms));
        let next = Room { version, serving, ticked_ms: now_ms, ..room };
        assert!(self.store.put_room(sale::show().id, &next).await.unwrap());
        let counters = self.store.permits(sale::show().id).await.unwrap();
        self.store.fill(sale::show().id, permits, &counters, self.clock.now()).await.unwrap();
    }
}

fn exchange(user: &str, token: &Value) -> Recorded {
    Recorded::http("queue.exchange").by(user, "").body(&json!({"queueToken": token}))
}

async fn call(app: &App, event: &Recorded) -> (u16, Value) {
    let request = edge::http::request_from_json(&event.text()).unwrap();
    let response = queue::handle(app, request).await;
    let body = match response.body() {
        Body::Text(text) => serde_json::from_str(text).unwrap(),
        Body::Binary(bytes) => serde_json::from_slice(bytes).unwrap(),
        _ => Value::Null,
    };
    (response.status().as_u16(), body)
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap().strip_prefix("urn:problem:usher:").unwrap()
}

#[tokio::test]
async fn before_the_opening_there_is_a_place_and_no_position_nor_anything_to_grind_for() {
    let setup = setup().await;
    let place = setup.join("ada").await;
    assert_eq!(
        (&place["phase"], &place["position"], &place["estimatedWaitSeconds"]),
        (&json!("PRE_SALE"), &Value::Null, &Value::Null)
    );
    let told: Place = place["place"].as_str().unwrap().parse().unwrap();
    assert_eq!((told.epoch, told.arrival_ms), (Epoch::Draw, millis(sale::held_at())));
    assert_ne!(told.hash, secret().drawn_for(told.hash), "the place is not what was drawn");
    let (status, room) = setup.call(&Recorded::http("queue.read")).await;
    assert_eq!((status, &room["phase"], &room["secret"]), (200, &json!("PRE_SALE"), &Value::Null));
    assert_eq!(room["commitment"], secret().commitment());
    assert_eq!(room["serving"], Place::FIRST.to_string());
    assert!(!room.to_string().contains(secret().reveal()));
    setup.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(setup.join("ada").await["place"], place["place"], "the same whenever asked");
    setup.serve_all(10).await;
    assert_eq!(setup.join("ada").await["place"], place["place"], "after the opening, too");
    let (_, room) = setup.call(&Recorded::http("queue.read")).await;
    assert_eq!((&room["phase"], &room["secret"]), (&json!("OPEN"), &json!(secret().reveal())));
}

#[tokio::test]
async fn a_small_draw_tells_each_a_number_of_their_own_in_the_order_of_what_was_drawn() {
    let setup = setup().await;
    let names: Vec<String> = (0..12).map(|n| format!("user {n}")).collect();
    for name in &names {
        setup.join(name).await;
    }
    setup.clock.set(opens_at());
    let late = setup.join("late").await;
    setup.serve_all(10).await;
    let mut told = Vec::new();
    for name in &names {
        let place = setup.join(name).await;
        let turn = place["place"].as_str().unwrap().parse::<Place>().unwrap().turn(&secret());
        told.push((turn, place["position"].as_u64().unwrap()));
        assert_eq!(place["estimatedWaitSeconds"], 0, "all are served");
    }
    told.sort();
    assert_eq!(told.iter().map(|(_, position)| *position).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    let late_place: Place = late["place"].as_str().unwrap().parse().unwrap();
    assert_eq!(late_place.epoch, Epoch::Line, "at the opening the draw is closed");
    assert_eq!(setup.join("late").await["position"], 13);
}

#[tokio::test]
async fn a_room_that_is_not_there_or_is_over_says_so() {
    let open = setup_with(&sale::show()).await;
    let (status, problem) = open.call(&Recorded::http("queue.join")).await;
    assert_eq!((status, slug(&problem)), (409, "no-waiting-room"));
    let (status, problem) = open.call(&Recorded::http("queue.exchange")).await;
    assert_eq!((status, slug(&problem)), (409, "no-waiting-room"));
    let (status, problem) = open.call(&Recorded::http("queue.read")).await;
    assert_eq!((status, slug(&problem)), (404, "not-found"));
    for over in [
        Show { status: ShowStatus::Closed, ..gated() },
        Show { status: ShowStatus::Cancelled, ..gated() },
        Show { starts_at: sale::held_at(), ..gated() },
    ] {
        let closed = setup_with(&over).await;
        let (status, problem) = closed.call(&Recorded::http("queue.join")).await;
        assert_eq!((status, slug(&problem)), (409, "not-on-sale"), "{:?}", over.status);
        let (status, room) = closed.call(&Recorded::http("queue.read")).await;
        assert_eq!((status, &room["phase"]), (200, &json!("CLOSED")));
    }
    let paused = setup_with(&Show { status: ShowStatus::Paused, ..gated() }).await;
    let place = paused.join("ada").await;
    paused.serve_all(10).await;
    assert_eq!(paused.join("ada").await["phase"], "PAUSED", "one may wait for it to go on");
    let (status, problem) = paused.exchange("ada", &place["queueToken"]).await;
    assert_eq!((status, slug(&problem)), (409, "sales-paused"));
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let setup = setup().await;
    let cases = [
        (Recorded::http("queue.join").anonymous(), 401, "unauthenticated"),
        (Recorded::http("queue.exchange").anonymous(), 401, "unauthenticated"),
        (Recorded::http("queue.join").body(&json!({"position": 1})), 400, "bad-request"),
        (Recorded::http("queue.exchange").body(&json!({})), 400, "bad-request"),
        (Recorded::http("queue.exchange").body(&json!({"queueToken": "", "showId": "x"})), 400, "bad-request"),
        (Recorded::http("queue.exchange"), 400, "bad-request"),
        (Recorded::http("queue.join").path("showId", "shw_00000000000070008000000000000009"), 404, "not-found"),
        (Recorded::http("queue.read").path("showId", "nonsense"), 404, "not-found"),
    ];
    for (event, status, expected) in cases {
        let (answered, problem) = setup.call(&event).await;
        assert_eq!((answered, slug(&problem)), (status, expected), "{}", event.text());
    }
}

#[tokio::test]
async fn a_served_place_is_exchanged_once_and_told_again_while_it_lives() {
    let setup = setup().await;
    let token = setup.join("ada").await["queueToken"].clone();
    let (status, problem) = setup.exchange("ada", &token).await;
    assert_eq!((status, slug(&problem)), (409, "not-yet-admitted"));
    setup.serve_all(10).await;
    let (status, granted) = setup.exchange("ada", &token).await;
    assert_eq!(status, 200, "{granted}");
    let ends = shift(setup.clock.now(), SignedDuration::from_mins(10));
    assert_eq!(granted["expiresAt"], ends.to_string());
    setup.clock.advance(SignedDuration::from_secs(599));
    assert_eq!(setup.exchange("ada", &token).await, (200, granted.clone()));
    setup.clock.advance(SignedDuration::from_secs(1));
    let (status, problem) = setup.exchange("ada", &token).await;
    assert_eq!((status, slug(&problem)), (409, "turn-over"));
    // A new turn is a new place, at the end.
    let again = setup.join("ada").await;
    assert_eq!(again["place"].as_str().unwrap().parse::<Place>().unwrap().arrival_ms, millis(setup.clock.now()));
    assert_eq!(setup.join("ada").await["place"], again["place"]);
    let (status, problem) = setup.exchange("ada", &token).await;
    assert_eq!((status, slug(&problem)), (409, "turn-over"), "the old token stays over");
    let (status, problem) = setup.exchange("ada", &again["queueToken"]).await;
    assert_eq!((status, slug(&problem)), (409, "not-yet-admitted"));
    setup.serve_all(10).await;
    let (status, second) = setup.exchange("ada", &again["queueToken"]).await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(second["admissionToken"], granted["admissionToken"]);
}

#[tokio::test]
async fn a_request_id_alone_re_mints_nothing() {
    let setup = setup().await;
    let token = setup.join("ada").await["queueToken"].clone();
    setup.join("bob").await;
    setup.serve_all(10).await;
    // The very request of ada, by somebody else; a token without its signature; one of another show.
    let (status, problem) = setup.exchange("bob", &token).await;
    assert_eq!((status, slug(&problem)), (400, "bad-request"));
    let unsigned = token.as_str().unwrap().rsplit_once('.').unwrap().0;
    let (status, _) = setup.exchange("ada", &json!(unsigned)).await;
    assert_eq!(status, 400);
    let (_, problem) =
        setup.call(&exchange("ada", &token).path("showId", "shw_00000000000070008000000000000009")).await;
    assert_eq!(slug(&problem), "not-found");
    let tally = setup.store.tally(sale::show().id, &"bob".parse::<UserId>().unwrap()).await.unwrap();
    assert_eq!(tally.admission, None);
}

#[tokio::test]
async fn never_more_are_let_in_than_there_are_permits() {
    let setup = setup().await;
    let mut tokens = Vec::new();
    for n in 0..20 {
        let name = format!("user {n}");
        tokens.push((setup.join(&name).await["queueToken"].clone(), name));
    }
    setup.serve_all(7).await;
    let app = Arc::new(setup.app());
    let racers = tokens.clone().into_iter().map(|(token, name)| {
        let app = Arc::clone(&app);
        tokio::task::spawn_local(async move { call(&app, &exchange(&name, &token)).await })
    });
    let local = tokio::task::LocalSet::new();
    let answers = local
        .run_until(async {
            let mut answers = Vec::new();
            for racer in racers.collect::<Vec<_>>() {
                answers.push(racer.await.unwrap());
            }
            answers
        })
        .await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 7);
    let others = answers.iter().filter(|(status, _)| *status != 200);
    assert!(others.clone().all(|(status, problem)| (*status, slug(problem)) == (409, "not-yet-admitted")));
}

#[tokio::test]
async fn a_room_that_sleeps_is_woken_by_whoever_comes_and_by_no_crowd() {
    let setup = setup().await;
    let app = setup.app();
    for n in 0..5 {
        call(&app, &Recorded::http("queue.join").by(&format!("user {n}"), "")).await;
    }
    let woken = setup.ticks.receive(10, Duration::from_secs(3_600));
    assert_eq!(woken.len(), 1, "one instance wakes a room once in a while");
    assert_eq!(woken[0].body, format!("{{\"showId\":\"{}\",\"version\":0}}", sale::show().id));
    setup.serve_all(1).await;
    setup.join("eve").await;
    assert!(setup.ticks.receive(10, Duration::from_secs(3_600)).is_empty(), "it has just ticked");
}

#[tokio::test]
async fn places_and_admissions_are_measured_once_each() {
    let setup = setup().await;
    let app = setup.app();
    let measured = async |event: Recorded| capture(setup.clock.now(), call(&app, &event)).await.1;
    let join = || Recorded::http("queue.join").by("ada", "");
    assert_eq!(measured(join()).await[0].metric, Metric::PlacesTaken);
    let token = setup.join("ada").await["queueToken"].clone();
    let refused = measured(exchange("ada", &token)).await;
    assert_eq!((refused[0].metric, refused[0].reason), (Metric::AdmissionsRefused, Some("not-yet-admitted")));
    assert_eq!(refused.len(), 1);
}

/// Every call of an exchange fails in turn, in every way. Whoever asks again has one admission.
#[tokio::test]
async fn an_exchange_survives_the_failure_of_any_call() {
    for fault in [Fault::Throttle, Fault::TransactionConflict, Fault::DropBeforeSend, Fault::DropAfterCommit] {
        for failing in 0.. {
            let setup = setup().await;
            let token = setup.join("ada").await["queueToken"].clone();
            setup.serve_all(3).await;
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&calls);
            setup.engine.set_fault(Some(Arc::new(move |_: &CallInfo<'_>| {
                if counted.fetch_add(1, Ordering::Relaxed) == failing { fault } else { Fault::None }
            })));
            let app = setup.app_on(table::impatient_store(&setup.engine));
            let (status, answer) = call(&app, &exchange("ada", &token)).await;
            setup.engine.set_fault(None);
            assert!(status == 200 || status == 503, "{fault:?} at {failing}: {answer}");
            let (again, granted) = setup.exchange("ada", &token).await;
            assert_eq!(again, 200, "{fault:?} at {failing}: {granted}");
            if status == 200 {
                assert_eq!(answer, granted, "{fault:?} at {failing}");
            }
            let permits = setup.store.permits(sale::show().id).await.unwrap();
            assert_eq!(permits.iter().map(|(_, permits)| permits.used).sum::<u64>(), 1, "{fault:?} at {failing}");
            if calls.load(Ordering::Relaxed) <= failing {
                assert!(failing >= 4, "show, room, gate, grant: {failing}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn one_who_bought_has_had_their_turn() {
    let setup = setup().await;
    let token = setup.join("ada").await["queueToken"].clone();
    setup.serve_all(3).await;
    let (status, _) = setup.exchange("ada", &token).await;
    assert_eq!(status, 200);
    let user: UserId = "ada".parse().unwrap();
    let admission = setup.store.tally(sale::show().id, &user).await.unwrap().admission.unwrap();
    let booking = sale::hold(&setup.store, |booking| booking.admission = Some(admission.id)).await;
    sale::pay(&setup.store, booking).await;
    let (status, problem) = setup.exchange("ada", &token).await;
    assert_eq!((status, slug(&problem)), (409, "turn-over"));
    let again = setup.join("ada").await;
    assert_ne!(again["queueToken"], token);
    let granted = setup.store.grant(sale::show().id, &user, &admission, 0).await.unwrap();
    assert_eq!(granted, Granted::No, "nor can it be granted again behind the function's back");
}
