//! House seats by the range, a step at a time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    Error, Refusal,
    hold::Taken,
    house::{Channel, Job, Order, Progress},
    ids::SeatId,
};
use store::{block::Blocking, house::STEP_SEATS_MAX};
use testkit::{engine::Fault, sale};
use uuid::Uuid;

use crate::stage::{Stage, wish};

/// More than two steps.
const SEATS: u32 = 250;

fn seat(number: u32) -> SeatId {
    format!("balcony:A:{number}").parse().unwrap()
}

fn seats() -> Vec<SeatId> {
    (1..=SEATS).map(seat).collect()
}

fn job(number: u128, order: Order) -> Job {
    Job {
        show: sale::show().id,
        id: Uuid::from_u128(number),
        order,
        ranges: Vec::new(),
        total: SEATS,
        done: 0,
        progress: Progress::Running,
        unavailable: Vec::new(),
        version: 0,
    }
}

/// Seats of the row that are taken, and whether each is blocked.
async fn taken(stage: &Stage) -> Vec<(u32, bool)> {
    let row = "A".parse().unwrap();
    let taken = stage.store.row_taken(sale::show().id, &"balcony".parse().unwrap(), &row).await.unwrap();
    let number = |seat: &SeatId| seat.seat.as_str().parse().unwrap();
    let mut taken: Vec<(u32, bool)> =
        taken.iter().map(|(seat, taken)| (number(seat), *taken == Taken::Blocked)).collect();
    taken.sort_unstable();
    taken
}

fn all_blocked() -> Vec<(u32, bool)> {
    (1..=SEATS).map(|number| (number, true)).collect()
}

/// Whose a seat is, as its item says.
async fn channel(stage: &Stage, number: u32) -> Option<String> {
    let item = stage.engine.client().get_item().table_name(stage.engine.table());
    let key = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let show = sale::show().id;
    let item = item.key("PK", key(format!("SEATS#{show}#balcony#A"))).key("SK", key(number.to_string()));
    let item = item.send().await.unwrap().item?;
    item.get("h").and_then(|value| value.as_s().ok()).cloned()
}

#[tokio::test]
async fn a_job_is_done_step_by_step_and_goes_on_where_it_stopped() {
    let stage = Stage::open().await;
    let (store, seats) = (&stage.store, seats());
    let job = job(1, Order::Block);
    let begun = store.begin_job(&job, "a").await.unwrap();
    let first = store.carry_on(begun, &seats, 1).await.unwrap();
    assert_eq!((first.done, first.progress), (STEP_SEATS_MAX, Progress::Running));
    assert_eq!(store.running_jobs().await.unwrap(), [(job.show, job.id)]);
    let again = store.begin_job(&job, "a").await.unwrap();
    assert_eq!(again, first, "the same request finds it as it is");
    assert_eq!(store.begin_job(&job, "b").await, Err(Error::Refused(Refusal::IdempotencyMismatch)));
    let done = store.carry_on(again, &seats, 9).await.unwrap();
    assert_eq!((done.done, done.progress), (SEATS, Progress::Done));
    assert_eq!((store.running_jobs().await.unwrap(), taken(&stage).await), (vec![], all_blocked()));
    let release = store.begin_job(&self::job(2, Order::Release), "c").await.unwrap();
    assert_eq!(store.carry_on(release, &seats, 9).await.unwrap().progress, Progress::Done);
    assert_eq!(taken(&stage).await, []);
}

#[tokio::test]
async fn a_seat_that_a_buyer_has_undoes_what_was_done_and_nothing_else() {
    let stage = Stage::open().await;
    let (store, seats) = (&stage.store, seats());
    store.block(sale::show().id, &[seat(1), seat(2)], Blocking::Block).await.unwrap();
    let sponsors = Job { total: 1, ..job(1, Order::Allocate(Channel::Sponsor)) };
    let sponsors = store.begin_job(&sponsors, "a").await.unwrap();
    store.carry_on(sponsors, &[seat(5)], 9).await.unwrap();
    stage.held(wish(1, "ada", &[240])).await;
    let counter = store.begin_job(&job(2, Order::Allocate(Channel::BoxOffice)), "b").await.unwrap();
    let half = store.carry_on(counter, &seats, 2).await.unwrap();
    assert_eq!(half.done, 2 * STEP_SEATS_MAX);
    assert_eq!(channel(&stage, 5).await.as_deref(), Some("box-office"));
    let undone = store.carry_on(half, &seats, 9).await.unwrap();
    assert_eq!((undone.progress, undone.done, undone.unavailable), (Progress::Undone, 0, vec![seat(240)]));
    assert_eq!(taken(&stage).await, [(1, true), (2, true), (5, true), (240, false)]);
    assert_eq!((channel(&stage, 1).await, channel(&stage, 5).await.as_deref()), (None, Some("sponsor")));
    assert_eq!(store.running_jobs().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_carry_a_job_on_at_once_each_seat_is_done_once() {
    let stage = Stage::open().await;
    let begun = stage.store.begin_job(&job(1, Order::Block), "a").await.unwrap();
    let runs = (0..5).map(|_| {
        let (store, job) = (stage.store.clone(), begun.clone());
        tokio::spawn(async move { store.carry_on(job, &seats(), 20).await })
    });
    for run in runs.collect::<Vec<_>>() {
        // One that is always second may give up; whoever comes next goes on.
        let _ = run.await.unwrap();
    }
    let left = stage.store.job(begun.show, begun.id).await.unwrap().unwrap();
    let done = stage.store.carry_on(left, &seats(), 9).await.unwrap();
    assert_eq!((done.progress, done.done), (Progress::Done, SEATS));
    assert_eq!((taken(&stage).await, stage.store.running_jobs().await.unwrap()), (all_blocked(), vec![]));
}

/// Whichever call fails, in whichever way: the job goes on from where it is, and ends with all or nothing.
#[tokio::test]
async fn a_job_survives_the_failure_of_any_call() {
    for fault in [Fault::DropBeforeSend, Fault::DropAfterCommit, Fault::TransactionConflict, Fault::Throttle] {
        for (buyer, ends) in [(false, Progress::Done), (true, Progress::Undone)] {
            for failing in 0..12 {
                let stage = Stage::open().await;
                if buyer {
                    stage.held(wish(1, "ada", &[150])).await;
                }
                let calls = Arc::new(AtomicU64::new(0));
                stage.engine.set_fault(Some(Arc::new(move |_| {
                    if calls.fetch_add(1, Ordering::SeqCst) == failing { fault } else { Fault::None }
                })));
                let job = job(1, Order::Block);
                if let Ok(begun) = stage.store.begin_job(&job, "a").await {
                    let _ = stage.store.carry_on(begun, &seats(), 9).await;
                }
                stage.engine.set_fault(None);
                let begun = stage.store.begin_job(&job, "a").await.unwrap();
                let ended = stage.store.carry_on(begun, &seats(), 9).await.unwrap();
                assert_eq!(ended.progress, ends, "{fault:?} of call {failing}");
                let expected = if buyer { vec![(150, false)] } else { all_blocked() };
                assert_eq!(taken(&stage).await, expected, "{fault:?} of call {failing}");
                assert_eq!(stage.store.running_jobs().await.unwrap(), []);
            }
        }
    }
}
