//! What the booking path costs, in calls and capacity units, indexes included.

use domain::{
    booking::{Booking, Reason},
    code::Allowance,
    hold::{Churn, Terms},
    ids::AccessCode,
    orphan::Beside,
};
use store::hold::Claimed;
use testkit::{budget, engine::Tally, sale};

use crate::stage::{CAP, Stage, later, wish};

/// A booking of `n` seats with the longest ids that real plans and identity providers give.
fn large(n: u32) -> Booking {
    let seats: Vec<u32> = (1..=n).collect();
    let mut booking = wish(1, "google-oauth2|115512345678901234567", &seats);
    booking.email = Some("a.rather.long.first.and.last.name@mail.department.example.org".to_owned());
    for (number, line) in booking.seats.iter_mut().enumerate() {
        line.seat = format!("balcony-upper-left-03:row-{number:02}:seat-{number:04}").parse().unwrap();
        line.category = "front-stalls-premium".parse().unwrap();
        line.price_minor = 1_234_567_890;
    }
    booking
}

/// What `work` cost: in all, and in calls that write.
async fn cost<T>(stage: &Stage, work: impl Future<Output = T>) -> (T, Tally) {
    let before = stage.engine.meter().total();
    let result = work.await;
    (result, stage.engine.meter().total() - before)
}

#[tokio::test]
async fn the_booking_path_stays_within_its_budgets() {
    for n in [1, 2, 6, 10] {
        let stage = Stage::open().await;
        let store = &stage.store;
        let booking = large(n);
        let (claimed, hold) = cost(&stage, store.claim(&booking, &Terms::within(n))).await;
        assert_eq!(claimed.unwrap(), Claimed::Won);
        let start = stage.engine.meter().total();
        let started = store.start_payment(&booking, sale::held_at()).await.unwrap().unwrap();
        let intent = "pi_3PqRsTuVwXyZ012345678901".parse().unwrap();
        let begun = store.record_intent(&started, &intent).await.unwrap().unwrap();
        let receipt = "evt_3PqRsTuVwXyZ012345678901".parse().unwrap();
        let confirm = store.confirm(&begun, Some(&receipt), sale::held_at());
        let (sold, confirmed) = cost(&stage, confirm).await;
        store.record_capture(&sold.unwrap().unwrap(), sale::captured_at()).await.unwrap().unwrap();
        let life = hold + (stage.engine.meter().total() - start);
        assert_eq!(hold.calls, 1);
        budget::at_most(&format!("write units of a hold of {n}"), f64::from(2 * n + 6), hold.write_units);
        budget::at_most(&format!("write units of a paid life of {n}"), f64::from(4 * n + 16), life.write_units);
        let calls = u32::try_from(confirmed.calls).unwrap();
        budget::at_most(&format!("DynamoDB calls of confirm's transaction step, {n} seats"), 2.0, calls.into());
    }
}

#[tokio::test]
async fn a_release_stays_within_its_budget() {
    for n in [1, 2, 6] {
        let stage = Stage::open().await;
        let held = stage.held(large(n)).await;
        let (released, release) = cost(&stage, stage.store.release(&held, Reason::Expired)).await;
        assert!(released.unwrap().is_some());
        budget::at_most(&format!("write units of a release of {n}"), f64::from(2 * n + 5), release.write_units);
    }
}

/// The longest life: two failures counted, an e-mail address, an intent, a refund. It stays one write unit.
#[tokio::test]
async fn a_booking_of_six_seats_is_at_most_one_kilobyte() {
    let stage = Stage::open().await;
    let mut booking = large(6);
    booking.payment.started_at = Some(sale::held_at());
    booking.payment.intent = Some("pi_3PqRsTuVwXyZ012345678901".parse().unwrap());
    booking.payment.failures =
        ["evt_3PqRsTuVwXyZ012345678901", "evt_3PqRsTuVwXyZ012345678902"].map(|id| id.parse().unwrap()).into();
    stage.held(booking.clone()).await;
    let before = stage.engine.meter().total();
    stage.store.close(&booking).await.unwrap().unwrap();
    let update = stage.engine.meter().total() - before;
    assert!(update.write_units <= 1.0, "more than one unit: the item is larger than 1 KB");
}

#[tokio::test]
async fn a_look_before_a_hopeless_claim_writes_nothing() {
    let stage = Stage::open().await;
    stage.held(wish(1, "ada", &[1, 2])).await;
    let (met, look) = cost(&stage, stage.store.look(&wish(2, "bob", &[1, 2]), &Terms::within(CAP))).await;
    assert_eq!(met.unwrap().seats.len(), 2);
    assert_eq!(look.calls, 1);
    assert!(look.write_units <= 0.0, "{look:?}");
}

#[tokio::test]
async fn a_hold_that_is_counted_costs_no_more_and_a_presale_code_one_more_item() {
    for n in [1, 6] {
        let stage = Stage::open().await;
        let counted = Terms { churn: Some(Churn::at(sale::held_at(), Some(300))), ..Terms::within(n) };
        let (claimed, hold) = cost(&stage, stage.store.claim(&large(n), &counted)).await;
        assert_eq!((claimed.unwrap(), hold.calls), (Claimed::Won, 1));
        budget::at_most(&format!("write units of a counted hold of {n}"), f64::from(2 * n + 6), hold.write_units);

        let stage = Stage::open().await;
        let (opens_at, closes_at) = (later(-60), later(60));
        let allowance = Allowance { places: n, left: n, opens_at, closes_at };
        let code: AccessCode = "THE-LONGEST-CODE-THAT-THERE-IS-1".parse().unwrap();
        stage.store.create_code(sale::show().id, &code, allowance).await.unwrap();
        let booking = Booking { code: Some(code), email: None, ..large(n) };
        let (claimed, hold) = cost(&stage, stage.store.claim(&booking, &counted)).await;
        assert_eq!((claimed.unwrap(), hold.calls), (Claimed::Won, 1));
        let what = format!("write units of a hold of {n} under a presale code");
        budget::at_most(&what, f64::from(2 * n + 8), hold.write_units);
    }
}

#[tokio::test]
async fn the_orphan_rule_costs_two_units_a_side() {
    for n in [1, 2, 6] {
        let stage = Stage::open().await;
        let free = |seat: &str| Beside { seat: seat.parse().unwrap(), is_free: true };
        let beside = ["balcony-upper-left-03:row-00:seat-9998", "balcony-upper-left-03:row-00:seat-9999"].map(free);
        let terms = Terms { beside: beside.into(), ..Terms::within(n) };
        let (claimed, hold) = cost(&stage, stage.store.claim(&large(n), &terms)).await;
        assert_eq!((claimed.unwrap(), hold.calls), (Claimed::Won, 1));
        let what = format!("write units of a hold of {n} side by side under the orphan rule");
        budget::at_most(&what, f64::from(2 * n + 10), hold.write_units);
    }
}
