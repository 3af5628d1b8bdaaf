//! Each write meets each fault. Afterwards it has happened whole or not at all, its repeat converges, and nothing is
//! doubled.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    StoreError,
    booking::{Booking, Reason, Refund, RefundStatus, Status},
    hold::{Taken, Terms},
};
use store::{Store, hold::Claimed};
use testkit::{
    engine::{CallInfo, Fault, FaultHook},
    sale, table,
};

use crate::stage::{CAP, Stage, and_pit, later, wish};

const FAULTS: [Fault; 4] = [Fault::Throttle, Fault::TransactionConflict, Fault::DropBeforeSend, Fault::DropAfterCommit];

/// The first `times` writes meet `fault`.
fn writes(fault: Fault, times: u64) -> FaultHook {
    let seen = AtomicU64::new(0);
    Arc::new(move |call: &CallInfo<'_>| {
        let write = call.operation.contains("Write") || call.operation == "UpdateItem";
        if write && seen.fetch_add(1, Ordering::Relaxed) < times { fault } else { Fault::None }
    })
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Release,
    Confirm,
    RecordCapture,
    Cancel,
}

impl Write {
    async fn prepare(self, stage: &Stage) -> Booking {
        let wish = and_pit(wish(1, "ada", &[1, 2]), 1);
        match self {
            Self::Release => stage.held(wish).await,
            Self::Confirm => stage.begun(wish).await,
            Self::RecordCapture => stage.sold(wish).await,
            Self::Cancel => stage.paid(wish).await,
        }
    }

    async fn send(self, store: &Store, booking: &Booking) -> Result<Option<Booking>, StoreError> {
        let owed = Refund { amount_minor: 35_600, percent: 100, status: RefundStatus::Pending };
        match self {
            Self::Release => store.release(booking, Reason::Released).await,
            Self::Confirm => store.confirm(booking, None, sale::held_at()).await,
            Self::RecordCapture => store.record_capture(booking, sale::captured_at()).await,
            Self::Cancel => store.cancel(booking, Reason::Buyer, owed, later(60)).await,
        }
    }

    fn status(self) -> Status {
        match self {
            Self::Release => Status::Cancelled(Reason::Released),
            Self::Confirm | Self::RecordCapture => Status::Confirmed,
            Self::Cancel => Status::Cancelled(Reason::Buyer),
        }
    }
}

/// What there is of the booking's seats, places and count fits its status.
async fn assert_whole(stage: &Stage, booking: &Booking) {
    let taken: Vec<Taken> = stage.seats(booking).await.into_iter().map(|(_, taken)| taken).collect();
    let (seats, left, counted) = match booking.status {
        Status::Pending => (vec![Taken::Held(booking.id); 2], 49, 3),
        Status::Confirmed => (vec![Taken::Sold(booking.id); 2], 49, 3),
        Status::Cancelled(_) => (vec![], 50, 0),
    };
    assert_eq!((taken, stage.pit().await, stage.counted("ada").await), (seats, left, counted), "{:?}", booking.status);
}

async fn fail(write: Write, fault: Fault, times: u64, patient: bool) {
    let stage = Stage::open().await;
    let before = write.prepare(&stage).await;
    let store = if patient { stage.store.clone() } else { table::impatient_store(&stage.engine) };
    stage.engine.set_fault(Some(writes(fault, times)));
    let answer = write.send(&store, &before).await;
    stage.engine.set_fault(None);
    let after = stage.read(&before).await.unwrap();
    let case = format!("{write:?} {fault:?} ×{times} patient {patient}: {answer:?}");
    assert_whole(&stage, &after).await;
    if let Ok(Some(told)) = &answer {
        assert_eq!(*told, after, "{case}");
    }
    assert!(after.version - before.version <= 1, "{case}");
    if after.version == before.version {
        assert!(!matches!(answer, Ok(Some(_))), "{case}");
        assert_eq!(after, before, "{case}");
        let again = write.send(&stage.store, &after).await.unwrap();
        assert!(again.is_some(), "{case}: its repeat is done");
    } else {
        assert_eq!(write.send(&stage.store, &before).await, Ok(None), "{case}: its repeat does nothing");
    }
    let end = stage.read(&before).await.unwrap();
    assert_eq!((end.version, end.status), (before.version + 1, write.status()), "{case}");
    assert_whole(&stage, &end).await;
}

#[tokio::test]
async fn every_write_happens_whole_or_not_at_all_whatever_becomes_of_its_call() {
    for write in [Write::Release, Write::Confirm, Write::RecordCapture, Write::Cancel] {
        for fault in FAULTS {
            fail(write, fault, 1, false).await;
            fail(write, fault, 1, true).await;
            fail(write, fault, 20, true).await;
        }
    }
}

#[tokio::test]
async fn a_claim_whose_call_fails_holds_all_or_nothing_and_its_repeat_is_one_hold() {
    for fault in FAULTS {
        for (times, patient) in [(1, false), (1, true), (20, true)] {
            let stage = Stage::open().await;
            let store = if patient { stage.store.clone() } else { table::impatient_store(&stage.engine) };
            let booking = and_pit(wish(1, "ada", &[1, 2]), 1);
            stage.engine.set_fault(Some(writes(fault, times)));
            let answer = store.claim(&booking, &Terms::within(CAP)).await;
            stage.engine.set_fault(None);
            let case = format!("{fault:?} ×{times} patient {patient}: {answer:?}");
            let held = stage.read(&booking).await;
            assert_eq!(answer == Ok(Claimed::Won), held.is_some(), "{case}");
            if held.is_none() {
                assert_eq!((stage.pit().await, stage.counted("ada").await), (50, 0), "{case}");
                assert_eq!(stage.seats(&booking).await, [], "{case}");
                assert_eq!(stage.claim(&booking).await, Claimed::Won, "{case}");
            }
            let Claimed::Met(met) = stage.claim(&booking).await else { panic!("{case}") };
            assert_eq!(met.own, Some(booking.clone()), "{case}");
            assert_whole(&stage, &booking).await;
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_not_believed_to_be_another_requests_hold() {
    let stage = Stage::open().await;
    stage.held(wish(1, "ada", &[1])).await;
    // The same key at the same millisecond, for another seat: its own write is lost, and it reads the other's.
    let mut other = wish(1, "ada", &[2]);
    other.fingerprint = [9; 16];
    stage.engine.set_fault(Some(writes(Fault::DropBeforeSend, 20)));
    let answer = stage.store.claim(&other, &Terms::within(CAP)).await.unwrap();
    stage.engine.set_fault(None);
    let Claimed::Met(met) = answer else { panic!("{answer:?}") };
    assert_eq!(met.own, Some(wish(1, "ada", &[1])));
}
