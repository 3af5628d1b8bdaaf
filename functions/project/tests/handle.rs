//! `project` from stream batches to what maps show.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use domain::{
    ProviderError,
    availability::{Counts, SectionAvailability},
    booking::Reason,
    ids::SectionId,
    live::Topic,
    plan::{Row, SeatingPlan, Section},
    time::{SignedDuration, shift},
};
use edge::{
    DynamoDbEventResponse, DynamodbEvent,
    metrics::{Metric, Sample, capture},
};
use outbound::live::{TELLINGS_PER_CALL_MAX, Telling, Tellings};
use project::App;
use serde_json::{Value, json};
use store::{Store, block::Blocking};
use testkit::{
    clock::ManualClock,
    engine::{Engine, Fault},
    recorded, sale, table,
};

/// A queue that writes down what it takes, as long as it takes anything.
#[derive(Default)]
struct Queue {
    taken: Mutex<Vec<Telling>>,
    down: Mutex<bool>,
}

#[async_trait]
impl Tellings for Queue {
    async fn send(&self, tellings: &[Telling]) -> Result<Vec<usize>, ProviderError> {
        assert!((1..=TELLINGS_PER_CALL_MAX).contains(&tellings.len()));
        if *self.down.lock().unwrap() {
            return Err(ProviderError::Unavailable { detail: "down".to_owned(), retry_after_seconds: None });
        }
        self.taken.lock().unwrap().extend_from_slice(tellings);
        Ok(Vec::new())
    }
}

impl Queue {
    /// What was sent since it was last looked at: the topic, and how long after the start, in milliseconds.
    fn sent(&self) -> Vec<(Topic, i64)> {
        let taken = std::mem::take(&mut *self.taken.lock().unwrap());
        let mut sent: Vec<_> = taken.iter().map(|telling| (telling.topic(), since_start(telling.tell_at))).collect();
        sent.sort_unstable();
        sent
    }
}

fn since_start(at: domain::Timestamp) -> i64 {
    at.as_millisecond() - sale::held_at().as_millisecond()
}

fn balcony() -> Topic {
    Topic::Section(sale::show().id, section())
}

fn counts() -> Topic {
    Topic::Counts(sale::show().id)
}

async fn setup() -> (Engine, Store, App) {
    let (engine, store, app, _, _) = setup_live().await;
    (engine, store, app)
}

async fn setup_live() -> (Engine, Store, App, Arc<Queue>, Arc<ManualClock>) {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish(&store).await;
    let (queue, clock) = (Arc::<Queue>::default(), Arc::new(ManualClock::at(sale::held_at())));
    let app = App::new(store.clone(), Arc::clone(&queue) as _, Arc::clone(&clock) as _);
    (engine, store, app, queue, clock)
}

fn section() -> SectionId {
    "balcony".parse().unwrap()
}

async fn availability(store: &Store) -> SectionAvailability {
    store.availability(sale::show().id, &section()).await.unwrap()
}

async fn project(app: &App, records: &[Value]) -> DynamoDbEventResponse {
    let event: DynamodbEvent = serde_json::from_value(json!({"Records": records})).unwrap();
    project::handle(app, event).await
}

/// The stream's records of seats, as the event source's filter lets them through.
fn seat_records(engine: &Engine) -> Vec<Value> {
    let records = engine.stream().read(0, 1_000).unwrap();
    let is_seat = |record: &Value| record["dynamodb"]["Keys"]["PK"]["S"].as_str().unwrap().starts_with("SEATS#");
    records.iter().map(|record| record.event("arn").unwrap()).filter(is_seat).collect()
}

#[tokio::test]
async fn the_recorded_batch_shows_the_seats_as_they_are_now_however_often_it_comes() {
    let (_engine, store, app) = setup().await;
    sale::hold(&store, |_| ()).await;
    let event: DynamodbEvent = serde_json::from_value(recorded::value("project.seats")).unwrap();
    for _ in 0..2 {
        let response = project::handle(&app, event.clone()).await;
        assert!(response.batch_item_failures.is_empty());
        let shown = availability(&store).await;
        assert_eq!(shown.counts(), Counts { held: 2, sold: 0, blocked: 0 });
        assert_eq!((shown.version, shown.packed(&sale::plan().sections[0])), (1, vec![0b01_01_00_00]));
    }
    assert_eq!(availability(&store).await.changed_at.unwrap().to_string(), "2026-11-22T15:01:30Z");
}

/// A hold, paid, then another hold released again: in every way that the records may be cut, repeated and reversed, the
/// map ends as the seats are.
#[tokio::test]
async fn replays_and_late_batches_converge() {
    let (engine, store, app) = setup().await;
    let booking = sale::hold(&store, |_| ()).await;
    let held = seat_records(&engine);
    project(&app, &held).await;
    assert_eq!(availability(&store).await.counts().held, 2);
    sale::pay(&store, booking).await;
    let all = seat_records(&engine);
    assert!(all.len() > held.len());
    for record in all.iter().rev().chain(&held).chain(&all) {
        assert!(project(&app, std::slice::from_ref(record)).await.batch_item_failures.is_empty());
    }
    let shown = availability(&store).await;
    assert_eq!(shown.counts(), Counts { held: 0, sold: 2, blocked: 0 });
    project(&app, &held).await;
    assert_eq!(availability(&store).await, shown, "an old batch changes nothing");
}

#[tokio::test]
async fn a_released_seat_is_free_again() {
    let (engine, store, app) = setup().await;
    let booking = sale::hold(&store, |_| ()).await;
    project(&app, &seat_records(&engine)).await;
    store.release(&booking, Reason::Released).await.unwrap().expect("it is open");
    project(&app, &seat_records(&engine)).await;
    assert_eq!(availability(&store).await.counts(), Counts::default());
}

#[tokio::test]
async fn a_batch_that_fails_begins_again_at_its_first_unfinished_record() {
    let (engine, store, app) = setup().await;
    sale::hold(&store, |_| ()).await;
    let mut records = seat_records(&engine);
    records.reverse();
    let first = records[0]["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
    engine.set_fault(Some(Arc::new(|call| match call.operation {
        "UpdateItem" => Fault::Throttle,
        _ => Fault::None,
    })));
    let response = project(&app, &records).await;
    assert_eq!(response.batch_item_failures[0].item_identifier.as_deref(), Some(first.as_str()));
    engine.set_fault(None);
    assert!(project(&app, &records).await.batch_item_failures.is_empty());
    assert_eq!(availability(&store).await.counts().held, 2);
}

#[tokio::test]
async fn a_lost_answer_is_no_second_change() {
    let (engine, store, app) = setup().await;
    sale::hold(&store, |_| ()).await;
    let records = seat_records(&engine);
    engine.set_fault(Some(Arc::new(|call| match call.operation {
        "UpdateItem" => Fault::DropAfterCommit,
        _ => Fault::None,
    })));
    project(&app, &records).await;
    engine.set_fault(None);
    assert!(project(&app, &records).await.batch_item_failures.is_empty());
    assert_eq!(availability(&store).await.version, 1);
}

/// A row that the plan does not have, and a record that is no seat's: neither may stop the stream.
#[tokio::test]
async fn what_can_never_be_shown_is_skipped() {
    let (_engine, store, app) = setup().await;
    let mut records = recorded::value("project.seats")["Records"].as_array().unwrap().clone();
    records[0]["dynamodb"]["Keys"]["PK"]["S"] = json!(format!("SEATS#{}#balcony#Z", sale::show().id));
    records[1]["dynamodb"]["Keys"]["PK"]["S"] = json!("AREA#what");
    assert!(project(&app, &records[..2]).await.batch_item_failures.is_empty());
    assert_eq!(availability(&store).await.version, 0);
}

#[tokio::test]
async fn the_lag_is_that_of_the_oldest_change_also_while_rows_fail() {
    let (engine, store, app) = setup().await;
    sale::hold(&store, |_| ()).await;
    let records = recorded::value("project.seats")["Records"].as_array().unwrap().clone();
    // The oldest of the records was written at 15:00:00.
    let lag = async |now: &str| capture(now.parse().unwrap(), project(&app, &records)).await.1;
    let expected = |value| [Sample { metric: Metric::MapLagMilliseconds, value, reason: None }];
    engine.set_fault(Some(Arc::new(|_| Fault::Throttle)));
    assert_eq!(lag("2026-11-22T15:00:01Z").await, expected(1_000));
    engine.set_fault(None);
    assert_eq!(lag("2026-11-22T15:01:31.500Z").await, expected(91_500));
    assert_eq!(capture(sale::held_at(), project(&app, &[])).await.1, []);
}

#[tokio::test]
async fn watchers_are_told_at_once_and_then_by_the_window() {
    let (engine, store, app, queue, clock) = setup_live().await;
    sale::hold(&store, |_| ()).await;
    let held = seat_records(&engine);
    project(&app, &held).await;
    assert_eq!(queue.sent(), [(balcony(), 0), (counts(), 0)], "two seats of one row are one piece of news");
    let booking = store.booking(sale::booking().id).await.unwrap().unwrap();
    sale::pay(&store, booking).await;
    let all = seat_records(&engine);
    let at = |millis| shift(sale::held_at(), SignedDuration::from_millis(millis));
    clock.set(at(50));
    project(&app, &all[held.len()..]).await;
    assert_eq!(queue.sent(), [(balcony(), 500), (counts(), 1_000)], "the telling before may have been too early");
    clock.set(at(100));
    project(&app, &all[held.len()..=held.len()]).await;
    assert_eq!(queue.sent(), [(balcony(), 1_000), (counts(), 2_000)], "who had to tell it may be dead");
}

#[tokio::test]
async fn what_was_promised_by_others_is_not_told_again() {
    let (engine, store, app, queue, _clock) = setup_live().await;
    sale::hold(&store, |_| ()).await;
    let later = shift(sale::held_at(), SignedDuration::from_millis(50));
    for topic in [balcony(), counts()] {
        store.promise(&topic, None, sale::held_at(), false).await.unwrap();
        store.promise(&topic, None, later, false).await.unwrap();
    }
    project(&app, &seat_records(&engine)).await;
    assert_eq!(queue.sent(), []);
    assert_eq!(availability(&store).await.counts().held, 2);
}

/// An instance asks nobody about a promise that it knows to be pending; another one, which knows nothing, finds it.
#[tokio::test]
async fn a_promise_that_is_pending_costs_who_made_it_no_call() {
    let (engine, store, app, queue, clock) = setup_live().await;
    let booking = sale::hold(&store, |_| ()).await;
    project(&app, &seat_records(&engine)).await;
    let (held, at) =
        (seat_records(&engine).len(), |millis| shift(sale::held_at(), SignedDuration::from_millis(millis)));
    sale::pay(&store, booking).await;
    let sold = seat_records(&engine);
    let mut spent = Vec::new();
    clock.set(at(50));
    for (number, record) in sold[held..].iter().enumerate() {
        clock.set(at(50 + 10 * i64::try_from(number).unwrap()));
        let before = engine.meter().of("UpdateItem").calls;
        project(&app, std::slice::from_ref(record)).await;
        spent.push(engine.meter().of("UpdateItem").calls - before);
    }
    assert_eq!(spent, [3, 1], "the row and two promises, then the row");
    let told = [(balcony(), 0), (balcony(), 500), (counts(), 0), (counts(), 1_000)];
    assert_eq!(queue.sent(), told);
    let other = App::new(store.clone(), Arc::clone(&queue) as _, Arc::clone(&clock) as _);
    store.block(sale::show().id, &["balcony:A:3".parse().unwrap()], Blocking::Block).await.unwrap();
    project(&other, &seat_records(&engine)[sold.len()..]).await;
    assert_eq!(queue.sent(), [], "somebody else will tell it");
}

/// The map is written and the stream goes on, whatever becomes of the queue.
#[tokio::test]
async fn a_queue_that_is_down_keeps_no_map_waiting() {
    let (engine, store, app, queue, _clock) = setup_live().await;
    *queue.down.lock().unwrap() = true;
    sale::hold(&store, |_| ()).await;
    let records = seat_records(&engine);
    let (response, samples) = capture(sale::held_at(), project(&app, &records)).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(availability(&store).await.counts().held, 2);
    assert!(samples.contains(&Sample { metric: Metric::TellingsLost, value: 2, reason: None }), "{samples:?}");
}

/// A batch of which some rows failed tells of the others; when it comes again, of all that may not have been told.
#[tokio::test]
async fn a_batch_that_comes_again_tells_again() {
    let (engine, store, app, queue, _clock) = setup_live().await;
    sale::hold(&store, |_| ()).await;
    let records = seat_records(&engine);
    *queue.down.lock().unwrap() = true;
    project(&app, &records).await;
    *queue.down.lock().unwrap() = false;
    project(&app, &records).await;
    assert_eq!(queue.sent(), [(balcony(), 500), (counts(), 1_000)]);
}

#[tokio::test]
async fn an_areas_places_are_news_of_the_counts() {
    let (_engine, _store, app, queue, _clock) = setup_live().await;
    let mut record = recorded::value("project.seats")["Records"][0].clone();
    record["dynamodb"]["Keys"] = json!({"PK": {"S": format!("AREA#{}#pit#0", sale::show().id)}, "SK": {"S": "AREA"}});
    assert!(project(&app, &[record]).await.batch_item_failures.is_empty());
    assert_eq!(queue.sent(), [(counts(), 0)]);
}

async fn rebuild(app: &App) -> Value {
    let order = serde_json::from_value(recorded::value("project.reproject")).unwrap();
    serde_json::to_value(project::work(app, order).await.unwrap()).unwrap()
}

async fn check(app: &App) -> Value {
    let order = serde_json::from_value(recorded::value("project.drift")).unwrap();
    serde_json::to_value(project::work(app, order).await.unwrap()).unwrap()
}

async fn lose_the_map(engine: &Engine) {
    let (pk, sk) = store::keys::Key::Availability(sale::show().id, section()).parts();
    let text = aws_sdk_dynamodb::types::AttributeValue::S;
    let delete = engine.client().delete_item().table_name(engine.table()).key("PK", text(pk)).key("SK", text(sk));
    delete.send().await.unwrap();
}

#[tokio::test]
async fn a_lost_map_is_rebuilt_as_it_was_and_its_watchers_are_told() {
    let (engine, store, app, queue, _clock) = setup_live().await;
    let booking = sale::hold(&store, |_| ()).await;
    sale::pay(&store, booking).await;
    project(&app, &seat_records(&engine)).await;
    queue.sent();
    let before = availability(&store).await;
    let plan = sale::plan();
    let report = |rows: &[&str]| json!({"sections": 1, "rows": 1, "rewritten": rows, "rewrittenInAll": rows.len()});
    assert_eq!(rebuild(&app).await, report(&[]), "what is right is not touched");
    assert_eq!(availability(&store).await, before);
    assert_eq!(queue.sent(), []);
    lose_the_map(&engine).await;
    assert_eq!(rebuild(&app).await, report(&["balcony:A"]));
    let after = availability(&store).await;
    assert_eq!(after.packed(&plan.sections[0]), before.packed(&plan.sections[0]), "byte for byte");
    assert!(after.version > before.version, "watchers know it from what they have");
    assert_eq!(queue.sent().len(), 2);
    assert_eq!(rebuild(&app).await, report(&[]));
    // The stream, from its beginning, ends in the same.
    project(&app, &seat_records(&engine)).await;
    assert_eq!(availability(&store).await.packed(&plan.sections[0]), before.packed(&plan.sections[0]));
}

/// A change whose record has not come yet is in the rebuilt row, and its record changes nothing.
#[tokio::test]
async fn a_change_on_its_way_overtakes_no_rebuilt_row() {
    let (engine, store, app) = setup().await;
    let booking = sale::hold(&store, |_| ()).await;
    project(&app, &seat_records(&engine)).await;
    let shown = seat_records(&engine).len();
    store.release(&booking, Reason::Released).await.unwrap().expect("it is open");
    assert_eq!(rebuild(&app).await["rewrittenInAll"], 1);
    assert_eq!(availability(&store).await.counts(), Counts::default());
    project(&app, &seat_records(&engine)[shown..]).await;
    assert_eq!(availability(&store).await.counts(), Counts::default());
}

fn drifted(sections: u64, rows: u64) -> Value {
    json!({"shows": 1, "sections": sections, "rows": rows, "complete": true})
}

#[tokio::test]
async fn a_map_that_does_not_come_round_is_told_and_one_that_does_is_not() {
    let (engine, store, app) = setup().await;
    sale::hold(&store, |_| ()).await;
    project(&app, &seat_records(&engine)).await;
    let (report, samples) = capture(sale::held_at(), check(&app)).await;
    assert_eq!((report, samples), (drifted(1, 0), vec![Sample { metric: Metric::MapDrift, value: 0, reason: None }]));
    lose_the_map(&engine).await;
    for _ in 0..2 {
        let (report, samples) = capture(sale::held_at(), check(&app)).await;
        let told = vec![Sample { metric: Metric::MapDrift, value: 1, reason: None }];
        assert_eq!((report, samples), (drifted(1, 1), told), "each hour, until it is right");
    }
    let comes_round = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        rebuild(&app).await
    };
    let (report, _) = tokio::join!(check(&app), comes_round);
    assert_eq!(report, drifted(1, 0));
    assert_eq!(check(&app).await, drifted(0, 0), "what came round is known to be right");
}

/// A hall of two sections of two rows, of which nothing is sold.
fn two_sections() -> SeatingPlan {
    let plan = sale::plan();
    let row = |name: &str| Row { id: name.parse().unwrap(), ..plan.sections[0].rows[0].clone() };
    let section =
        |name: &str| Section { id: name.parse().unwrap(), name: name.to_owned(), rows: ["A", "B"].map(row).to_vec() };
    SeatingPlan { sections: ["balcony", "stalls"].map(section).to_vec(), ..plan }
}

/// Reads rows of seats only where there is a reason: a section was written, or it was a day ago. A change that never
/// arrives is found with the next change of its section, or within a day.
#[tokio::test]
async fn an_hour_in_which_nothing_happened_reads_no_seats() {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish_as(&store, &two_sections(), &sale::show()).await;
    let clock = Arc::new(ManualClock::at(sale::held_at()));
    let app = App::new(store.clone(), Arc::<Queue>::default(), Arc::clone(&clock) as _);
    let hour = async |number: i64| {
        clock.set(shift(sale::held_at(), SignedDuration::from_hours(number)));
        let before = engine.meter().by_operation();
        let report = check(&app).await;
        let after = engine.meter().by_operation();
        let calls = |name: &str| {
            let of =
                |meter: &BTreeMap<String, testkit::engine::Tally>| meter.get(name).copied().unwrap_or_default().calls;
            of(&after) - of(&before)
        };
        (report, calls("Query"), calls("GetItem") + calls("BatchGetItem"), calls("PutItem") + calls("UpdateItem"))
    };
    let (report, queries, _, writes) = hour(0).await;
    assert_eq!((report, writes), (drifted(2, 0), 1), "what was found is kept once");
    let listing = queries - 4;
    for number in 1..23 {
        let (report, queries, reads, writes) = hour(number).await;
        assert_eq!((report, queries, writes), (drifted(0, 0), listing, 0), "hour {number}");
        assert!(reads <= 6, "two of the show, four of the catalogue: {reads}");
    }
    let block = async |seat: &str| {
        let after = engine.stream().newest().unwrap();
        store.block(sale::show().id, &[seat.parse().unwrap()], Blocking::Block).await.unwrap();
        let records = engine.stream().read(after, 10).unwrap();
        records.iter().map(|record| record.event("arn").unwrap()).collect::<Vec<_>>()
    };
    let (lost, seen) = (block("balcony:A:1").await, block("stalls:A:1").await);
    assert_eq!((lost.len(), seen.len()), (1, 1));
    project(&app, &seen).await;
    let (report, queries, _, writes) = hour(22).await;
    assert_eq!((report, queries, writes), (drifted(1, 0), listing + 2, 1), "the section that was written");
    assert_eq!(hour(23).await.0, drifted(1, 1), "the other one, a day after it was right");
    project(&app, &block("balcony:B:1").await).await;
    assert_eq!(hour(24).await.0, drifted(1, 1));
    assert_eq!(rebuild(&app).await["rewritten"], json!(["balcony:A"]));
    assert_eq!((hour(25).await.0, hour(26).await.0), (drifted(1, 0), drifted(0, 0)));
    // In a section that sells, a lost change is found within the hour.
    block("stalls:B:1").await;
    project(&app, &block("stalls:A:2").await).await;
    assert_eq!(hour(27).await.0, drifted(1, 1));
}
