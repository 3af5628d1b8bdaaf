//! Money that must go back, that comes late, or that cannot be had.

use std::sync::Arc;

use domain::{
    Error, Refusal,
    booking::{Booking, Reason, RefundStatus, Status, Substitute},
    catalogue::{Show, ShowStatus},
    ids::{BookingId, IntentId},
    money::Money,
    payment::IntentStatus,
    refund,
    settlement::Cause,
    time::Clock as _,
};
use outbound::payments::Payments as _;
use store::{hold::Claimed, receipt::PartRequest};
use testkit::{
    payments::{Call, Outcome, PaymentFault, Provider},
    sale,
};

use crate::stage::Stage;

fn rupees(minor: i64) -> Money {
    Money::new(minor, sale::show().currency)
}

/// An organiser owes part of the money.
async fn owe_part(stage: &Stage, id: BookingId, minor: i64, key: &str) -> Booking {
    let booking = stage.read(id).await;
    let owed = refund::in_part(&booking, rupees(minor)).unwrap();
    let request = PartRequest { booking: id, key: key.parse().unwrap(), amount_minor: minor };
    stage.store.owe_part(&booking, owed, &request, stage.clock.now()).await.unwrap().unwrap()
}

async fn cancel_show(stage: &Stage) {
    let show = stage.store.show_now(sale::show().id).await.unwrap().unwrap();
    let cancelled = Show { status: ShowStatus::Cancelled, version: show.version + 1, ..show };
    assert!(stage.store.update_show(&cancelled, stage.clock.now()).await.unwrap());
}

/// A single seat whose hold has ended unpaid; then, by a fault of the provider, its cancelled intent is paid after all.
async fn paid_late(stage: &Stage, accepts: bool, reached: IntentStatus) -> (BookingId, IntentId) {
    let wish = stage.wish(1, "ada", &["balcony:A:1"]);
    assert_eq!(stage.claim(&wish).await, Claimed::Won);
    if accepts {
        stage.store.accept_substitutes(&stage.read(wish.id).await).await.unwrap().unwrap();
    }
    let intent = stage.settlement.pay(wish.id).await.unwrap().intent.id;
    stage.overdue();
    assert_eq!(stage.due(wish.id).await.status, Status::Cancelled(Reason::Expired));
    // The fence and the cancelled intent keep this from happening: it takes a fault of the provider to get here.
    assert!(stage.read(wish.id).await.payment.closing);
    stage.provider.force(&intent, reached);
    (wish.id, intent)
}

#[tokio::test]
async fn a_capture_that_is_refused_for_good_gives_the_seats_back_and_lets_the_money_go() {
    let stage = Stage::open().await;
    let (id, intent) = stage.authorised().await;
    stage.line.set_fault(Some(Arc::new(|call, _| match call {
        Call::Capture => PaymentFault::Refused,
        _ => PaymentFault::None,
    })));
    assert_eq!(stage.hint(id).await.status, Status::Cancelled(Reason::PaymentFailed));
    assert_eq!(stage.provider.fetch(&intent).await.unwrap().status, IntentStatus::Cancelled);
    stage.balance().await;
}

#[tokio::test]
async fn a_capture_that_is_refused_once_is_tried_again() {
    let stage = Stage::open().await;
    let (id, _) = stage.authorised().await;
    let refusals = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&refusals);
    stage.line.set_fault(Some(Arc::new(move |call, _| {
        let first = call == Call::Capture && count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        if first { PaymentFault::Refused } else { PaymentFault::None }
    })));
    assert!(stage.hint(id).await.is_paid());
    assert_eq!(refusals.load(std::sync::atomic::Ordering::Relaxed), 2);
    stage.balance().await;
}

#[tokio::test]
async fn a_late_payment_has_its_own_seats_again_where_they_are_free() {
    for reached in [IntentStatus::Authorised, IntentStatus::Captured] {
        let stage = Stage::open().await;
        let (id, _) = paid_late(&stage, false, reached).await;
        assert!(stage.hint(id).await.is_paid());
        stage.balance().await;
    }
}

#[tokio::test]
async fn a_late_payment_without_seats_is_let_go_or_given_back_and_its_buyer_is_told() {
    for (reached, back) in [(IntentStatus::Authorised, 0), (IntentStatus::Captured, 12_800)] {
        let stage = Stage::open().await;
        let (id, _) = paid_late(&stage, false, reached).await;
        let other = stage.wish(2, "bob", &["balcony:A:1"]);
        assert_eq!(stage.claim(&other).await, Claimed::Won);
        let lost = stage.hint(id).await;
        assert_eq!(lost.status, Status::Cancelled(Reason::SeatsLost), "found by its buyer for ever, and mailed");
        assert_eq!(stage.provider.given_back(id), back);
        assert_eq!(stage.hint(id).await, lost);
        stage.heal().await;
    }
}

#[tokio::test]
async fn whoever_said_that_others_will_do_has_others() {
    let stage = Stage::open().await;
    let (id, _) = paid_late(&stage, true, IntentStatus::Authorised).await;
    assert_eq!(stage.claim(&stage.wish(2, "bob", &["balcony:A:1"])).await, Claimed::Won);
    let paid = stage.hint(id).await;
    assert!(paid.is_paid());
    assert_eq!(paid.substitute, Substitute::Made);
    // Seat 2 is a wheelchair place: left to who needs it.
    let seats: Vec<String> = paid.seats.iter().map(|line| line.seat.to_string()).collect();
    assert_eq!(seats, ["balcony:A:3"]);
    assert_eq!(paid.total(), rupees(12_800), "at the same price");
    stage.heal().await;
}

#[tokio::test]
async fn where_no_others_are_left_the_money_is_let_go() {
    let stage = Stage::open().await;
    let (id, _) = paid_late(&stage, true, IntentStatus::Authorised).await;
    assert_eq!(stage.claim(&stage.wish(2, "bob", &["balcony:A:1", "balcony:A:3"])).await, Claimed::Won);
    assert_eq!(stage.hint(id).await.status, Status::Cancelled(Reason::SeatsLost));
    assert_eq!(stage.provider.taken(id), 0);
    stage.heal().await;
}

#[tokio::test]
async fn a_late_payment_for_a_show_that_is_called_off_is_let_go() {
    let stage = Stage::open().await;
    let (id, _) = paid_late(&stage, true, IntentStatus::Authorised).await;
    cancel_show(&stage).await;
    assert_eq!(stage.hint(id).await.status, Status::Cancelled(Reason::SeatsLost));
    stage.balance().await;
}

#[tokio::test]
async fn a_crash_between_losing_the_seats_and_letting_the_money_go_is_healed_by_the_sweep() {
    let stage = Stage::open().await;
    let (id, intent) = paid_late(&stage, false, IntentStatus::Authorised).await;
    assert_eq!(stage.claim(&stage.wish(2, "bob", &["balcony:A:1"])).await, Claimed::Won);
    stage.line.set_fault(Some(Arc::new(|call, _| match call {
        Call::Cancel => PaymentFault::Lost,
        _ => PaymentFault::None,
    })));
    stage.settlement.drive(id, Cause::Hint, None).await.unwrap_err();
    assert_eq!(stage.provider.fetch(&intent).await.unwrap().status, IntentStatus::Authorised);
    stage.heal().await;
    assert_eq!(stage.provider.fetch(&intent).await.unwrap().status, IntentStatus::Cancelled);
}

#[tokio::test]
async fn part_of_the_money_goes_back_and_the_seats_stay() {
    let stage = Stage::open().await;
    let (id, _) = stage.paid().await;
    assert_eq!(owe_part(&stage, id, 600, "first").await.refund.unwrap().status, RefundStatus::Pending);
    let owing = owe_part(&stage, id, 400, "second").await;
    assert_eq!(owing.refund.unwrap().amount_minor, 1_000, "one running total");
    let done = stage.due(id).await;
    assert!(done.is_paid());
    assert_eq!((done.refund.unwrap().status, done.due_at), (RefundStatus::Done, None));
    assert_eq!(stage.provider.given_back(id), 1_000);
    let cancelled = stage.settlement.end(id).await.unwrap();
    assert_eq!(cancelled.refund.unwrap().amount_minor, cancelled.total().amount_minor, "the rest, and no more");
    assert_eq!(stage.provider.given_back(id), cancelled.total().amount_minor);
    stage.balance().await;
}

#[tokio::test]
async fn the_same_request_gives_back_once() {
    let stage = Stage::open().await;
    let (id, _) = stage.paid().await;
    owe_part(&stage, id, 600, "first").await;
    let booking = stage.read(id).await;
    let again = PartRequest { booking: id, key: "first".parse().unwrap(), amount_minor: 600 };
    assert_eq!(stage.store.asked_before(&again).await.unwrap(), Some(600));
    let owed = refund::in_part(&booking, rupees(600)).unwrap();
    assert_eq!(stage.store.owe_part(&booking, owed, &again, stage.clock.now()).await.unwrap(), None);
    stage.due(id).await;
    assert_eq!(stage.provider.given_back(id), 600);
}

#[tokio::test]
async fn two_who_give_back_at_once_give_back_once() {
    let stage = Stage::open().await;
    let (id, _) = stage.paid().await;
    owe_part(&stage, id, 600, "first").await;
    let drive = || Box::pin(stage.settlement.drive(id, Cause::Due, None));
    let all = futures_of(&drive).await;
    assert!(all.iter().any(Result::is_ok), "{all:?}");
    assert_eq!(stage.provider.given_back(id), 600);
    stage.heal().await;
}

async fn futures_of<F: Future>(make: &impl Fn() -> F) -> Vec<F::Output> {
    let (a, b, c, d) = tokio::join!(make(), make(), make(), make());
    vec![a, b, c, d]
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_a_day_ago_is_not_made_again() {
    let stage = Stage::open().await;
    let (id, _) = stage.paid().await;
    stage.line.set_fault(Some(Arc::new(|call, _| match call {
        Call::Refund => PaymentFault::AnswerLost,
        _ => PaymentFault::None,
    })));
    assert_eq!(stage.settlement.end(id).await.unwrap().refund.unwrap().status, RefundStatus::Pending);
    stage.provider.forget_keys();
    stage.heal().await;
    assert_eq!(stage.read(id).await.refund.unwrap().status, RefundStatus::Done);
}

#[tokio::test]
async fn a_refund_that_fails_at_the_bank_is_made_again() {
    let stage = Stage::open().await;
    let (id, _) = stage.paid().await;
    stage.line.set_fault(Some(Arc::new(|call, _| match call {
        Call::Refund => PaymentFault::AnswerLost,
        _ => PaymentFault::None,
    })));
    stage.settlement.end(id).await.unwrap();
    stage.provider.fail_refund(id);
    stage.heal().await;
    assert_eq!(stage.provider.given_back(id), stage.read(id).await.total().amount_minor);
}

#[tokio::test]
async fn a_refund_that_fails_at_the_bank_weeks_later_is_owed_again_once_the_provider_says_so() {
    let stage = Stage::open().await;
    let (id, _) = stage.paid().await;
    let done = stage.settlement.end(id).await.unwrap();
    assert_eq!(done.refund.unwrap().status, RefundStatus::Done);
    stage.settlement.refund_news(id).await.unwrap();
    assert_eq!(stage.read(id).await, done, "news of a refund that is well changes nothing");
    stage.provider.fail_refund(id);
    for _ in 0..2 {
        stage.settlement.refund_news(id).await.unwrap();
    }
    assert_eq!(stage.provider.given_back(id), done.total().amount_minor);
    stage.heal().await;
}

#[tokio::test]
async fn a_refund_that_cannot_be_made_stays_owed_and_is_told_to_a_person() {
    let stage = Stage::open().await;
    let (id, intent) = stage.paid().await;
    // Somebody has given all of it back by hand, without our name on it.
    let total = stage.read(id).await.total();
    stage.provider.refund(&intent, BookingId::from_uuid(uuid::Uuid::nil()), total, 0).await.unwrap();
    stage.settlement.end(id).await.unwrap();
    let error = stage.settlement.drive(id, Cause::Due, None).await.unwrap_err();
    assert!(error.to_string().contains("cannot be refunded"), "{error}");
    assert!(stage.read(id).await.owes_refund() && stage.read(id).await.due_at.is_some());
}

#[tokio::test]
async fn a_show_that_is_called_off_ends_every_booking_and_gives_all_back() {
    type Make = fn(&Stage) -> std::pin::Pin<Box<dyn Future<Output = BookingId> + '_>>;
    let lives: [(&str, Make); 5] = [
        ("held", |stage| Box::pin(async { stage.hold().await.id })),
        ("paying", |stage| Box::pin(async { stage.begun().await.0 })),
        ("paid at the provider", |stage| Box::pin(async { stage.authorised().await.0 })),
        ("paid", |stage| Box::pin(async { stage.paid().await.0 })),
        ("given back in part", |stage| {
            Box::pin(async {
                let id = stage.paid().await.0;
                owe_part(stage, id, 600, "first").await;
                id
            })
        }),
    ];
    for (what, make) in lives {
        let stage = Stage::open().await;
        let id = make(&stage).await;
        cancel_show(&stage).await;
        assert_eq!(stage.store.call_offs().await.unwrap().len(), 1);
        // Whoever paid in that very moment is sold to first; the next call ends it.
        let ended = match stage.settlement.call_off(id).await {
            Err(Error::Refused(Refusal::PaymentInProgress)) => stage.settlement.call_off(id).await.unwrap(),
            ended => ended.unwrap(),
        };
        assert_eq!(ended.status, Status::Cancelled(Reason::ShowCancelled), "{what}");
        assert_eq!(stage.provider.taken(id), stage.provider.given_back(id), "{what}");
        assert_eq!(stage.settlement.call_off(id).await.unwrap(), ended, "{what}: twice");
        stage.heal().await;
    }
}

#[tokio::test]
async fn a_buyer_who_cancels_a_show_that_is_called_off_gets_all_of_it_however_late() {
    let stage = Stage::open().await;
    let (id, _) = stage.paid().await;
    stage.clock.set(sale::show().starts_at);
    cancel_show(&stage).await;
    assert_eq!(stage.settlement.end(id).await.unwrap().refund.unwrap().percent, 100);
    stage.balance().await;
}

#[tokio::test]
async fn a_payment_that_processes_when_the_show_is_called_off_is_ended_once_it_is_decided() {
    for (outcome, taken) in [(Outcome::Approved, true), (Outcome::Declined, false)] {
        let stage = Stage::open().await;
        let (id, intent) = stage.begun().await;
        stage.provider.attempt(&intent, Outcome::Pondered).unwrap();
        cancel_show(&stage).await;
        for _ in 0..2 {
            let waits = stage.settlement.call_off(id).await;
            assert_eq!(waits, Err(Error::Refused(Refusal::PaymentInProgress)));
        }
        stage.provider.decide(&intent, outcome).unwrap();
        drop(stage.settlement.call_off(id).await);
        let ended = stage.settlement.call_off(id).await.unwrap();
        assert_eq!(ended.status, Status::Cancelled(Reason::ShowCancelled));
        assert_eq!(stage.provider.taken(id) > 0, taken);
        stage.heal().await;
    }
}

#[tokio::test]
async fn a_provider_that_takes_at_once_gives_back_what_a_show_called_off_had_taken() {
    let stage = Stage::with(Provider::taking_at_once()).await;
    let (id, _) = stage.paid().await;
    cancel_show(&stage).await;
    stage.settlement.call_off(id).await.unwrap();
    assert_eq!(stage.provider.given_back(id), stage.provider.taken(id));
    stage.balance().await;
}
