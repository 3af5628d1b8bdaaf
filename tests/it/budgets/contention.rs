//! Many buyers, one sold row.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use testkit::budget;
use tokio::task::JoinSet;

use super::stage::{ROW_SEATS, Stage, call, event, f64_of, seat_id};

/// Instances of the function, each with one call at a time, as on Lambda.
const INSTANCES: usize = 4;
/// Buyers that each instance refuses.
const BUYERS: usize = 1_000;
/// The row that is sold.
const ROW: usize = 0;
/// Another draw is another seed.
const SEED: u64 = 20_261_122;

/// The first of the two adjacent seats that a buyer wants.
fn wanted(instance: usize, buyer: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    (SEED, instance, buyer).hash(&mut hasher);
    usize::try_from(hasher.finish() % 1_000_003).unwrap() % (ROW_SEATS - 1)
}

async fn refuse(app: Arc<hold::App>, instance: usize) {
    for number in 0..BUYERS {
        let first = wanted(instance, number);
        let seats = [first, first + 1].map(|seat| seat_id(ROW, seat));
        let (status, problem) = call(&app, &event(&format!("buyer {instance} {number}"), "a key", &seats)).await;
        assert_eq!((status, &problem["unavailable"]), (409, &serde_json::json!(seats)), "{problem}");
    }
}

/// An instance pays for the first claim at seats that it has not seen taken; from then on it looks before it writes.
#[tokio::test(flavor = "multi_thread")]
async fn losing_attempts_on_a_sold_row_write_next_to_nothing() {
    let stage = Stage::open().await;
    stage.sell(ROW).await;
    let before = stage.engine.meter().total();
    let instances: JoinSet<()> = (0..INSTANCES).map(|instance| refuse(stage.another_instance(), instance)).collect();
    instances.join_all().await;
    let spent = stage.engine.meter().total() - before;
    let attempts = f64_of(u64::try_from(INSTANCES * BUYERS).unwrap());
    assert!(spent.write_units > 0.0, "somebody is the first to lose");
    budget::at_most(
        &format!("write units of a losing attempt on a sold row ({INSTANCES} instances, {BUYERS} buyers each)"),
        0.1,
        spent.write_units / attempts,
    );
    budget::told("read units of a losing attempt on a sold row", spent.read_units / attempts);
}
