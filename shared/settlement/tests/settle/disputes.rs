//! Disputes: told in any order, twice, late, or about what is not ours.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    booking::{Booking, Reason, Status},
    dispute::{Dispute, DisputeStatus, ProviderDispute},
    ids::{BookingId, IntentId},
    ledger::{account::Account, steps},
    money::Money,
    payment::Notification,
};
use testkit::{
    engine::Fault,
    payments::{Call, PaymentFault},
    sale,
};

use crate::stage::Stage;

/// Calls of the table or the provider while one dispute is recorded, at most.
const CALLS_MAX: u64 = 6;

fn listed(amount_minor: i64, status: DisputeStatus) -> ProviderDispute {
    ProviderDispute { amount: Money::new(amount_minor, sale::show().currency), status }
}

fn told(number: u8, intent: &IntentId, kind: &str) -> Notification {
    Notification {
        id: format!("evt_dispute_{number}").parse().unwrap(),
        kind: format!("charge.dispute.{kind}"),
        intent: Some(intent.clone()),
        booking: None,
    }
}

const fn dispute(amount_minor: i64, status: DisputeStatus) -> Dispute {
    Dispute { amount_minor, status }
}

async fn disputed(stage: &Stage, id: BookingId, intent: &IntentId) -> Booking {
    stage.settlement.disputed(id, Some(&told(1, intent, "created"))).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_dispute_is_recorded_with_its_receipt_and_changes_nothing_else() {
    let stage = Stage::open().await;
    let (id, intent) = stage.paid().await;
    let paid = stage.read(id).await;
    stage.provider.dispute(&intent, vec![listed(35_600, DisputeStatus::NeedsResponse)]);
    let recorded = disputed(&stage, id, &intent).await;
    assert_eq!(recorded.dispute, Some(dispute(35_600, DisputeStatus::NeedsResponse)));
    assert!(stage.store.noted("payments", "evt_dispute_1").await.unwrap());
    assert_eq!(recorded, Booking { dispute: recorded.dispute, version: paid.version + 1, ..paid }, "tickets stand");
    assert_eq!(stage.read(id).await, recorded);
    assert_eq!(disputed(&stage, id, &intent).await, recorded, "told twice, written once");
    stage.balance().await;
}

#[tokio::test]
async fn whatever_is_told_the_providers_present_word_counts() {
    let stage = Stage::open().await;
    let (id, intent) = stage.paid().await;
    stage.provider.dispute(&intent, vec![listed(100, DisputeStatus::Lost)]);
    // The end is told first, then what came before it.
    for (number, kind) in [(1, "closed"), (2, "funds_withdrawn"), (3, "updated"), (4, "created")] {
        let told = told(number, &intent, kind);
        let after = stage.settlement.disputed(id, Some(&told)).await.unwrap().unwrap();
        assert_eq!(after.dispute, Some(dispute(100, DisputeStatus::Lost)), "{kind}");
    }
    stage.provider.dispute(&intent, vec![listed(100, DisputeStatus::Won)]);
    let told = told(5, &intent, "funds_reinstated");
    let after = stage.settlement.disputed(id, Some(&told)).await.unwrap().unwrap();
    assert_eq!(after.dispute, Some(dispute(100, DisputeStatus::Won)));
}

#[tokio::test]
async fn a_dispute_about_a_cancelled_booking_is_recorded_too() {
    let stage = Stage::open().await;
    let (id, intent) = stage.paid().await;
    let ended = stage.settlement.end(id).await.unwrap();
    assert_eq!((ended.status, ended.due_at), (Status::Cancelled(Reason::Buyer), None));
    stage.provider.dispute(&intent, vec![listed(100, DisputeStatus::UnderReview)]);
    let recorded = disputed(&stage, id, &intent).await;
    assert_eq!((recorded.dispute, recorded.due_at), (Some(dispute(100, DisputeStatus::UnderReview)), None));
    stage.balance().await;
}

#[tokio::test]
async fn what_the_provider_does_not_list_is_not_believed() {
    let stage = Stage::open().await;
    let (id, intent) = stage.paid().await;
    let paid = stage.read(id).await;
    let outcome = stage.settlement.disputed(id, Some(&told(1, &intent, "created"))).await;
    assert!(outcome.is_err(), "it is told again: the list may be behind");
    let other = told(2, &"pi_other".parse().unwrap(), "created");
    assert_eq!(stage.settlement.disputed(id, Some(&other)).await.unwrap(), Some(paid.clone()), "of another payment");
    assert_eq!(stage.settlement.disputed(id, None).await.unwrap(), Some(paid.clone()), "nobody told it");
    let foreign =
        ProviderDispute { amount: Money::new(100, "EUR".parse().unwrap()), status: DisputeStatus::NeedsResponse };
    stage.provider.dispute(&intent, vec![foreign]);
    assert_eq!(disputed(&stage, id, &intent).await, paid, "of another currency: a person looks");
    let nobody = "bkg_00000000000080008000000000000bad".parse().unwrap();
    assert_eq!(stage.settlement.disputed(nobody, Some(&told(3, &intent, "created"))).await.unwrap(), None);
}

#[tokio::test]
async fn a_hold_without_a_payment_has_no_dispute() {
    let stage = Stage::open().await;
    let held = stage.hold().await;
    let told = told(1, &"pi_1".parse().unwrap(), "created");
    assert_eq!(stage.settlement.disputed(held.id, Some(&told)).await.unwrap(), Some(held));
    assert_eq!(stage.line.calls(), 0);
}

/// An answer that was fetched before another's was written must not undo it. Several threads: the one that waits for the
/// other write must not be the one that carries it.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_never_undoes_a_newer_one() {
    let stage = Stage::open().await;
    let (id, intent) = stage.paid().await;
    stage.provider.dispute(&intent, vec![listed(100, DisputeStatus::NeedsResponse)]);
    // While the first call's answer is on its way, the bank decides, and somebody records that.
    let overtaken = Arc::new(AtomicU64::new(0));
    let (provider, about, store) = (Arc::clone(&stage.provider), intent.clone(), stage.store.clone());
    let paid = Mutex::new(Some(stage.read(id).await));
    let (seen, clock) = (Arc::clone(&overtaken), stage.clock_now());
    stage.line.set_fault(Some(Arc::new(move |call, _| {
        if call == Call::Disputes && seen.fetch_add(1, Ordering::Relaxed) == 0 {
            let (store, paid) = (store.clone(), paid.lock().unwrap().take().unwrap());
            let lost = dispute(100, DisputeStatus::Lost);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(store.record_dispute(&paid, lost, None, clock)).unwrap().unwrap();
            })
            .join()
            .unwrap();
        } else if call == Call::Disputes {
            provider.dispute(&about, vec![listed(100, DisputeStatus::Lost)]);
        }
        PaymentFault::None
    })));
    let after = disputed(&stage, id, &intent).await;
    assert_eq!(after.dispute, Some(dispute(100, DisputeStatus::Lost)));
    assert_eq!(overtaken.load(Ordering::Relaxed), 2, "asked again after the lost race");
}

/// Every call on the way fails in every way; the provider tells again, and the ledger has one dispute.
#[tokio::test]
async fn a_dispute_survives_the_loss_of_any_call() {
    let table = [Fault::DropBeforeSend, Fault::DropAfterCommit, Fault::Throttle, Fault::TransactionConflict];
    let line = [PaymentFault::Lost, PaymentFault::AnswerLost, PaymentFault::Refused];
    for unlucky in 0..CALLS_MAX {
        for fault in table.map(Ok).into_iter().chain(line.map(Err)) {
            let stage = Stage::open().await;
            let (id, intent) = stage.paid().await;
            let before = stage.read(id).await;
            stage.provider.dispute(&intent, vec![listed(100, DisputeStatus::NeedsResponse)]);
            let count = Arc::new(AtomicU64::new(0));
            match fault {
                Ok(fault) => stage.engine.set_fault(Some(Arc::new(move |_| {
                    if count.fetch_add(1, Ordering::Relaxed) == unlucky { fault } else { Fault::None }
                }))),
                Err(fault) => stage.line.set_fault(Some(Arc::new(move |_, _| {
                    if count.fetch_add(1, Ordering::Relaxed) == unlucky { fault } else { PaymentFault::None }
                }))),
            }
            let told = told(1, &intent, "created");
            let outcome = stage.settlement.disputed(id, Some(&told)).await;
            stage.engine.set_fault(None);
            stage.line.set_fault(None);
            if outcome.is_err() {
                stage.settlement.disputed(id, Some(&told)).await.unwrap();
            }
            let after = stage.read(id).await;
            assert_eq!(after.dispute, Some(dispute(100, DisputeStatus::NeedsResponse)), "{fault:?} at {unlucky}");
            assert_eq!(after.version, before.version + 1, "{fault:?} at {unlucky}: written once");
            stage.balance().await;
        }
    }
}

/// Whatever a booking goes through on the real table, the ledger of its images adds up to what the provider has.
#[tokio::test]
async fn the_ledger_of_a_real_life_says_what_the_provider_says() {
    let stage = Stage::open().await;
    let mut images = Vec::new();
    let held = stage.hold().await;
    images.push(held.clone());
    let id = held.id;
    let intent = stage.settlement.pay(id).await.unwrap().intent.id;
    images.push(stage.read(id).await);
    stage.provider.attempt(&intent, testkit::payments::Outcome::Approved).unwrap();
    images.push(stage.hint(id).await);
    stage.provider.dispute(&intent, vec![listed(100, DisputeStatus::NeedsResponse)]);
    images.push(disputed(&stage, id, &intent).await);
    images.push(stage.settlement.end(id).await.unwrap());
    let mut entries = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let old = number.checked_sub(1).map(|before| &images[before]);
        entries.extend(steps(old, image, stage.clock_now()));
    }
    let account = Account::of(&entries).unwrap();
    assert!(account.is_balanced(), "{account:?}");
    assert_eq!((account.captured, account.refunded), (stage.provider.taken(id), stage.provider.given_back(id)));
}
