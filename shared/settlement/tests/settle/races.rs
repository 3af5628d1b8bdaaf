//! Payment races release, in every order that loses money or seats where a step is missing.

use std::sync::{Arc, Mutex};

use domain::{
    Error, Refusal,
    booking::{Booking, Reason, Status},
    ids::{BookingId, IntentId},
    payment::IntentStatus,
    settlement::Cause,
};
use outbound::payments::Payments as _;
use store::hold::Claimed;
use testkit::{
    engine::{CallInfo, Fault},
    payments::{Call, Outcome, PaymentFault, Provider},
};

use crate::stage::Stage;

/// Does `act` right before the first write whose text has `mark` reaches the table.
fn before_write(stage: &Stage, mark: &'static str, act: impl FnOnce() + Send + 'static) {
    let act = Mutex::new(Some(act));
    let hook = move |call: &CallInfo<'_>| {
        if call.operation.contains("Write") || call.operation == "UpdateItem" {
            let text = String::from_utf8_lossy(call.body);
            let act = if text.contains(mark) { act.lock().unwrap().take() } else { None };
            if let Some(act) = act {
                act();
            }
        }
        Fault::None
    };
    stage.engine.set_fault(Some(Arc::new(hook)));
}

/// The buyer pays when the provider gets its first `call`, before that is carried out.
fn pays_before_call(stage: &Stage, intent: &IntentId, call: Call, outcome: Outcome) {
    let (provider, intent) = (Arc::clone(&stage.provider), intent.clone());
    let hook = move |now: Call, _| {
        if now == call {
            drop(provider.attempt(&intent, outcome));
        }
        PaymentFault::None
    };
    stage.line.set_fault(Some(Arc::new(hook)));
}

#[tokio::test]
async fn a_payment_between_the_question_and_the_fence_is_let_go_whole() {
    let stage = Stage::open().await;
    let (id, intent) = stage.begun().await;
    let (provider, paid) = (Arc::clone(&stage.provider), intent.clone());
    before_write(&stage, "#q = :true", move || {
        provider.attempt(&paid, Outcome::Approved).unwrap();
    });
    stage.overdue();
    assert_eq!(stage.due(id).await.status, Status::Cancelled(Reason::Expired));
    assert_eq!(stage.provider.taken(id), 0);
    assert_eq!(stage.hint(id).await.status, Status::Cancelled(Reason::Expired), "its webhook comes too late");
    stage.balance().await;
}

#[tokio::test]
async fn a_payment_between_the_fence_and_the_cancellation_is_let_go_whole() {
    let stage = Stage::open().await;
    let (id, intent) = stage.begun().await;
    pays_before_call(&stage, &intent, Call::Cancel, Outcome::Approved);
    stage.overdue();
    assert_eq!(stage.due(id).await.status, Status::Cancelled(Reason::Expired));
    stage.balance().await;
}

#[tokio::test]
async fn money_taken_between_the_fence_and_the_cancellation_takes_the_fence_down() {
    let stage = Stage::with(Provider::taking_at_once()).await;
    let (id, intent) = stage.begun().await;
    pays_before_call(&stage, &intent, Call::Cancel, Outcome::Approved);
    stage.overdue();
    assert!(stage.due(id).await.is_paid());
    stage.balance().await;
}

#[tokio::test]
async fn a_payment_that_begins_to_process_behind_the_fence_is_waited_for() {
    for (outcome, status) in [
        (Outcome::Approved, Status::Cancelled(Reason::Expired)),
        (Outcome::Declined, Status::Cancelled(Reason::Expired)),
    ] {
        let stage = Stage::open().await;
        let (id, intent) = stage.begun().await;
        pays_before_call(&stage, &intent, Call::Cancel, Outcome::Pondered);
        stage.overdue();
        let waiting = stage.due(id).await;
        assert_eq!((waiting.status, waiting.payment.closing), (Status::Pending, true));
        assert!(waiting.due_at.is_some());
        stage.line.set_fault(None);
        stage.provider.decide(&intent, outcome).unwrap();
        assert_eq!(stage.due(id).await.status, status);
        stage.balance().await;
    }
}

#[tokio::test]
async fn a_webhook_before_the_fence_wins_and_the_sweep_finds_a_sale() {
    let stage = Stage::open().await;
    let (id, _) = stage.authorised().await;
    stage.overdue();
    let stale = stage.read(id).await;
    assert!(stage.hint(id).await.is_paid());
    assert_eq!(stage.store.close(&stale).await, Ok(None), "what was read before the sale closes nothing");
    assert_eq!(stage.store.release(&stale, Reason::Expired).await, Ok(None));
    assert!(stage.due(id).await.is_paid());
    stage.balance().await;
}

#[tokio::test]
async fn a_release_between_creating_the_intent_and_recording_it_tells_nobody_its_secret() {
    let stage = Stage::open().await;
    let held = stage.hold().await;
    let started = stage.store.start_payment(&held, stage.clock_now()).await.unwrap().unwrap();
    let intent = stage.provider.create(held.id, held.total()).await.unwrap();
    stage.overdue();
    assert_eq!(stage.due(held.id).await.status, Status::Cancelled(Reason::Expired));
    assert_eq!(stage.store.record_intent(&started, &intent.id).await, Ok(None));
    let told = stage.settlement.pay(held.id).await.unwrap_err();
    assert_eq!(told, Error::Refused(Refusal::HoldExpired { reason: Some(Reason::Expired) }));
    assert_eq!(stage.provider.intents_of(held.id)[0].status, IntentStatus::Cancelled);
    stage.balance().await;
}

#[tokio::test]
async fn a_payment_that_stops_before_its_intent_exists_is_created_and_cancelled_by_the_sweep() {
    let stage = Stage::open().await;
    let held = stage.hold().await;
    stage.store.start_payment(&held, stage.clock_now()).await.unwrap().unwrap();
    stage.heal().await;
    // A creation that was on its way all the time gives the intent that is dead already.
    let late = stage.provider.create(held.id, held.total()).await.unwrap();
    assert_eq!(late.status, IntentStatus::Cancelled);
}

#[tokio::test]
async fn a_seat_reclaimed_while_its_first_holders_webhook_is_on_its_way_stays_with_the_second() {
    let stage = Stage::open().await;
    let (first, intent) = late_payment(&stage).await;
    let second = stage.wish(2, "bob", &["balcony:A:2"]);
    assert_eq!(stage.claim(&second).await, Claimed::Won);
    let told = stage.hint(first).await;
    assert_eq!(told.status, Status::Cancelled(Reason::SeatsLost));
    assert_eq!(stage.provider.intents_of(first)[0].status, IntentStatus::Cancelled, "nothing was taken");
    let paying = stage.settlement.pay(second.id).await.unwrap();
    stage.provider.attempt(&paying.intent.id, Outcome::Approved).unwrap();
    assert!(stage.hint(second.id).await.is_paid());
    assert_eq!(stage.hint(first).await, told, "however often it comes");
    assert_ne!(paying.intent.id, intent);
    stage.balance().await;
}

#[tokio::test]
async fn money_that_was_taken_for_a_seat_that_is_gone_is_refunded_in_full() {
    let stage = Stage::with(Provider::taking_at_once()).await;
    let (first, _) = late_payment(&stage).await;
    let second = stage.wish(2, "bob", &["balcony:A:2"]);
    assert_eq!(stage.claim(&second).await, Claimed::Won);
    let told = stage.hint(first).await;
    assert_eq!(told.refund.unwrap().percent, 100);
    assert_eq!(stage.provider.given_back(first), told.total().amount_minor);
    stage.settlement.end(second.id).await.unwrap();
    stage.balance().await;
}

#[tokio::test]
async fn a_late_payment_takes_its_seats_again_if_they_are_free() {
    let stage = Stage::open().await;
    let (id, _) = late_payment(&stage).await;
    assert!(stage.hint(id).await.is_paid());
    stage.balance().await;
}

#[tokio::test]
async fn a_late_payment_whose_buyer_has_no_room_left_is_let_go() {
    let stage = Stage::open().await;
    let (id, _) = late_payment(&stage).await;
    let mut other = stage.wish(2, "ada", &["balcony:A:3"]);
    other.areas = testkit::sale::booking().areas;
    other.areas[0].quantity = 3;
    assert_eq!(stage.claim(&other).await, Claimed::Won);
    assert_eq!(stage.hint(id).await.status, Status::Cancelled(Reason::SeatsLost));
    stage.settlement.end(other.id).await.unwrap();
    stage.balance().await;
}

/// CANCELLED(expired) behind the fence, and a payment that is authorised all the same: what a provider that breaks its word
/// leads to.
async fn late_payment(stage: &Stage) -> (BookingId, IntentId) {
    let (id, intent) = stage.begun().await;
    stage.overdue();
    assert_eq!(stage.due(id).await.status, Status::Cancelled(Reason::Expired));
    let taken = if stage.provider.takes_at_once() { IntentStatus::Captured } else { IntentStatus::Authorised };
    stage.provider.force(&intent, taken);
    (id, intent)
}

#[tokio::test]
async fn however_pay_webhook_release_and_sweep_interleave_the_books_balance() {
    for round in 0..12u32 {
        let stage = Stage::open().await;
        let (id, intent) = stage.begun().await;
        if round % 3 > 0 {
            stage.provider.attempt(&intent, Outcome::Approved).unwrap();
        }
        if round % 2 > 0 {
            stage.overdue();
        }
        let drive = |cause| stage.settlement.drive(id, cause, None);
        let _ = tokio::join!(
            drive(Cause::Due),
            stage.settlement.end(id),
            drive(Cause::Hint),
            stage.settlement.pay(id),
            drive(Cause::Hint),
            drive(Cause::Due),
            stage.settlement.end(id),
        );
        stage.heal().await;
    }
}

#[tokio::test]
async fn two_holders_one_after_the_other_never_share_a_seat() {
    let stage = Stage::open().await;
    let (first, intent) = stage.begun().await;
    stage.overdue();
    let second: Booking = stage.wish(2, "bob", &["balcony:A:1"]);
    assert!(matches!(stage.claim(&second).await, Claimed::Met(_)), "overdue is not free");
    stage.due(first).await;
    assert_eq!(stage.claim(&second).await, Claimed::Won);
    assert_eq!(stage.provider.attempt(&intent, Outcome::Approved), None);
    assert_eq!(stage.hint(first).await.status, Status::Cancelled(Reason::Expired));
    stage.heal().await;
}
