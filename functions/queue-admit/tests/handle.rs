//! `queue-admit` from recorded events to thresholds and permits.

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
    queue::{DrawSecret, Place, QUEUE_SHARDS, Room, Sequence, buyer_hash},
    time::{Clock as _, SignedDuration, millis, shift},
};
use edge::{
    Settings, SqsBatchResponse, Wake,
    metrics::{Metric, capture},
};
use outbound::{
    local::LocalQueue,
    ticks::{LocalTicks, Tick},
};
use queue_admit::App;
use serde_json::json;
use store::Store;
use testkit::{
    clock::ManualClock,
    engine::{CallInfo, Engine, Fault},
    recorded, sale, table,
};

/// Admissions alive at once.
const BOUND: u32 = 30;

struct Setup {
    engine: Engine,
    store: Store,
    clock: Arc<ManualClock>,
    ticks: Arc<LocalQueue>,
}

fn opens_at() -> Timestamp {
    sale::held_at()
}

fn secret() -> DrawSecret {
    DrawSecret::new([7; 32])
}

fn gated() -> Show {
    let waiting_room = WaitingRoom { enabled: true, opens_at: Some(opens_at()), admissions_max: Some(BOUND) };
    Show { waiting_room, ..sale::show() }
}

/// Two seconds after the doors opened on a draw of forty; nobody is served yet.
async fn setup() -> Setup {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish_as(&store, &sale::plan(), &gated()).await;
    store.make_room(gated().id, &Room::new(opens_at(), secret())).await.unwrap();
    store.watch_room(gated().id).await.unwrap();
    for n in 0..40i64 {
        let (user, arrival_ms) = (format!("user {n}").parse().unwrap(), millis(opens_at()) - 1 - n);
        store.join(gated().id, &user, arrival_ms, gated().starts_at).await.unwrap();
        let shard = u16::try_from(n).unwrap() % QUEUE_SHARDS;
        let record = (Sequence::new(&(n + 1).to_string()), arrival_ms);
        store.count_arrivals(gated().id, shard, &[record], millis(opens_at())).await.unwrap();
    }
    let clock = Arc::new(ManualClock::at(shift(opens_at(), SignedDuration::from_secs(2))));
    let ticks = Arc::new(LocalQueue::new(clock.clone(), 5));
    Setup { engine, store, clock, ticks }
}

impl Setup {
    fn app(&self) -> App {
        self.app_on(self.store.clone())
    }

    fn app_on(&self, store: Store) -> App {
        App::new(&Settings::new([]), store, Arc::new(LocalTicks::new(Arc::clone(&self.ticks))), self.clock.clone())
    }

    async fn room(&self) -> Room {
        self.store.room_now(gated().id).await.unwrap().unwrap()
    }

    async fn granted(&self) -> u64 {
        self.store.permits(gated().id).await.unwrap().iter().map(|(_, permits)| permits.granted).sum()
    }

    /// Messages that are waiting, with their delays over.
    fn sent(&self) -> Vec<Tick> {
        self.clock.advance(SignedDuration::from_secs(5));
        let messages = self.ticks.receive(10, Duration::from_secs(600));
        self.clock.advance(-SignedDuration::from_secs(5));
        messages.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }
}

fn message(version: u64) -> Wake {
    static MESSAGES: AtomicUsize = AtomicUsize::new(0);
    let mut event = recorded::value("queue-admit.tick");
    event["Records"][0]["messageId"] = json!(format!("m-{}", MESSAGES.fetch_add(1, Ordering::Relaxed)));
    event["Records"][0]["body"] = json!(Tick { show_id: gated().id, version }.body());
    serde_json::from_value(event).unwrap()
}

fn minute() -> Wake {
    serde_json::from_value(recorded::value("queue-admit.minute")).unwrap()
}

async fn tick(app: &App, version: u64) -> SqsBatchResponse {
    queue_admit::handle(app, message(version)).await.unwrap()
}

#[tokio::test]
async fn a_tick_draws_moves_the_threshold_fills_the_permits_and_sends_the_next() {
    let setup = setup().await;
    assert!(tick(&setup.app(), 0).await.batch_item_failures.is_empty());
    let room = setup.room().await;
    assert_eq!((room.version, room.ticked_ms, room.histogram.drawn), (1, millis(setup.clock.now()), 40));
    let draw = setup.store.draw(gated().id).await.unwrap().unwrap();
    assert_eq!(draw.total(), 40);
    // The plan's 54 places, nearly two for each who is let in, and half of them at once.
    let served = room.line(&draw).rank(&room.serving);
    assert_eq!(served, 14);
    let mut turns: Vec<u128> =
        (0..40).map(|n| secret().drawn_for(buyer_hash(gated().id, &format!("user {n}").parse().unwrap()))).collect();
    turns.sort_unstable();
    assert_eq!(room.serving, Place { hash: turns[13], ..Place::FIRST }, "the first of the draw, and nobody else");
    assert_eq!(setup.granted().await, u64::from(BOUND));
    assert_eq!(setup.sent(), [Tick { show_id: gated().id, version: 1 }]);
}

#[tokio::test]
async fn a_redelivered_tick_does_nothing() {
    let setup = setup().await;
    tick(&setup.app(), 0).await;
    let (room, granted) = (setup.room().await, setup.granted().await);
    for _ in 0..3 {
        assert!(tick(&setup.app(), 0).await.batch_item_failures.is_empty());
    }
    assert_eq!((setup.room().await, setup.granted().await), (room, granted));
    assert_eq!(setup.sent().len(), 1, "and has no second successor");
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_ticks_cannot_double_admit() {
    let setup = setup().await;
    for round in 0..5 {
        let app = Arc::new(setup.app());
        let ticks = (0..6).map(|_| {
            let app = Arc::clone(&app);
            tokio::spawn(async move { tick(&app, round).await })
        });
        for tick in ticks.collect::<Vec<_>>() {
            assert!(tick.await.unwrap().batch_item_failures.is_empty());
        }
        assert_eq!(setup.room().await.version, round + 1, "one of them moved it");
        assert_eq!(setup.granted().await, u64::from(BOUND));
        assert_eq!(setup.sent(), [Tick { show_id: gated().id, version: round + 1 }]);
        setup.clock.advance(SignedDuration::from_secs(2));
    }
}

#[tokio::test]
async fn the_minute_begins_a_chain_where_one_broke_and_no_second_one() {
    let setup = setup().await;
    for _ in 0..2 {
        queue_admit::handle(&setup.app(), minute()).await.unwrap();
    }
    let sent = setup.sent();
    assert_eq!(sent, [Tick { show_id: gated().id, version: 0 }; 2], "nobody has ticked yet");
    for told in sent {
        tick(&setup.app(), told.version).await;
    }
    assert_eq!(setup.sent().len(), 1, "two messages for one version are one tick");
    queue_admit::handle(&setup.app(), minute()).await.unwrap();
    assert!(setup.sent().is_empty(), "the chain is alive");
    setup.clock.advance(SignedDuration::from_secs(60));
    queue_admit::handle(&setup.app(), minute()).await.unwrap();
    assert_eq!(setup.sent(), [Tick { show_id: gated().id, version: 1 }], "the successor was lost");
}

#[tokio::test]
async fn a_tick_that_comes_back_late_mends_the_chain() {
    let setup = setup().await;
    tick(&setup.app(), 0).await;
    setup.sent();
    // The function died after it had moved the room: its message is delivered again, minutes later.
    setup.clock.advance(SignedDuration::from_secs(180));
    tick(&setup.app(), 0).await;
    assert_eq!(setup.room().await.version, 2);
    assert_eq!(setup.sent(), [Tick { show_id: gated().id, version: 2 }]);
}

/// Every call of a tick fails in turn, in every way; what remains is delivered again. The room moves on, nobody is let in
/// beyond the bound, and the chain goes on.
#[tokio::test]
async fn a_tick_survives_the_failure_of_any_call() {
    for fault in [Fault::Throttle, Fault::TransactionConflict, Fault::DropBeforeSend, Fault::DropAfterCommit] {
        for failing in 0.. {
            let setup = setup().await;
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&calls);
            setup.engine.set_fault(Some(Arc::new(move |_: &CallInfo<'_>| {
                if counted.fetch_add(1, Ordering::Relaxed) == failing { fault } else { Fault::None }
            })));
            let app = setup.app_on(table::impatient_store(&setup.engine));
            let response = tick(&app, 0).await;
            setup.engine.set_fault(None);
            let case = format!("{fault:?} at {failing}: {}", response.batch_item_failures.len());
            if response.batch_item_failures.is_empty() {
                assert_eq!(setup.sent(), [Tick { show_id: gated().id, version: 1 }], "{case}");
            } else {
                // SQS hides a message for minutes before it delivers it again.
                setup.clock.advance(SignedDuration::from_secs(180));
                assert!(tick(&setup.app(), 0).await.batch_item_failures.is_empty(), "{case}");
                assert_eq!(setup.sent().len(), 1, "{case}");
            }
            let room = setup.room().await;
            assert!((1..=2).contains(&room.version), "{case}");
            assert!(room.serving > Place::FIRST, "{case}");
            assert_eq!(setup.granted().await, u64::from(BOUND), "{case}");
            assert_eq!(setup.store.draw(gated().id).await.unwrap().unwrap().total(), 40, "{case}");
            if calls.load(Ordering::Relaxed) <= failing {
                assert!(failing > 25, "a tick reads more than {failing} items");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_room_that_is_over_is_left_alone_and_one_before_the_opening_counts_who_joined() {
    let setup = setup().await;
    let closed = Show { status: ShowStatus::Closed, version: 2, ..gated() };
    assert!(setup.store.update_show(&closed, setup.clock.now()).await.unwrap());
    tick(&setup.app(), 0).await;
    assert_eq!(setup.store.waiting_rooms().await.unwrap(), []);
    assert_eq!((setup.room().await.version, setup.sent()), (0, vec![]));
    let open = Show { status: ShowStatus::OnSale, version: 3, ..gated() };
    assert!(setup.store.update_show(&open, setup.clock.now()).await.unwrap());
    setup.clock.set(shift(opens_at(), -SignedDuration::from_mins(1)));
    tick(&setup.app(), 0).await;
    let room = setup.room().await;
    assert_eq!((room.version, room.histogram.joined(), room.serving), (1, 40, Place::FIRST));
    assert_eq!(setup.store.draw(gated().id).await.unwrap(), None, "nothing is drawn before the opening");
    assert_eq!(setup.store.waiting_rooms().await.unwrap(), [gated().id], "it is looked after again");
}

#[tokio::test]
async fn many_shows_in_one_stack_move_on_their_own() {
    let setup = setup().await;
    let other = Show { id: domain::ids::ShowId::from_uuid(uuid::Uuid::from_u128(77)), ..gated() };
    setup.store.create_show(&other, "The Hall", &sale::plan().areas, "other").await.unwrap();
    setup.store.make_room(other.id, &Room::new(opens_at(), DrawSecret::new([9; 32]))).await.unwrap();
    setup.store.watch_room(other.id).await.unwrap();
    setup.store.join(other.id, &"user 1".parse().unwrap(), millis(opens_at()) - 5, other.starts_at).await.unwrap();
    queue_admit::handle(&setup.app(), minute()).await.unwrap();
    let sent = setup.sent();
    assert_eq!(sent.len(), 2);
    tick(&setup.app(), 0).await;
    let untouched = setup.store.room_now(other.id).await.unwrap().unwrap();
    assert_eq!((untouched.version, untouched.serving), (0, Place::FIRST));
    assert_eq!(setup.store.permits(other.id).await.unwrap(), []);
    assert_eq!(setup.room().await.version, 1);
}

#[tokio::test]
async fn the_lag_is_told_where_somebody_waits() {
    let setup = setup().await;
    tick(&setup.app(), 0).await;
    setup.clock.advance(SignedDuration::from_secs(45));
    let app = setup.app();
    let (_, samples) = capture(setup.clock.now(), tick(&app, 1)).await;
    assert_eq!(samples.iter().map(|it| (it.metric, it.value)).collect::<Vec<_>>(), [(Metric::AdmissionLagSeconds, 45)]);
}

#[tokio::test]
async fn what_is_no_tick_comes_back_until_it_is_put_aside() {
    let setup = setup().await;
    let mut event = recorded::value("queue-admit.tick");
    event["Records"][0]["body"] = json!("{}");
    let response = queue_admit::handle(&setup.app(), serde_json::from_value(event).unwrap()).await.unwrap();
    assert_eq!(response.batch_item_failures.len(), 1);
}
