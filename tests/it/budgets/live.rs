//! What the map costs while a show sells: messages for watchers, reads for everybody else.

use std::sync::Arc;

use domain::time::Clock;
use edge::{DynamodbEvent, Settings};
use outbound::local::{LocalQueue, LocalTellings};
use serde_json::json;
use testkit::{budget, clock::ManualClock, recorded::Recorded, sale};

use super::{
    best::reads,
    map::STREAM_ARN,
    stage::{Stage, f64_of, seat_id},
};

/// Records read from the stream, at most.
const RECORDS: u32 = 1_000;
/// Rows of a section that change in one batch.
const ROWS: usize = 4;
/// People who look at the map at the same moment.
const READERS: usize = 300;

/// A row of twenty seats is sold, change after change, before half a second is over: the section and the counts are told at
/// once, and once more when their windows end.
#[tokio::test]
async fn however_many_seats_change_in_a_window_watchers_are_told_twice() {
    let stage = Stage::open().await;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(sale::held_at()));
    let queue = Arc::new(LocalQueue::new(Arc::clone(&clock), 1));
    let tellings = Arc::new(LocalTellings::new(Arc::clone(&queue), Arc::clone(&clock)));
    let app = project::App::new(stage.store.clone(), tellings, clock);
    stage.sell(0).await;
    let records = stage.engine.stream().read(0, RECORDS).unwrap();
    let of_seats = records
        .into_iter()
        .filter(|record| record.keys["PK"]["S"].as_str().is_some_and(|key| key.starts_with("SEATS#")));
    let mut changes = 0;
    for record in of_seats {
        changes += 1;
        let event: DynamodbEvent =
            serde_json::from_value(json!({"Records": [record.event(STREAM_ARN).unwrap()]})).unwrap();
        assert_eq!(project::handle(&app, event).await.batch_item_failures.len(), 0);
    }
    assert!(changes >= 40, "each seat was held and sold: {changes}");
    let told = queue.stats().visible + queue.stats().delayed;
    assert!(told > 0, "somebody is told");
    let what = "messages to watchers of a section and of the counts, twenty seats held and sold within a window";
    budget::at_most(what, 4.0, f64_of(told as u64));
}

/// Four rows of a section are sold, and all of it comes in one batch; then more of it, while its watchers are to be told
/// anyway.
#[tokio::test]
async fn a_batch_writes_a_section_once_and_promises_once_a_window() {
    let stage = Stage::open().await;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(sale::held_at()));
    let queue = Arc::new(LocalQueue::new(Arc::clone(&clock), 1));
    let tellings = Arc::new(LocalTellings::new(queue, Arc::clone(&clock)));
    let app = project::App::new(stage.store.clone(), tellings, clock);
    let (mut after, mut writes) = (0, Vec::new());
    for round in 0..3 {
        for row in 0..ROWS {
            let seat = seat_id(ROWS * round + row, 0);
            assert_eq!(stage.hold(&format!("buyer of {seat}"), "a key", std::slice::from_ref(&seat)).await.0, 201);
        }
        let records = stage.engine.stream().read(after, RECORDS).unwrap();
        after = records.last().unwrap().sequence;
        let of_seats =
            records.iter().filter(|it| it.keys["PK"]["S"].as_str().is_some_and(|it| it.starts_with("SEATS#")));
        let of_seats: Vec<_> = of_seats.map(|record| record.event(STREAM_ARN).unwrap()).collect();
        assert_eq!(of_seats.len(), ROWS);
        let event: DynamodbEvent = serde_json::from_value(json!({"Records": of_seats})).unwrap();
        let before = stage.engine.meter().of("UpdateItem").calls;
        assert_eq!(project::handle(&app, event).await.batch_item_failures.len(), 0);
        writes.push(stage.engine.meter().of("UpdateItem").calls - before);
    }
    let states = stage.store.availability(sale::show().id, &"block-00".parse().unwrap()).await.unwrap();
    assert_eq!((states.counts().held, states.version), (12, 3), "every row is shown");
    let what =
        format!("writes of a batch that changes {ROWS} rows of a section: the map, and promises to tell the section");
    budget::at_most(&format!("{what} and the counts"), 3.0, f64_of(writes[0].max(writes[1])));
    let what = format!("writes of a batch that changes {ROWS} rows of a section whose watchers are to be told anyway");
    budget::at_most(&what, 1.0, f64_of(writes[2]));
}

/// Everybody looks at the same section at the same moment, through one instance.
#[tokio::test(flavor = "multi_thread")]
async fn however_many_look_at_a_section_an_instance_reads_it_once() {
    let stage = Stage::open().await;
    stage.sell(0).await;
    let settings = Settings::new([]);
    let app = Arc::new(browse::App::new(&settings, stage.store.clone(), Arc::new(ManualClock::at(sale::held_at()))));
    let looks = async {
        let looks = (0..READERS).map(|_| {
            let event = Recorded::http("browse.get-section-availability").path("sectionId", "block-00").text();
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                let request = edge::http::request_from_json(&event).unwrap();
                assert_eq!(browse::handle(&app, request).await.status(), 200);
            })
        });
        futures::future::join_all(looks.collect::<Vec<_>>()).await
    };
    let (answers, keys) = reads(&stage.engine, looks).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    let maps: u64 = keys.iter().filter(|(key, _)| key.starts_with("AVAIL#")).map(|(_, reads)| reads).sum();
    assert!(maps > 0, "{keys:?}");
    budget::at_most(&format!("map items read for {READERS} looks at a section at one moment"), 1.0, f64_of(maps));
}
