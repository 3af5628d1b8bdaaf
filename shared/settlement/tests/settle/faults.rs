//! Every call of the provider and of the table fails once, in every way, at every step of every story. Then the sweep
//! alone heals, and the books balance.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    ids::{BookingId, IntentId},
    money::Money,
    refund,
    settlement::Cause,
};
use store::receipt::PartRequest;
use testkit::{
    engine::Fault,
    payments::{Outcome, PaymentFault},
};

use crate::stage::Stage;

/// Calls in one story, at most.
const CALLS_MAX: u64 = 60;

#[derive(Clone, Copy, Debug)]
enum Story {
    Sale,
    Declines,
    Expiry,
    ExpiryOfAPaidHold,
    Processing,
    GivingBack,
    Refund,
    PartOfTheMoney,
    CallingOff,
}

/// Tells a story as far as it goes. What fails is left as it is, as a crash would.
async fn tell(stage: &Stage, story: Story, id: BookingId) {
    let Ok(paying) = stage.settlement.pay(id).await else {
        // Nobody was told the secret, so nobody pays; the buyer may give up, or leave it.
        if matches!(story, Story::GivingBack) {
            drop(stage.settlement.end(id).await);
        }
        return;
    };
    let intent: IntentId = paying.intent.id;
    let attempt = |outcome| drop(stage.provider.attempt(&intent, outcome));
    match story {
        Story::Sale => {
            attempt(Outcome::Approved);
            hint(stage, id).await;
        }
        Story::Declines => {
            for number in 1..=3 {
                attempt(Outcome::Declined);
                let failure = format!("evt_failed_{number}").parse().unwrap();
                drop(stage.settlement.payment_failed(id, &failure).await);
            }
        }
        Story::Expiry => {
            stage.overdue();
            drop(stage.settlement.drive(id, Cause::Due, None).await);
        }
        Story::ExpiryOfAPaidHold => {
            attempt(Outcome::Approved);
            stage.overdue();
            drop(stage.settlement.drive(id, Cause::Due, None).await);
        }
        Story::Processing => {
            attempt(Outcome::Pondered);
            stage.overdue();
            drop(stage.settlement.drive(id, Cause::Due, None).await);
            drop(stage.provider.decide(&intent, Outcome::Approved));
            stage.overdue();
            drop(stage.settlement.drive(id, Cause::Due, None).await);
        }
        Story::GivingBack => drop(stage.settlement.end(id).await),
        Story::Refund => {
            attempt(Outcome::Approved);
            hint(stage, id).await;
            drop(stage.settlement.end(id).await);
        }
        Story::PartOfTheMoney => {
            attempt(Outcome::Approved);
            hint(stage, id).await;
            owe_part(stage, id).await;
            drop(stage.settlement.drive(id, Cause::Due, None).await);
        }
        Story::CallingOff => {
            attempt(Outcome::Approved);
            hint(stage, id).await;
            drop(stage.settlement.call_off(id).await);
        }
    }
}

async fn owe_part(stage: &Stage, id: BookingId) {
    let Ok(Some(booking)) = stage.store.booking(id).await else { return };
    let Ok(owed) = refund::in_part(&booking, Money::new(100, booking.currency)) else { return };
    let request = PartRequest { booking: id, key: "goodwill".parse().unwrap(), amount_minor: 100 };
    drop(stage.store.owe_part(&booking, owed, &request, stage.clock_now()).await);
}

async fn hint(stage: &Stage, id: BookingId) {
    drop(stage.settlement.drive(id, Cause::Hint, Some(&"evt_1".parse().unwrap())).await);
}

/// Fails provider call after provider call. Answers how many there are.
async fn fail_each_provider_call(story: Story, fault: PaymentFault) -> u64 {
    for unlucky in 0..CALLS_MAX {
        let stage = Stage::open().await;
        let id = stage.hold().await.id;
        let hook = move |_, number| if number == unlucky { fault } else { PaymentFault::None };
        stage.line.set_fault(Some(Arc::new(hook)));
        tell(&stage, story, id).await;
        let told = stage.line.calls();
        stage.heal().await;
        if told <= unlucky {
            return told;
        }
    }
    panic!("{story:?} is longer than any");
}

async fn fail_each_table_call(story: Story, fault: Fault) -> u64 {
    for unlucky in 0..CALLS_MAX {
        let stage = Stage::open().await;
        let id = stage.hold().await.id;
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let hook = move |_: &testkit::engine::CallInfo<'_>| {
            if counted.fetch_add(1, Ordering::Relaxed) == unlucky { fault } else { Fault::None }
        };
        stage.engine.set_fault(Some(Arc::new(hook)));
        tell(&stage, story, id).await;
        let told = calls.load(Ordering::Relaxed);
        stage.heal().await;
        if told <= unlucky {
            return told;
        }
    }
    panic!("{story:?} is longer than any");
}

async fn fail_everything(story: Story) {
    for fault in [PaymentFault::Lost, PaymentFault::AnswerLost, PaymentFault::Refused] {
        let calls = fail_each_provider_call(story, fault).await;
        assert!(calls >= 2, "{story:?} calls the provider {calls} times");
    }
    for fault in [Fault::DropBeforeSend, Fault::DropAfterCommit, Fault::Throttle, Fault::TransactionConflict] {
        let calls = fail_each_table_call(story, fault).await;
        assert!(calls >= 5, "{story:?} calls the table {calls} times");
    }
}

#[tokio::test]
async fn a_sale_survives_the_failure_of_any_call() {
    fail_everything(Story::Sale).await;
}

#[tokio::test]
async fn three_declines_survive_the_failure_of_any_call() {
    fail_everything(Story::Declines).await;
}

#[tokio::test]
async fn an_expiry_survives_the_failure_of_any_call() {
    fail_everything(Story::Expiry).await;
}

#[tokio::test]
async fn the_expiry_of_a_paid_hold_survives_the_failure_of_any_call() {
    fail_everything(Story::ExpiryOfAPaidHold).await;
}

#[tokio::test]
async fn a_payment_that_processes_survives_the_failure_of_any_call() {
    fail_everything(Story::Processing).await;
}

#[tokio::test]
async fn giving_back_survives_the_failure_of_any_call() {
    fail_everything(Story::GivingBack).await;
}

#[tokio::test]
async fn a_refund_survives_the_failure_of_any_call() {
    fail_everything(Story::Refund).await;
}

#[tokio::test]
async fn giving_part_back_survives_the_failure_of_any_call() {
    fail_everything(Story::PartOfTheMoney).await;
}

#[tokio::test]
async fn calling_off_survives_the_failure_of_any_call() {
    fail_everything(Story::CallingOff).await;
}
