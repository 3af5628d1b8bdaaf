//! `project` from stream batches to what is counted of waiting rooms.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use domain::{
    hold::Terms,
    ids::UserId,
    queue::{ADMISSION_LIFETIME, Admission, AdmissionId, DrawSecret, Histogram, Room},
    time::{Clock, millis, shift},
};
use edge::{DynamoDbEventResponse, DynamodbEvent};
use outbound::local::{LocalQueue, LocalTellings};
use project::App;
use serde_json::{Value, json};
use store::{Store, hold::Claimed, queue::Granted};
use testkit::{
    clock::ManualClock,
    engine::{CallInfo, Engine, Fault},
    recorded, sale, table,
};

async fn setup() -> (Engine, Store) {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish(&store).await;
    store.make_room(sale::show().id, &Room::new(sale::held_at(), DrawSecret::new([7; 32]))).await.unwrap();
    (engine, store)
}

async fn project(store: &Store, records: &[Value]) -> DynamoDbEventResponse {
    let event: DynamodbEvent = serde_json::from_value(json!({"Records": records})).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(sale::held_at()));
    let queue = Arc::new(LocalQueue::new(Arc::clone(&clock), 1));
    let tellings = Arc::new(LocalTellings::new(queue, Arc::clone(&clock)));
    project::handle(&App::new(store.clone(), tellings, clock), event).await
}

/// The stream's records of places and of buyers who were let in, as the event source's filters let them through.
fn records(engine: &Engine) -> Vec<Value> {
    let counts = |record: &Value| {
        let (change, image) = (&record["dynamodb"], &record["dynamodb"]["NewImage"]);
        let pk = change["Keys"]["PK"]["S"].as_str().unwrap();
        (pk.starts_with("QUEUE#") && image["r"].is_object()) || (pk.starts_with("BUYERS#") && image["a"].is_object())
    };
    let all = engine.stream().read(0, 1_000).unwrap();
    all.iter().filter(|record| !record.is_idle()).map(|record| record.event("arn").unwrap()).filter(counts).collect()
}

async fn joined(store: &Store) -> Histogram {
    let mut sum = Histogram::default();
    for part in store.arrivals(sale::show().id).await.unwrap() {
        sum.add(&part.histogram);
    }
    sum
}

/// Everybody who holds without having bought, and everybody who has bought.
async fn became(store: &Store) -> (i64, u64) {
    let parts = store.admissions(sale::show().id).await.unwrap();
    let all = parts.iter().flat_map(|part| part.buckets.values());
    all.fold((0, 0), |(holding, spent), (h, s)| (holding + h, spent + s))
}

/// Nine join, three of them before the opening; one joins again. Ada is let in, holds and buys; bob holds and lets go.
async fn a_sale(store: &Store) {
    let show = sale::show();
    let user = |name: &str| name.parse::<UserId>().unwrap();
    for n in 0..9i64 {
        let arrival_ms = millis(sale::held_at()) + n * 400 - 1_000;
        store.join(show.id, &user(&format!("user {n}")), arrival_ms, show.starts_at).await.unwrap();
    }
    let again = millis(sale::held_at()) + 9_000;
    store.join_again(show.id, &user("user 0"), millis(sale::held_at()) - 1_000, again).await.unwrap();
    store.fill(show.id, 8, &[], sale::held_at()).await.unwrap();
    let admission = Admission { id: AdmissionId(5), expires_at: shift(sale::held_at(), ADMISSION_LIFETIME) };
    let terms = Terms::under(6, admission.id, sale::held_at());
    for (name, shard) in [("ada", 0), ("bob", 1)] {
        assert_eq!(store.grant(show.id, &user(name), &admission, shard).await.unwrap(), Granted::Yes);
    }
    let mut ada = sale::booking();
    ada.admission = Some(admission.id);
    assert_eq!(store.claim(&ada, &terms).await.unwrap(), Claimed::Won);
    let mut bob = domain::booking::Booking {
        id: domain::ids::BookingId::from_uuid(uuid::Uuid::from_u128(9)),
        buyer: user("bob"),
        seats: Vec::new(),
        ..ada.clone()
    };
    bob.areas[0].quantity = 3;
    assert_eq!(store.claim(&bob, &terms).await.unwrap(), Claimed::Won);
    sale::pay(store, ada).await;
    assert!(store.release(&bob, domain::booking::Reason::Released).await.unwrap().is_some());
}

#[tokio::test]
async fn the_recorded_batch_is_counted_once_however_often_it_comes() {
    let (_engine, store) = setup().await;
    for _ in 0..3 {
        let event = recorded::value("project.waiting-room");
        let response = project(&store, event["Records"].as_array().unwrap()).await;
        assert!(response.batch_item_failures.is_empty());
        assert_eq!(joined(&store).await.joined(), 2);
        assert_eq!(became(&store).await, (0, 0));
    }
}

/// However the records are cut, repeated and delivered late, as the stream may: everybody is counted once.
#[tokio::test]
async fn redelivered_late_and_partial_batches_count_nobody_twice() {
    let (engine, store) = setup().await;
    a_sale(&store).await;
    let all = records(&engine);
    assert!(all.len() >= 16, "{}", all.len());
    for cut in [1, 3, 7, all.len()] {
        let (_other, counted) = setup().await;
        for end in (cut..=all.len()).step_by(cut).chain([all.len()]) {
            // The batch, then all of it again from an earlier point, then its last record alone.
            for part in [&all[end - cut.min(end)..end], &all[end.saturating_sub(2 * cut)..end], &all[end - 1..end]] {
                assert!(project(&counted, part).await.batch_item_failures.is_empty());
            }
        }
        let sum = joined(&counted).await;
        assert_eq!((sum.drawn, sum.counts.as_slice()), (3, [2, 3, 1, 0, 0, 0, 0, 0, 0, 1].as_slice()), "cut {cut}");
        assert_eq!(became(&counted).await, (0, 1), "cut {cut}: one has bought, nobody holds");
    }
    project(&store, &all[..all.len() - 1]).await;
    assert_eq!(became(&store).await, (1, 1), "bob still holds");
    project(&store, &all).await;
    assert_eq!(became(&store).await, (0, 1));
}

/// Every call fails in turn, in every way; the batch comes again from where it is told to.
#[tokio::test]
async fn counting_survives_the_failure_of_any_call() {
    let (engine, store) = setup().await;
    a_sale(&store).await;
    let all = records(&engine);
    for fault in [Fault::Throttle, Fault::DropBeforeSend, Fault::DropAfterCommit] {
        for failing in (0..).step_by(3) {
            let (other, counted) = setup().await;
            let calls = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&calls);
            other.set_fault(Some(Arc::new(move |_: &CallInfo<'_>| {
                if count.fetch_add(1, Ordering::Relaxed) == failing { fault } else { Fault::None }
            })));
            let response = project(&table::impatient_store(&other), &all).await;
            other.set_fault(None);
            if let Some(failure) = response.batch_item_failures.first() {
                let sequence = failure.item_identifier.clone().unwrap();
                let from = all.iter().position(|record| record["dynamodb"]["SequenceNumber"] == sequence.as_str());
                assert!(project(&counted, &all[from.unwrap()..]).await.batch_item_failures.is_empty());
            }
            assert_eq!(joined(&counted).await.joined(), 10, "{fault:?} at {failing}");
            assert_eq!(became(&counted).await, (0, 1), "{fault:?} at {failing}");
            if calls.load(Ordering::Relaxed) <= failing {
                break;
            }
        }
    }
}
