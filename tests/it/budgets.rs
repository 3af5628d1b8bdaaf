//! What the platform may cost (ARCHITECTURE.md, budgets), from real counters. `cargo xtask budgets` makes a table of it.
//! The booking's own writes are counted in `store`, in the tests of the same name.

mod best;
mod contention;
mod live;
mod map;
mod stage;
mod throughput;

use serde_json::Value;
use testkit::{
    budget,
    engine::Engine,
    raw::{RawTransaction, recorded},
};

use stage::{Stage, f64_of};

/// Everything that a hold has to write; whatever else it writes serves another purpose.
const ITEMS_OF_A_HOLD: [&str; 3] = ["BOOKING#", "BUYERS#", "SEATS#"];

#[tokio::test]
async fn a_winning_hold_is_one_call_and_one_message() {
    let stage = Stage::open().await;
    stage.warm().await;
    for n in [1, 2, 6, 10] {
        let before = (stage.engine.meter().total(), stage.messages());
        let seats = stage.next_seats(n);
        assert_eq!(stage.hold(&format!("buyer of {n}"), "a key", &seats).await.0, 201);
        let spent = stage.engine.meter().total() - before.0;
        budget::at_most(&format!("DynamoDB calls of a winning hold of {n}"), 1.0, f64_of(spent.calls));
        let messages = u64::try_from(stage.messages() - before.1).unwrap();
        budget::at_most(&format!("SQS messages of a hold of {n}"), 1.0, f64_of(messages));
        assert_eq!((spent.calls, messages), (1, 1), "neither is left out");
    }
}

/// The same booking, tally and seats in an empty table, put there by the bare SDK, cost what the hold did.
#[tokio::test]
async fn idempotency_costs_nothing() {
    let stage = Stage::open().await;
    stage.warm().await;
    let seats = stage.next_seats(2);
    let before = stage.engine.meter().total().write_units;
    let ((status, first), bodies) = recorded(&stage.engine, stage.hold("ada", "a key", &seats)).await;
    assert_eq!(status, 201, "{first}");
    let hold = stage.engine.meter().total().write_units - before;
    let [body] = bodies.as_slice() else { panic!("one transaction, not {}", bodies.len()) };
    let items = RawTransaction::new(body, &ITEMS_OF_A_HOLD);
    assert_eq!(items.items(), 4, "a booking, a tally, two seats");
    let bare = Engine::temporary().await;
    items.send(&bare.client()).await;
    let items = bare.meter().total().write_units;
    assert!(items > 0.0 && hold > 0.0);
    budget::at_most("write units of a hold beyond its booking, tally and seats (idempotency)", 0.0, hold - items);
    let before = stage.engine.meter().total().write_units;
    let (status, again) = stage.hold("ada", "a key", &seats).await;
    let repeated = stage.engine.meter().total().write_units - before;
    let id = |booking: &Value| booking["bookingId"].as_str().unwrap().to_owned();
    assert_eq!((status, id(&again)), (201, id(&first)));
    budget::at_most("write units of a repeated hold, on the same instance", 0.0, repeated);
}
