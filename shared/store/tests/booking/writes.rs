use domain::{
    booking::{Reason, Refund, RefundStatus, Status},
    hold::Taken,
    ids::ReceiptId,
};
use store::hold::Claimed;
use testkit::sale;

use crate::stage::{CAP, Stage, and_pit, later, wish};

fn refund(amount_minor: i64, status: RefundStatus) -> Refund {
    Refund { amount_minor, percent: if amount_minor > 0 { 100 } else { 0 }, status }
}

#[tokio::test]
async fn a_release_gives_everything_back() {
    let stage = Stage::open().await;
    let held = stage.held(and_pit(wish(1, "ada", &[1, 2]), 2)).await;
    let released = stage.store.release(&held, Reason::Expired).await.unwrap().unwrap();
    assert_eq!((released.status, released.due_at), (Status::Cancelled(Reason::Expired), None));
    stage.assert_gone(&held).await;
    assert_eq!(stage.store.release(&released, Reason::Expired).await.unwrap(), None, "once");
    assert_eq!(stage.claim(&and_pit(wish(2, "bob", &[1, 2]), 2)).await, Claimed::Won);
}

#[tokio::test]
async fn a_hold_whose_payment_started_is_released_only_behind_the_fence() {
    let stage = Stage::open().await;
    let begun = stage.begun(and_pit(wish(1, "ada", &[1]), 1)).await;
    assert_eq!(stage.store.release(&begun, Reason::Expired).await.unwrap(), None);
    let closing = stage.store.close(&begun).await.unwrap().unwrap();
    assert!(stage.store.release(&closing, Reason::Expired).await.unwrap().is_some());
    stage.assert_gone(&begun).await;
}

#[tokio::test]
async fn behind_the_fence_nothing_starts_extends_counts_records_or_sells() {
    let stage = Stage::open().await;
    let begun = stage.begun(wish(1, "ada", &[1])).await;
    let closing = stage.store.close(&begun).await.unwrap().unwrap();
    let store = &stage.store;
    assert_eq!(store.start_payment(&closing, sale::held_at()).await.unwrap(), None);
    assert_eq!(store.record_intent(&closing, &"pi_1".parse().unwrap()).await.unwrap(), None);
    assert_eq!(store.extend(&closing, later(900)).await.unwrap(), None);
    assert_eq!(store.count_failure(&closing, &"e1".parse().unwrap(), None).await.unwrap(), None);
    assert_eq!(store.confirm(&closing, None, sale::held_at()).await.unwrap(), None);
    assert_eq!(stage.read(&closing).await.unwrap(), closing);
    let open = store.reopen(&closing).await.unwrap().unwrap();
    assert!(!open.payment.closing);
    assert_eq!(store.reopen(&open).await.unwrap(), None);
    assert!(store.confirm(&open, None, sale::held_at()).await.unwrap().is_some());
}

/// Each write restates what was read: after any other, it does nothing.
#[tokio::test]
async fn what_was_read_before_another_write_writes_nothing() {
    let stage = Stage::open().await;
    let stale = stage.begun(wish(1, "ada", &[1])).await;
    let now = stage.store.extend(&stale, later(900)).await.unwrap().unwrap();
    assert_eq!((now.expires_at, now.due_at), (later(900), Some(later(900))));
    let store = &stage.store;
    let none = [
        store.start_payment(&stale, sale::held_at()).await,
        store.record_intent(&stale, &"pi_1".parse().unwrap()).await,
        store.count_failure(&stale, &"e1".parse().unwrap(), None).await,
        store.extend(&stale, later(1_000)).await,
        store.close(&stale).await,
        store.release(&stale, Reason::Expired).await,
        store.confirm(&stale, None, sale::held_at()).await,
    ];
    assert!(none.iter().all(|written| *written == Ok(None)), "{none:?}");
    assert_eq!(stage.read(&stale).await.unwrap(), now);
}

#[tokio::test]
async fn a_payment_is_started_only_in_time() {
    let stage = Stage::open().await;
    let held = stage.held(wish(1, "ada", &[1])).await;
    assert_eq!(stage.store.start_payment(&held, held.expires_at).await.unwrap(), None);
    assert!(stage.store.start_payment(&held, later(599)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_booking_has_one_intent() {
    let stage = Stage::open().await;
    let begun = stage.begun(wish(1, "ada", &[1])).await;
    assert_eq!(stage.store.record_intent(&begun, &"pi_2".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn a_failure_counts_once_and_extends() {
    let stage = Stage::open().await;
    let begun = stage.begun(wish(1, "ada", &[1])).await;
    let failure: ReceiptId = "e1".parse().unwrap();
    let counted = stage.store.count_failure(&begun, &failure, Some(later(720))).await.unwrap().unwrap();
    assert_eq!((counted.payment.failures.len(), counted.expires_at), (1, later(720)));
    assert_eq!(stage.store.count_failure(&counted, &failure, Some(later(840))).await.unwrap(), None);
    assert_eq!(stage.due(later(719)).await, []);
    assert_eq!(stage.due(later(720)).await, [begun.id]);
}

#[tokio::test]
async fn a_confirmation_sells_the_seats_notes_the_receipt_and_still_owes_the_capture() {
    let stage = Stage::open().await;
    let begun = stage.begun(wish(1, "ada", &[1, 2])).await;
    let receipt: ReceiptId = "evt_1".parse().unwrap();
    let sold = stage.store.confirm(&begun, Some(&receipt), sale::held_at()).await.unwrap().unwrap();
    assert_eq!((sold.status, sold.due_at), (Status::Confirmed, begun.due_at));
    let taken: Vec<Taken> = stage.seats(&sold).await.into_iter().map(|(_, taken)| taken).collect();
    assert_eq!(taken, [Taken::Sold(sold.id); 2]);
    assert!(stage.store.noted("payments", "evt_1").await.unwrap());
    assert_eq!(stage.store.confirm(&sold, Some(&receipt), sale::held_at()).await.unwrap(), None);
    let paid = stage.store.record_capture(&sold, sale::captured_at()).await.unwrap().unwrap();
    assert_eq!((paid.is_paid(), paid.due_at), (true, None));
    assert_eq!(stage.store.record_capture(&paid, sale::captured_at()).await.unwrap(), None);
    assert_eq!(stage.due(later(1_000_000)).await, []);
}

#[tokio::test]
async fn a_sale_is_taken_back_only_before_its_capture_and_cancelled_only_after() {
    let stage = Stage::open().await;
    let sold = stage.sold(and_pit(wish(1, "ada", &[1]), 1)).await;
    let owed = refund(22_800, RefundStatus::Pending);
    assert_eq!(stage.store.cancel(&sold, Reason::Buyer, owed, later(60)).await.unwrap(), None);
    let back = stage.store.take_back(&sold).await.unwrap().unwrap();
    assert_eq!(back.status, Status::Cancelled(Reason::PaymentFailed));
    stage.assert_gone(&sold).await;
    let paid = stage.paid(and_pit(wish(2, "ada", &[1]), 1)).await;
    assert_eq!(stage.store.take_back(&paid).await.unwrap(), None);
    let cancelled = stage.store.cancel(&paid, Reason::Buyer, owed, later(60)).await.unwrap().unwrap();
    assert_eq!((cancelled.refund, cancelled.due_at), (Some(owed), Some(later(60))));
    assert_eq!(stage.due(later(60)).await, [paid.id]);
    let done = stage.store.record_refund(&cancelled).await.unwrap().unwrap();
    assert_eq!((done.refund.unwrap().status, done.due_at), (RefundStatus::Done, None));
    stage.assert_gone(&paid).await;
}

#[tokio::test]
async fn a_cancellation_without_a_refund_owes_nothing() {
    let stage = Stage::open().await;
    let paid = stage.paid(wish(1, "ada", &[1])).await;
    let nothing = refund(0, RefundStatus::Done);
    let cancelled = stage.store.cancel(&paid, Reason::Buyer, nothing, later(60)).await.unwrap().unwrap();
    assert_eq!((cancelled.due_at, cancelled.refund), (None, Some(nothing)));
    stage.assert_gone(&paid).await;
}

#[tokio::test]
async fn seats_are_taken_again_only_if_all_are_free_with_room_and_the_fence_comes_down() {
    let stage = Stage::open().await;
    let begun = stage.begun(and_pit(wish(1, "ada", &[1, 2]), 1)).await;
    let closing = stage.store.close(&begun).await.unwrap().unwrap();
    let gone = stage.store.release(&closing, Reason::Expired).await.unwrap().unwrap();
    let reclaim = async |cap| {
        let booking = stage.read(&gone).await.unwrap();
        stage.store.reclaim(&booking, &booking.seats, cap, later(700)).await.unwrap()
    };
    assert_eq!(reclaim(2).await, None, "three places under a cap of two");
    let other = stage.held(wish(2, "bob", &[2])).await;
    assert_eq!(reclaim(CAP).await, None, "one seat is gone");
    assert_eq!((stage.pit().await, stage.counted("ada").await), (50, 0), "and nothing else was taken");
    stage.store.release(&other, Reason::Released).await.unwrap().unwrap();
    let back = reclaim(CAP).await.unwrap();
    assert_eq!((back.status, back.due_at), (Status::Confirmed, Some(later(700))), "it owes its capture again");
    assert!(gone.payment.closing && !back.payment.closing, "the fence is down");
    assert_eq!((stage.pit().await, stage.counted("ada").await), (49, 3));
    let taken: Vec<Taken> = stage.seats(&back).await.into_iter().map(|(_, taken)| taken).collect();
    assert_eq!(taken, [Taken::Sold(back.id); 2]);
}

#[tokio::test]
async fn money_without_seats_is_owed_once_and_settled_once() {
    let stage = Stage::open().await;
    let held = stage.held(wish(1, "ada", &[1])).await;
    let gone = stage.store.release(&held, Reason::Expired).await.unwrap().unwrap();
    let owed = stage.store.owe_refund(&gone, later(60)).await.unwrap().unwrap();
    assert_eq!(owed.refund, Some(refund(12_800, RefundStatus::Pending)));
    assert_eq!(stage.store.owe_refund(&owed, later(60)).await.unwrap(), None);
    assert_eq!(stage.due(later(60)).await, [held.id]);
    let settled = stage.store.settle(&owed).await.unwrap().unwrap();
    assert_eq!(settled.due_at, None);
}

#[tokio::test]
async fn a_receipt_is_noted_once() {
    let stage = Stage::open().await;
    assert!(!stage.store.noted("mail", "e1").await.unwrap());
    assert!(stage.store.note("mail", "e1", later(0)).await.unwrap());
    assert!(!stage.store.note("mail", "e1", later(1)).await.unwrap());
    assert!(stage.store.noted("mail", "e1").await.unwrap());
}
