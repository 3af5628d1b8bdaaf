//! How fast a hold is beside the bare transaction it makes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use testkit::{
    budget,
    engine::{Engine, Options},
    raw::{RawTransaction, recorded},
};
use tokio::task::JoinSet;

use super::stage::{ROW_SEATS, Stage, call, event, f64_of, seat_id};

/// Rounds, each of holds and of transactions.
const ROUNDS: usize = 25;
/// Holds, and transactions, of a round.
const ROUND: usize = 160;
/// Calls under way at any time.
const AT_ONCE: usize = 16;
/// Seats of a hold.
const PAIR: usize = 2;

/// Runs the jobs, so many at once. Answers how long that took.
async fn run<J: Send + 'static, F: Future<Output = ()> + Send>(
    jobs: Vec<J>,
    each: impl Fn(J) -> F + Clone + Send + 'static,
) -> Duration {
    let jobs = Arc::new(std::sync::Mutex::new(jobs));
    let began = Instant::now();
    let workers = (0..AT_ONCE).map(|_| {
        let (jobs, each) = (Arc::clone(&jobs), each.clone());
        async move {
            loop {
                let job = jobs.lock().unwrap().pop();
                match job {
                    Some(job) => each(job).await,
                    None => return,
                }
            }
        }
    });
    workers.collect::<JoinSet<()>>().join_all().await;
    began.elapsed()
}

/// The events of a round of holds, each of a pair of its own.
fn holds(round: usize) -> Vec<String> {
    let pairs = ROW_SEATS / PAIR;
    let event = |number: usize| {
        let (row, pair) = (number / pairs, number % pairs);
        let seats = [0, 1].map(|seat| seat_id(row, pair * PAIR + seat));
        event(&format!("buyer-{number:06}"), "a key", &seats)
    };
    // The first row has the hold that was recorded.
    (pairs + round * ROUND..pairs + (round + 1) * ROUND).map(event).collect()
}

/// The transactions of a round: the recorded one with other names of the same length.
fn transactions(body: &str, booking: &str, round: usize) -> Vec<RawTransaction> {
    let copy = |number: usize| {
        let other = format!("bkg_{number:032x}");
        assert_eq!(other.len(), booking.len());
        let body = body.replace(booking, &other).replace("buyer-000000", &format!("other-{number:06}"));
        RawTransaction::new(&body.replace("row-0000", &format!("r{number:07}")), &[""])
    };
    (round * ROUND..(round + 1) * ROUND).map(copy).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Rounds of both take turns, so that whatever else this machine does befalls both.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures time: `cargo xtask budgets` runs it"]
async fn a_hold_is_nearly_as_fast_as_its_transaction() {
    let engine = Engine::start(Options::default()).await.unwrap();
    let client = engine.client();
    let stage = Stage::on(engine.clone()).await;
    let seats: Vec<String> = [0, 1].map(|seat| seat_id(0, seat)).to_vec();
    let (answer, bodies) = recorded(&engine, stage.hold("buyer-000000", "a key", &seats)).await;
    assert_eq!((answer.0, bodies.len()), (201, 1));
    let booking = answer.1["bookingId"].as_str().unwrap();
    let (mut ratios, mut held, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let app = Arc::clone(&stage.app);
        let hold = run(holds(round), move |event: String| {
            let app = Arc::clone(&app);
            async move { assert_eq!(call(&app, &event).await.0, 201) }
        });
        let hold = hold.await.as_secs_f64();
        let client = client.clone();
        let raw = run(transactions(&bodies[0], booking, round), move |transaction: RawTransaction| {
            let client = client.clone();
            async move { transaction.send(&client).await }
        });
        let raw = raw.await.as_secs_f64();
        ratios.push(raw / hold);
        held.push(f64_of(ROUND as u64) / hold);
        sent.push(f64_of(ROUND as u64) / raw);
    }
    budget::told("holds/s through the function, in this process", median(held));
    budget::told("raw TransactWriteItems/s of the same items, in this process", median(sent));
    budget::at_least("hold throughput over raw TransactWriteItems", 0.7, median(ratios));
}
