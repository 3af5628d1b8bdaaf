//! What happens to one booking, told step by step.

use domain::{
    Error, Refusal,
    booking::{FAILURE_EXTENSION, Reason, RefundStatus, Status},
    ids::ReceiptId,
    money::Money,
    payment::IntentStatus,
    settlement::Cause,
    time::{Clock as _, SignedDuration, shift},
};
use testkit::{
    payments::{Outcome, Provider},
    sale,
};

use crate::stage::{Stage, cancel_at_provider};

fn failure(number: u8) -> ReceiptId {
    format!("evt_failed_{number}").parse().unwrap()
}

#[tokio::test]
async fn a_paid_booking_is_sold_captured_and_owes_nothing() {
    let stage = Stage::open().await;
    let (id, _) = stage.paid().await;
    assert!(stage.store.noted("payments", "evt_1").await.unwrap());
    assert_eq!(stage.read(id).await.due_at, None);
    stage.balance().await;
}

#[tokio::test]
async fn every_step_done_twice_changes_nothing_the_second_time() {
    let stage = Stage::open().await;
    let (id, intent) = stage.begun().await;
    let begun = stage.read(id).await;
    assert_eq!(stage.settlement.pay(id).await.unwrap().intent.id, intent);
    assert_eq!(stage.read(id).await, begun);
    stage.provider.attempt(&intent, Outcome::Approved).unwrap();
    let paid = stage.hint(id).await;
    assert_eq!(stage.hint(id).await, paid);
    assert_eq!(stage.due(id).await, paid);
    assert_eq!(stage.settlement.pay(id).await.unwrap().booking, paid);
    let cancelled = stage.settlement.end(id).await.unwrap();
    assert_eq!(cancelled.refund.unwrap().status, RefundStatus::Done);
    assert_eq!(stage.settlement.end(id).await.unwrap(), cancelled);
    for cause in [Cause::Hint, Cause::Due, Cause::Release] {
        assert_eq!(stage.settlement.drive(id, cause, None).await.unwrap().unwrap(), cancelled, "{cause:?}");
    }
    stage.balance().await;
}

#[tokio::test]
async fn a_hold_that_nobody_pays_is_released_when_it_is_overdue_and_not_before() {
    let stage = Stage::open().await;
    let held = stage.hold().await;
    stage.clock.set(held.expires_at);
    assert_eq!(stage.due(held.id).await, held);
    stage.clock.advance(SignedDuration::from_millis(500));
    assert_eq!(stage.due(held.id).await.status, Status::Cancelled(Reason::Expired));
    stage.balance().await;
}

#[tokio::test]
async fn an_unpaid_payment_is_cancelled_with_its_hold() {
    let stage = Stage::open().await;
    let (id, intent) = stage.begun().await;
    stage.overdue();
    assert_eq!(stage.due(id).await.status, Status::Cancelled(Reason::Expired));
    assert_eq!(stage.provider.attempt(&intent, Outcome::Approved), None, "nobody can pay any more");
    stage.balance().await;
}

#[tokio::test]
async fn a_payment_nobody_told_us_of_is_found_before_its_hold_is_released() {
    let stage = Stage::open().await;
    let (id, _) = stage.authorised().await;
    stage.overdue();
    assert!(stage.due(id).await.is_paid());
    stage.balance().await;
}

#[tokio::test]
async fn a_payment_that_processes_keeps_its_seats_until_it_is_decided() {
    for (outcome, paid) in [(Outcome::Approved, true), (Outcome::Declined, false)] {
        let stage = Stage::open().await;
        let (id, intent) = stage.begun().await;
        stage.provider.attempt(&intent, Outcome::Pondered).unwrap();
        stage.overdue();
        for _ in 0..3 {
            let kept = stage.due(id).await;
            assert_eq!(kept.expires_at, shift(stage.clock.now(), SignedDuration::from_secs(30)));
            assert_eq!((kept.status, kept.due_at), (Status::Pending, Some(kept.expires_at)));
            stage.clock.advance(SignedDuration::from_secs(31));
        }
        let refused = stage.settlement.end(id).await;
        assert_eq!(refused, Err(Error::Refused(Refusal::PaymentInProgress)), "the buyer cannot end it either");
        stage.provider.decide(&intent, outcome).unwrap();
        assert_eq!(stage.due(id).await.is_paid(), paid);
        stage.balance().await;
    }
}

#[tokio::test]
async fn a_bank_that_asks_is_waited_for_and_what_its_buyer_answers_counts() {
    for (answer, paid) in [(Outcome::Approved, true), (Outcome::Declined, false)] {
        let stage = Stage::open().await;
        let (id, intent) = stage.begun().await;
        stage.provider.attempt(&intent, Outcome::Challenged).unwrap();
        let waiting = stage.hint(id).await;
        assert_eq!((waiting.status, waiting.payment.failures.len()), (Status::Pending, 0), "asking is no failure");
        stage.provider.attempt(&intent, answer).unwrap();
        assert_eq!(stage.hint(id).await.is_paid(), paid);
        if !paid {
            stage.provider.attempt(&intent, Outcome::Approved).unwrap();
            assert!(stage.hint(id).await.is_paid(), "another card pays");
        }
        stage.balance().await;
    }
}

#[tokio::test]
async fn a_bank_that_nobody_answers_keeps_nothing_after_the_holds_end() {
    let stage = Stage::open().await;
    let (id, intent) = stage.begun().await;
    stage.provider.attempt(&intent, Outcome::Challenged).unwrap();
    stage.overdue();
    assert_eq!(stage.due(id).await.status, Status::Cancelled(Reason::Expired));
    assert_eq!(stage.provider.attempt(&intent, Outcome::Approved), None, "there is nothing to answer any more");
    stage.balance().await;
}

#[tokio::test]
async fn two_failures_extend_the_hold_and_the_third_ends_it() {
    let stage = Stage::open().await;
    let (id, intent) = stage.begun().await;
    let before = stage.read(id).await;
    for number in 1..=2 {
        stage.provider.attempt(&intent, Outcome::Declined).unwrap();
        for _ in 0..2 {
            stage.settlement.payment_failed(id, &failure(number)).await.unwrap();
        }
        let after = stage.read(id).await;
        let extended = (0..number).fold(before.expires_at, |at, _| shift(at, FAILURE_EXTENSION));
        assert_eq!((after.expires_at, after.due_at), (extended, Some(extended)), "the same failure counts once");
    }
    stage.settlement.payment_failed(id, &failure(3)).await.unwrap();
    assert_eq!(stage.read(id).await.status, Status::Cancelled(Reason::PaymentFailed));
    assert_eq!(stage.provider.intents_of(id)[0].status, IntentStatus::Cancelled);
    stage.settlement.payment_failed(id, &failure(4)).await.unwrap();
    stage.balance().await;
}

#[tokio::test]
async fn a_third_failure_whose_buyer_has_paid_meanwhile_is_a_sale() {
    let stage = Stage::open().await;
    let (id, intent) = stage.begun().await;
    for number in 1..=2 {
        stage.settlement.payment_failed(id, &failure(number)).await.unwrap();
    }
    stage.provider.attempt(&intent, Outcome::Approved).unwrap();
    stage.settlement.payment_failed(id, &failure(3)).await.unwrap();
    assert!(stage.read(id).await.is_paid());
    stage.balance().await;
}

#[tokio::test]
async fn a_buyer_who_ends_a_hold_that_is_paid_is_told_so_and_keeps_it() {
    let stage = Stage::open().await;
    let (id, _) = stage.authorised().await;
    assert_eq!(stage.settlement.end(id).await, Err(Error::Refused(Refusal::PaymentInProgress)));
    assert!(stage.read(id).await.is_paid());
    stage.balance().await;
}

#[tokio::test]
async fn a_buyer_gives_a_hold_back_before_and_after_starting_to_pay() {
    for begin in [false, true] {
        let stage = Stage::open().await;
        let id = if begin { stage.begun().await.0 } else { stage.hold().await.id };
        assert_eq!(stage.settlement.end(id).await.unwrap().status, Status::Cancelled(Reason::Released));
        assert_eq!(stage.settlement.end(id).await.unwrap().status, Status::Cancelled(Reason::Released));
        stage.balance().await;
    }
}

#[tokio::test]
async fn a_cancelled_sale_is_refunded_by_the_policy() {
    for (hours_before, percent) in [(24, 100), (4, 50), (1, 0)] {
        let stage = Stage::open().await;
        let (id, _) = stage.paid().await;
        stage.clock.set(shift(sale::show().starts_at, SignedDuration::from_hours(-hours_before)));
        let cancelled = stage.settlement.end(id).await.unwrap();
        let owed = cancelled.total().percent(percent).unwrap().amount_minor;
        assert_eq!(cancelled.status, Status::Cancelled(Reason::Buyer));
        assert_eq!(stage.provider.given_back(id), owed, "{percent} %");
        assert_eq!(
            (cancelled.refund.unwrap().percent, cancelled.refund.unwrap().status),
            (percent, RefundStatus::Done)
        );
        stage.balance().await;
    }
}

#[tokio::test]
async fn an_authorisation_that_lapses_before_its_capture_gives_the_seats_back() {
    let stage = Stage::open().await;
    let (id, intent) = stage.authorised().await;
    stage.store.confirm(&stage.read(id).await, None, stage.clock.now()).await.unwrap().unwrap();
    stage.provider.lapse(&intent).unwrap();
    stage.overdue();
    assert_eq!(stage.due(id).await.status, Status::Cancelled(Reason::PaymentFailed));
    stage.balance().await;
}

#[tokio::test]
async fn money_of_another_amount_sells_nothing_and_is_let_go() {
    let stage = Stage::open().await;
    let (id, intent) = stage.authorised().await;
    stage.provider.reprice(&intent, Money::new(1, sale::show().currency));
    assert_eq!(stage.hint(id).await.status, Status::Pending);
    stage.overdue();
    assert_eq!(stage.due(id).await.status, Status::Cancelled(Reason::Expired));
    assert_eq!(stage.provider.intents_of(id)[0].status, IntentStatus::Cancelled);
}

#[tokio::test]
async fn a_payment_is_not_started_for_what_is_over() {
    let stage = Stage::open().await;
    let held = stage.hold().await;
    stage.clock.set(held.expires_at);
    let over = |reason| Error::Refused(Refusal::HoldExpired { reason });
    assert_eq!(stage.settlement.pay(held.id).await.unwrap_err(), over(None));
    assert!(stage.provider.intents_of(held.id).is_empty());
    stage.overdue();
    stage.due(held.id).await;
    assert_eq!(stage.settlement.pay(held.id).await.unwrap_err(), over(Some(Reason::Expired)));
}

#[tokio::test]
async fn a_provider_without_manual_capture_sells_or_gives_back_all_the_same() {
    let stage = Stage::with(Provider::taking_at_once()).await;
    let (id, _) = stage.authorised().await;
    assert!(stage.hint(id).await.is_paid());
    stage.balance().await;
}

#[tokio::test]
async fn an_intent_that_somebody_else_cancelled_ends_its_hold_in_time() {
    let stage = Stage::open().await;
    let (id, intent) = stage.begun().await;
    cancel_at_provider(&stage, &intent).await;
    stage.heal().await;
    assert_eq!(stage.read(id).await.status, Status::Cancelled(Reason::Expired));
}
