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

/// Rounds, each of holds and of transactions: many and short, so that what else this machine does befalls both alike.
const ROUNDS: usize = 60;
/// Rounds before those that count.
const WARM_UP: usize = 5;
/// Holds, and transactions, of a round.
const ROUND: usize = 64;
/// Calls under way at any time.
const AT_ONCE: usize = 16;
/// Seats of a hold.
const PAIR: usize = 2;

/// What something took: by the clock, and of all processors.
struct Taken {
    wall: f64,
    cpu: f64,
}

/// Runs the jobs, so many at once.
async fn run<J: Send + 'static, F: Future<Output = ()> + Send>(
    jobs: Vec<J>,
    each: impl Fn(J) -> F + Clone + Send + 'static,
) -> Taken {
    let jobs = Arc::new(std::sync::Mutex::new(jobs));
    let (began, before) = (Instant::now(), cpu_time());
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
    Taken { wall: began.elapsed().as_secs_f64(), cpu: cpu_time().saturating_sub(before).as_secs_f64() }
}

/// The time that this process's threads have had on a processor; nothing where the system does not tell.
fn cpu_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
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
    let (mut held, mut sent) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        let app = Arc::clone(&stage.app);
        let hold = run(holds(round), move |event: String| {
            let app = Arc::clone(&app);
            async move { assert_eq!(call(&app, &event).await.0, 201) }
        });
        let client = client.clone();
        let raw = run(transactions(&bodies[0], booking, round), move |transaction: RawTransaction| {
            let client = client.clone();
            async move { transaction.send(&client).await }
        });
        // Neither is always the one that comes after the other.
        let (hold, raw) = if round % 2 == 0 {
            let hold = hold.await;
            (hold, raw.await)
        } else {
            let raw = raw.await;
            (hold.await, raw)
        };
        if round >= WARM_UP {
            held.push(hold);
            sent.push(raw);
        }
    }
    let rate = |taken: &[Taken]| median(taken.iter().map(|it| f64_of(ROUND as u64) / it.wall).collect());
    let ratio = |of: fn(&Taken) -> f64| median(held.iter().zip(&sent).map(|(hold, raw)| of(raw) / of(hold)).collect());
    budget::told("holds/s through the function, in this process", rate(&held));
    budget::told("raw TransactWriteItems/s of the same items, in this process", rate(&sent));
    budget::at_least("hold throughput over raw TransactWriteItems, median of rounds", 0.7, ratio(|it| it.wall));
    budget::told("the same by time on a processor", ratio(|it| it.cpu));
}
