//! The provider's books against ours: each finding planted, each repair made.

use domain::{
    booking::{RefundStatus, Status},
    money::Money,
    payment::IntentStatus,
    reconcile::{Kind, Scope},
    settlement::Cause,
};
use outbound::payments::Payments as _;
use store::keys::Key;
use testkit::{
    payments::{Call, Outcome, PaymentFault},
    sale,
};

use crate::stage::{SEAT_MINOR, Stage, count, is_over, minutes, number, refund, rupees, seat, text};

const BOTH: [Scope; 2] = [Scope::Young, Scope::All];

/// A day of sales as it should be: sold, held, lapsed, released, declined, cancelled for all, half and nothing.
async fn busy(stage: &Stage) {
    stage.provider.add(None, rupees(1), IntentStatus::Captured);
    let lapsed = stage.begun(1, "ada", &[1]).await;
    stage.provider.attempt(&lapsed, Outcome::Declined).unwrap();
    stage.pass(minutes(11));
    assert!(is_over(&stage.drive(1, Cause::Due).await));
    stage.paid(2, "ada", &[1]).await;
    stage.paid(3, "bob", &[2]).await;
    stage.app.settlement.end(number(3)).await.unwrap();
    stage.begun(4, "bob", &[2]).await;
    stage.app.settlement.end(number(4)).await.unwrap();
    stage.paid(5, "cleo", &[]).await;
    stage.pass(minutes(20));
    stage.hold(6, "dan", &[3]).await;
    stage.begun(7, "eve", &[]).await;
    stage.pass(minutes(2));
}

#[tokio::test]
async fn nothing_is_found_on_a_healthy_day_and_twice_is_the_same() {
    let stage = Stage::open().await;
    busy(&stage).await;
    let report = stage.run(Scope::All).await;
    assert_eq!((report.intents, report.foreign, report.shows), (6, 1, 1), "{report:?}");
    stage.healthy().await;
    assert_eq!(stage.run(Scope::All).await, report);
    let before: Vec<_> = all_bookings(&stage).await;
    stage.healthy().await;
    assert_eq!(all_bookings(&stage).await, before, "looking changes nothing");
}

async fn all_bookings(stage: &Stage) -> Vec<domain::booking::Booking> {
    stage.store.bookings(&(1..=7).map(number).collect::<Vec<_>>()).await.unwrap()
}

#[tokio::test]
async fn a_refund_by_policy_of_half_and_nothing_is_right() {
    for (hours_before, back) in [(20, SEAT_MINOR / 2), (1, 0)] {
        let stage = Stage::open().await;
        stage.clock.set(domain::time::shift(sale::show().starts_at, -minutes(60 * hours_before)));
        stage.pass(minutes(0));
        stage.paid(1, "ada", &[1]).await;
        stage.app.settlement.end(number(1)).await.unwrap();
        assert_eq!(stage.provider.given_back(number(1)), back);
        stage.pass(minutes(2));
        stage.healthy().await;
    }
}

#[tokio::test]
async fn a_payment_under_way_is_left_alone() {
    let stage = Stage::open().await;
    stage.authorised(1, "ada", &[1]).await;
    let report = stage.run(Scope::Young).await;
    assert_eq!((report.intents, stage.read(1).await.status), (0, Status::Pending));
}

#[tokio::test]
async fn a_payment_that_nobody_told_us_of_is_sold_and_captured() {
    for scope in BOTH {
        let stage = Stage::open().await;
        stage.authorised(1, "ada", &[1]).await;
        stage.pass(minutes(2));
        let report = stage.run(scope).await;
        assert_eq!((report.repaired.len(), report.findings.len()), (1, 0), "{report:?}");
        assert_eq!(report.repaired[0].booking_id, number(1));
        assert!(stage.read(1).await.is_paid());
        stage.healthy().await;
    }
}

#[tokio::test]
async fn a_capture_that_was_never_recorded_is_recorded_even_when_it_is_due_no_more() {
    for scope in BOTH {
        let stage = Stage::open().await;
        stage.paid(1, "ada", &[1]).await;
        stage.break_booking(1, &[("k", None)]).await;
        stage.pass(minutes(15));
        assert_eq!(stage.kinds(scope).await, []);
        assert!(stage.read(1).await.is_paid());
        stage.healthy().await;
    }
}

#[tokio::test]
async fn a_hold_that_fell_out_of_the_due_index_is_ended() {
    let stage = Stage::open().await;
    stage.begun(1, "ada", &[1]).await;
    stage.hold(2, "bob", &[2]).await;
    for id in [1, 2] {
        stage.break_booking(id, &[("d", None), ("a", None)]).await;
    }
    stage.pass(minutes(15));
    let report = stage.run(Scope::All).await;
    assert_eq!((report.repaired.len(), report.findings.len()), (2, 0), "{report:?}");
    assert!(is_over(&stage.read(1).await) && is_over(&stage.read(2).await));
    stage.healthy().await;
}

#[tokio::test]
async fn a_refund_that_is_owed_and_due_no_more_is_made() {
    for scope in BOTH {
        let stage = Stage::open().await;
        stage.paid(1, "ada", &[1]).await;
        stage.line.set_fault(Some(std::sync::Arc::new(|call, _| {
            if call == Call::Refund { PaymentFault::Lost } else { PaymentFault::None }
        })));
        stage.app.settlement.end(number(1)).await.unwrap();
        stage.line.set_fault(None);
        stage.break_booking(1, &[("d", None), ("a", None)]).await;
        stage.pass(minutes(2));
        let report = stage.run(scope).await;
        assert_eq!((report.repaired.len(), report.findings.len()), (1, 0), "{report:?}");
        assert_eq!(stage.read(1).await.refund.unwrap().status, RefundStatus::Done);
        assert_eq!(stage.provider.given_back(number(1)), SEAT_MINOR);
        stage.healthy().await;
    }
}

#[tokio::test]
async fn a_part_that_is_given_back_of_a_sale_is_right_and_made_when_it_is_owed() {
    for scope in BOTH {
        let stage = Stage::open().await;
        stage.paid(1, "ada", &[1]).await;
        stage.break_booking(1, &[("z", refund(300, "pending"))]).await;
        stage.pass(minutes(2));
        let report = stage.run(scope).await;
        assert_eq!((report.repaired.len(), report.findings.len()), (1, 0), "{report:?}");
        assert_eq!((stage.provider.given_back(number(1)), stage.read(1).await.is_paid()), (300, true));
        stage.healthy().await;
    }
}

#[tokio::test]
async fn money_taken_for_a_booking_that_was_over_goes_back_or_gets_its_seats() {
    for taken in [false, true] {
        let stage = Stage::open().await;
        let intent = stage.begun(1, "ada", &[1]).await;
        stage.pass(minutes(11));
        stage.drive(1, Cause::Due).await;
        if taken {
            stage.paid(2, "bob", &[1]).await;
        }
        stage.provider.force(&intent, IntentStatus::Captured);
        stage.pass(minutes(2));
        let report = stage.run(Scope::Young).await;
        assert_eq!((report.repaired.len(), report.findings.len()), (1, 0), "{report:?}");
        let late = stage.read(1).await;
        assert!(if taken {
            stage.provider.given_back(number(1)) == SEAT_MINOR
        } else {
            late.is_paid() || is_over(&late)
        });
        assert_eq!(stage.provider.taken(number(1)) - stage.provider.given_back(number(1)) > 0, late.is_paid());
        stage.healthy().await;
    }
}

/// Plants on a paid booking of ada's, and asks what is found.
async fn found_on_paid(plant: impl AsyncFn(&Stage)) -> Vec<Kind> {
    let mut found = Vec::new();
    for scope in BOTH {
        let stage = Stage::open().await;
        stage.paid(1, "ada", &[1]).await;
        stage.pass(minutes(2));
        plant(&stage).await;
        stage.pass(minutes(2));
        let kinds = stage.kinds(scope).await;
        assert_eq!(stage.kinds(scope).await, kinds, "found again, and nothing else");
        found.push(kinds);
    }
    let all = found.pop().unwrap();
    assert_eq!(found.pop().unwrap(), all, "both passes find it");
    all
}

async fn pi(stage: &Stage) -> domain::ids::IntentId {
    stage.read(1).await.payment.intent.unwrap()
}

#[tokio::test]
async fn an_intent_of_no_booking_is_found_until_it_is_cancelled_or_refunded() {
    let stage = Stage::open().await;
    let intent = stage.provider.add(Some(number(9)), rupees(500), IntentStatus::Captured);
    stage.pass(minutes(2));
    let report = stage.run(Scope::Young).await;
    assert_eq!(report.findings.len(), 1, "{report:?}");
    let finding = &report.findings[0];
    assert_eq!(
        (finding.kind, finding.booking_id, finding.intent_id.clone()),
        (Kind::BookingAbsent, Some(number(9)), Some(intent.clone()))
    );
    assert_eq!(finding.todo, Kind::BookingAbsent.todo());
    stage.provider.give_back(&intent, None, rupees(500), true);
    stage.healthy().await;
}

#[tokio::test]
async fn a_second_intent_of_a_booking_is_found_and_its_first_is_not() {
    for status in [IntentStatus::RequiresPayment, IntentStatus::Authorised, IntentStatus::Captured] {
        let plant = async |stage: &Stage| drop(stage.provider.add(Some(number(1)), rupees(SEAT_MINOR), status));
        assert_eq!(found_on_paid(plant).await, [Kind::SecondIntent], "{status:?}");
    }
}

#[tokio::test]
async fn another_amount_or_currency_is_found() {
    for other in [rupees(SEAT_MINOR - 1), Money::new(SEAT_MINOR, "EUR".parse().unwrap())] {
        let plant = async |stage: &Stage| stage.provider.reprice(&pi(stage).await, other);
        assert_eq!(found_on_paid(plant).await, [Kind::AmountDiffers], "{other}");
    }
}

#[tokio::test]
async fn a_booking_that_says_paid_without_the_money_is_found() {
    for status in [IntentStatus::Cancelled, IntentStatus::Authorised, IntentStatus::RequiresPayment] {
        let plant = async |stage: &Stage| stage.provider.force(&pi(stage).await, status);
        assert_eq!(found_on_paid(plant).await, [Kind::NotCaptured], "{status:?}");
    }
}

#[tokio::test]
async fn refunds_that_our_books_do_not_know_are_found() {
    let plant = async |stage: &Stage| stage.provider.give_back(&pi(stage).await, None, rupees(100), true);
    assert_eq!(found_on_paid(plant).await, [Kind::RefundedMore]);
    let none = async |stage: &Stage| stage.provider.give_back(&pi(stage).await, None, rupees(100), false);
    assert_eq!(found_on_paid(none).await, [], "it did not reach anybody");
}

#[tokio::test]
async fn refunds_that_the_provider_does_not_know_are_found() {
    let over = async |stage: &Stage, minor: i64| {
        stage.app.settlement.end(number(1)).await.unwrap();
        stage.break_booking(1, &[("z", refund(minor, "done"))]).await;
    };
    assert_eq!(found_on_paid(async |stage: &Stage| over(stage, SEAT_MINOR - 1).await).await, [Kind::RefundedMore]);
    // More than was taken: the rest is owed again, and nobody can give it.
    assert_eq!(found_on_paid(async |stage: &Stage| over(stage, SEAT_MINOR + 1).await).await, [Kind::RefundOpen]);
}

#[tokio::test]
async fn a_refund_that_the_bank_could_not_deliver_is_owed_and_made_again() {
    for scope in BOTH {
        let stage = Stage::open().await;
        stage.paid(1, "ada", &[1]).await;
        stage.app.settlement.end(number(1)).await.unwrap();
        stage.provider.fail_refund(number(1));
        assert_eq!(stage.provider.given_back(number(1)), 0);
        stage.pass(minutes(2));
        let report = stage.run(scope).await;
        assert_eq!((report.repaired.len(), report.findings.len()), (1, 0), "{report:?}");
        assert_eq!(stage.provider.given_back(number(1)), SEAT_MINOR);
        stage.healthy().await;
    }
}

#[tokio::test]
async fn a_refund_that_was_not_accepted_is_found() {
    let plant = async |stage: &Stage| {
        let intent = pi(stage).await;
        stage.line.set_fault(Some(std::sync::Arc::new(|call, _| {
            if call == Call::Refund { PaymentFault::Refused } else { PaymentFault::None }
        })));
        stage.app.settlement.end(number(1)).await.unwrap();
        stage.provider.give_back(&intent, Some(number(1)), rupees(SEAT_MINOR), false);
    };
    assert_eq!(found_on_paid(plant).await, [Kind::RefundRefused]);
}

#[tokio::test]
async fn money_that_settling_cannot_place_is_found() {
    let cases = [
        (IntentStatus::Captured, Call::Refund, Kind::RefundOpen),
        (IntentStatus::Authorised, Call::Cancel, Kind::AuthorisedNotSold),
    ];
    for (status, refused, kind) in cases {
        let stage = Stage::open().await;
        let intent = stage.begun(1, "ada", &[1]).await;
        stage.pass(minutes(11));
        stage.drive(1, Cause::Due).await;
        stage.paid(2, "bob", &[1]).await;
        stage.provider.force(&intent, status);
        stage.pass(minutes(2));
        stage.line.set_fault(Some(std::sync::Arc::new(move |call, _| {
            if call == refused { PaymentFault::Refused } else { PaymentFault::None }
        })));
        assert_eq!(stage.kinds(Scope::Young).await, [kind]);
        stage.line.set_fault(None);
        assert_eq!(stage.kinds(Scope::Young).await, [], "and mended once it can be");
        stage.healthy().await;
    }
}

#[tokio::test]
async fn an_intent_that_can_still_be_paid_after_the_end_is_found() {
    let stage = Stage::open().await;
    let intent = stage.begun(1, "ada", &[1]).await;
    stage.pass(minutes(11));
    assert!(is_over(&stage.drive(1, Cause::Due).await));
    stage.provider.force(&intent, IntentStatus::RequiresPayment);
    assert_eq!(stage.kinds(Scope::Young).await, [Kind::OpenAfterEnd]);
    stage.provider.cancel(&intent).await.unwrap();
    stage.healthy().await;
}

#[tokio::test]
async fn a_paid_booking_whose_intent_does_not_exist_is_found_by_the_walk_over_shows() {
    let stage = Stage::open().await;
    stage.paid(1, "ada", &[1]).await;
    stage.break_booking(1, &[("i", text("pi_404"))]).await;
    stage.pass(minutes(2));
    assert_eq!(stage.kinds(Scope::All).await, [Kind::SecondIntent, Kind::IntentAbsent]);
    assert_eq!(stage.kinds(Scope::Young).await, [Kind::SecondIntent], "which walks no shows");
}

#[tokio::test]
async fn a_booking_that_cannot_be_read_is_told_and_hides_no_other() {
    let stage = Stage::open().await;
    stage.paid(1, "ada", &[1]).await;
    stage.paid(2, "bob", &[2]).await;
    stage.break_booking(1, &[("s", text("?"))]).await;
    stage.delete(&seat(2)).await;
    stage.pass(minutes(2));
    for scope in BOTH {
        let kinds = stage.kinds(scope).await;
        assert!(kinds.contains(&Kind::Unreadable) && kinds.contains(&Kind::SeatMissing), "{kinds:?}");
        assert!(!kinds.contains(&Kind::BookingAbsent) && !kinds.contains(&Kind::SeatStray), "{kinds:?}");
    }
    stage.break_item(&Key::Booking(number(1)), &[("s", text("C"))]).await;
    assert_eq!(stage.kinds(Scope::All).await, [Kind::SeatMissing]);
    stage.break_booking(1, &[("e", count(0))]).await;
    assert_eq!(stage.kinds(Scope::All).await, [Kind::SeatMissing], "a paid booking's hold may have ended at any time");
}

#[tokio::test]
async fn money_that_was_taken_at_once_is_sold_too() {
    let stage = Stage::open().await;
    let intent = stage.begun(1, "ada", &[1]).await;
    stage.provider.force(&intent, IntentStatus::Captured);
    stage.pass(minutes(2));
    let report = stage.run(Scope::Young).await;
    assert_eq!((report.repaired.len(), report.findings.len()), (1, 0), "{report:?}");
    stage.healthy().await;
}
