//! The door on the real table: one scan of a ticket lets its holder in, whatever happens to the call that says so.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use domain::{
    StoreError,
    booking::{Booking, Reason, Refund, RefundStatus},
    ids::{BookingId, TicketId},
    scan::{Revocation, Scan},
    time::{SignedDuration, shift},
};
use futures::future::join_all;
use store::{Store, scan::Admission};
use testkit::{
    engine::{CallInfo, Engine, Fault, FaultHook},
    sale, table,
};
use uuid::Uuid;

const FAULTS: [Fault; 4] = [Fault::Throttle, Fault::TransactionConflict, Fault::DropBeforeSend, Fault::DropAfterCommit];

async fn sold() -> (Engine, Store, Booking) {
    let engine = Engine::temporary().await;
    let store = table::impatient_store(&engine);
    sale::publish(&store).await;
    let booking = sale::pay(&store, sale::hold(&store, |_| {}).await).await;
    (engine, store, booking)
}

fn scan(ticket: u128, attempt: &str, gate: &str) -> Scan {
    Scan {
        show: sale::show().id,
        ticket: TicketId::from_uuid(Uuid::from_u128(ticket)),
        at: sale::captured_at(),
        gate: gate.parse().unwrap(),
        offline_at: Some(sale::held_at()).filter(|_| ticket == 2),
        attempt: attempt.parse().unwrap(),
    }
}

/// The first `times` transactions meet `fault`.
fn transactions(fault: Fault, times: usize) -> FaultHook {
    let seen = AtomicUsize::new(0);
    Arc::new(move |call: &CallInfo<'_>| {
        let met = call.operation == "TransactWriteItems" && seen.fetch_add(1, Ordering::Relaxed) < times;
        if met { fault } else { Fault::None }
    })
}

#[tokio::test]
async fn a_ticket_lets_its_holder_in_once_and_a_repeat_of_that_scan_is_the_same_scan() {
    let (_engine, store, booking) = sold().await;
    let first = scan(1, "a", "north");
    assert_eq!(store.admit(&first, &booking).await, Ok(Admission::Admitted(first.clone())));
    let later = Scan { at: shift(first.at, SignedDuration::from_secs(5)), ..first.clone() };
    assert_eq!(store.admit(&later, &booking).await, Ok(Admission::Admitted(first.clone())), "the first time counts");
    let copy = scan(1, "b", "south");
    assert_eq!(store.admit(&copy, &booking).await, Ok(Admission::AlreadyScanned(first)));
    let other = scan(2, "a", "north");
    assert_eq!(store.admit(&other, &booking).await, Ok(Admission::Admitted(other.clone())), "another ticket");
    assert_eq!(store.admitted(booking.show).await, Ok(BTreeMap::from([("north".parse().unwrap(), 2)])));
}

#[tokio::test]
async fn of_fifty_copies_scanned_at_once_exactly_one_gets_in() {
    let (_engine, store, booking) = sold().await;
    let scans: Vec<Scan> = (0..50).map(|number| scan(1, &format!("scanner {number}"), "north")).collect();
    let admit = |scan: Scan| {
        let (store, booking) = (store.clone(), booking.clone());
        async move {
            loop {
                match store.admit(&scan, &booking).await {
                    Err(StoreError::Throttled) => {}
                    outcome => return outcome.unwrap(),
                }
            }
        }
    };
    let outcomes = join_all(scans.into_iter().map(admit)).await;
    let let_in = outcomes.iter().filter(|outcome| matches!(outcome, Admission::Admitted(_))).count();
    let turned_away = outcomes.iter().filter(|outcome| matches!(outcome, Admission::AlreadyScanned(_))).count();
    assert_eq!((let_in, turned_away), (1, 49));
    assert_eq!(store.admitted(booking.show).await.unwrap().values().sum::<u64>(), 1);
}

#[tokio::test]
async fn nobody_is_let_in_by_a_booking_that_ended_meanwhile() {
    let (_engine, store, booking) = sold().await;
    let refund = Refund { amount_minor: 0, percent: 0, status: RefundStatus::Done };
    store.cancel(&booking, Reason::Buyer, refund, sale::captured_at()).await.unwrap().unwrap();
    assert_eq!(store.admit(&scan(1, "a", "north"), &booking).await, Ok(Admission::BookingChanged));
    assert_eq!(store.admitted(booking.show).await, Ok(BTreeMap::new()));
}

#[tokio::test]
async fn a_scan_that_meets_a_fault_has_happened_once_or_not_at_all() {
    for fault in FAULTS {
        for times in [1, 100] {
            let (engine, store, booking) = sold().await;
            let scan = scan(1, "a", "north");
            engine.set_fault(Some(transactions(fault, times)));
            let outcome = store.admit(&scan, &booking).await;
            engine.set_fault(None);
            let counted = store.admitted(booking.show).await.unwrap().values().sum::<u64>();
            match outcome {
                Ok(Admission::Admitted(_)) => assert_eq!(counted, 1, "{fault:?}"),
                Err(StoreError::Throttled | StoreError::Ambiguous(_) | StoreError::Unavailable(_)) => {
                    assert_eq!(counted, 0, "{fault:?}, {times} times");
                }
                other => panic!("{fault:?}: {other:?}"),
            }
            let again = store.admit(&scan, &booking).await;
            assert_eq!(again, Ok(Admission::Admitted(scan.clone())), "{fault:?}");
            assert_eq!(store.admitted(booking.show).await.unwrap().values().sum::<u64>(), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn revocations_come_in_pages_oldest_first_and_each_once() {
    let (_engine, store, booking) = sold().await;
    let revocation = |number: u32| Revocation {
        at: shift(sale::held_at(), SignedDuration::from_secs(i64::from(number / 2))),
        booking: BookingId::from_uuid(Uuid::from_u128(u128::from(number))),
    };
    let revoked: Vec<_> = (0..60).map(|number| (booking.show, revocation(number))).collect();
    store.revoke(&revoked).await.unwrap();
    let repeated: Vec<_> = revoked.iter().rev().chain(&revoked).copied().collect();
    store.revoke(&repeated).await.unwrap();
    store.revoke(&[]).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (page, more) = store.revocations(booking.show, after, 7).await.unwrap();
        assert!(page.len() <= 7);
        seen.extend(page);
        after = more;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, revoked.iter().map(|&(_, revocation)| revocation).collect::<Vec<_>>());
    let between = Revocation { at: revocation(30).at, booking: BookingId::from_uuid(Uuid::nil()) };
    let (page, _) = store.revocations(booking.show, Some(between), 100).await.unwrap();
    assert_eq!(page.first(), Some(&revocation(30)), "a place between two will do to go on from");
}
