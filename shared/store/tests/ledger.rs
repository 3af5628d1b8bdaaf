//! The ledger's entries on the real table: appended, repeated, read in pages, added up.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use domain::{
    booking::{Booking, Reason, Refund, RefundStatus, Status},
    dispute::{Dispute, DisputeStatus},
    ids::BookingId,
    ledger::{Entry, Kind, steps},
};
use store::{
    Store,
    ledger::{APPEND_MAX, Position},
};
use testkit::{
    engine::{Engine, Fault},
    sale, table,
};
use uuid::Uuid;

fn numbered(number: u128) -> Booking {
    Booking { id: BookingId::from_uuid(Uuid::from_u128(number)), ..sale::paid_booking() }
}

/// A sale, a dispute about it, its cancellation and what came back: eight entries with every field in use.
fn life(number: u128) -> Vec<Entry> {
    let paid = numbered(number);
    let dispute = Some(Dispute { amount_minor: 100, status: DisputeStatus::NeedsResponse });
    let disputed = Booking { dispute, version: 6, ..paid.clone() };
    let refund = Some(Refund { amount_minor: 17_800, percent: 50, status: RefundStatus::Pending });
    let status = Status::Cancelled(Reason::Buyer);
    let cancelled = Booking { status, refund, version: 7, ..disputed.clone() };
    let done = refund.map(|refund| Refund { status: RefundStatus::Done, ..refund });
    let back = Booking { refund: done, version: 8, ..cancelled.clone() };
    let images = [paid, disputed, cancelled, back];
    let mut entries = steps(None, &images[0], sale::captured_at());
    for pair in images.windows(2) {
        entries.extend(steps(Some(&pair[0]), &pair[1], sale::captured_at()));
    }
    entries
}

async fn table() -> (Engine, Store) {
    let engine = Engine::temporary().await;
    let store = table::impatient_store(&engine);
    (engine, store)
}

async fn all(store: &Store, limit: u32) -> Vec<Entry> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = store.ledger(sale::show().id, after, limit).await.unwrap();
        assert!(page.len() <= usize::try_from(limit).unwrap());
        entries.extend(page);
        let Some(next) = next else { return entries };
        assert_ne!(Some(next), after, "it goes on");
        after = Some(next);
    }
}

#[tokio::test]
async fn an_entry_is_read_as_it_was_written_and_again_is_nothing_new() {
    let (_engine, store) = table().await;
    let entries = life(1);
    assert_eq!(entries.len(), 8, "{entries:?}");
    store.append(&entries).await.unwrap();
    let ordered = store.ledger_of(sale::show().id, entries[0].booking).await.unwrap();
    let sorted = |mut entries: Vec<Entry>| {
        entries.sort_by_key(|entry| (entry.version, entry.kind.as_str()));
        entries
    };
    assert_eq!(ordered, sorted(entries.clone()), "oldest first");
    let twice = [entries.clone(), entries.clone()].concat();
    store.append(&twice).await.unwrap();
    store.append(&entries.iter().rev().cloned().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(store.ledger_of(sale::show().id, entries[0].booking).await.unwrap(), ordered);
    assert_eq!(store.ledger_of(sale::show().id, numbered(2).id).await.unwrap(), []);
    store.append(&[]).await.unwrap();
}

#[tokio::test]
async fn a_show_is_read_page_by_page_and_no_entry_is_missed_or_told_twice() {
    let (_engine, store) = table().await;
    assert_eq!(all(&store, 10).await, []);
    let written: Vec<Entry> = (1..=40).flat_map(life).collect();
    store.append(&written).await.unwrap();
    let whole = all(&store, 1_000).await;
    assert_eq!(whole.len(), written.len());
    for limit in [1, 7, 8, 100] {
        assert_eq!(all(&store, limit).await, whole, "{limit}");
    }
    let mut seen = BTreeSet::new();
    for pair in whole.windows(2) {
        if pair[0].booking == pair[1].booking {
            assert!(pair[0].version <= pair[1].version, "a booking's own order");
        } else {
            assert!(seen.insert(pair[0].booking), "a booking's entries stand together");
        }
    }
    let nowhere = Position { booking: numbered(99).id, version: 1, kind: Kind::Sold };
    let (behind, _) = store.ledger(sale::show().id, Some(nowhere), 1_000).await.unwrap();
    assert!(behind.len() < whole.len(), "a place that no entry is at is a place all the same");
}

#[tokio::test]
async fn a_show_adds_up_and_costs_what_the_docs_say() {
    let (engine, store) = table().await;
    let show = sale::show();
    let written: Vec<Entry> = (1..=100).flat_map(life).collect();
    store.append(&written).await.unwrap();
    let before = engine.meter().total();
    let sums = store.ledger_sums(show.id, show.currency).await.unwrap();
    let spent = engine.meter().total() - before;
    assert!(sums.is_balanced(), "{sums:?}");
    assert_eq!((sums.captured, sums.kept, sums.refunded), (3_560_000, 1_780_000, 1_780_000));
    assert_eq!((sums.bookings.cancelled, sums.bookings.disputed, sums.disputed), (100, 100, 10_000));
    assert_eq!(spent.calls, 16, "one query a shard");
    println!("{} entries: {} read units", written.len(), spent.read_units);
    // Half a unit for each 4 KB that a query begins, so the 16 queries of a small show cost up to 8 more.
    assert!((8.0..=35.0).contains(&spent.read_units), "30 entries a unit: {spent:?}");
    let euros = store.ledger_sums(show.id, "EUR".parse().unwrap()).await;
    assert!(euros.is_err(), "an entry in another currency is never left out");
}

/// Pages end in the middle of a booking: at a megabyte, wherever that is.
#[tokio::test]
async fn a_booking_that_lies_across_two_pages_is_added_as_one() {
    let (_engine, store) = table().await;
    let show = sale::show();
    // All in one shard, and more than a page.
    let mut bookings = (1_u128..).filter(|number| store::keys::ledger_shard_of(numbered(*number).id) == 3);
    let written: Vec<Entry> = (0..1_000).filter_map(|_| bookings.next()).flat_map(life).collect();
    for chunk in written.chunks(40 * APPEND_MAX) {
        store.append(chunk).await.unwrap();
    }
    let sums = store.ledger_sums(show.id, show.currency).await.unwrap();
    assert_eq!((sums.bookings.cancelled, sums.captured, sums.unbalanced), (1_000, 35_600_000, 0));
    assert_eq!(all(&store, 100).await.len(), written.len());
}

#[tokio::test]
async fn an_append_that_fails_half_way_is_made_whole_by_the_next() {
    for fault in [Fault::Throttle, Fault::DropBeforeSend, Fault::DropAfterCommit] {
        let (engine, store) = table().await;
        let written: Vec<Entry> = (1..=8).flat_map(life).collect();
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&calls);
        engine.set_fault(Some(Arc::new(
            move |_| {
                if seen.fetch_add(1, Ordering::Relaxed) == 1 { fault } else { Fault::None }
            },
        )));
        assert!(store.append(&written).await.is_err(), "{fault:?}");
        assert_eq!(calls.load(Ordering::Relaxed), 2, "{fault:?}: it stops there");
        engine.set_fault(None);
        let half = all(&store, 100).await.len();
        assert!((APPEND_MAX..written.len()).contains(&half), "{fault:?}: {half}");
        store.append(&written).await.unwrap();
        assert_eq!(all(&store, 100).await.len(), written.len(), "{fault:?}");
    }
}

#[tokio::test]
async fn what_the_table_leaves_is_sent_again_and_not_for_ever() {
    let (engine, store) = table().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    engine.set_fault(Some(Arc::new(move |_| {
        if seen.fetch_add(1, Ordering::Relaxed) < 4 { Fault::Unprocessed } else { Fault::None }
    })));
    store.append(&life(1)).await.unwrap();
    assert_eq!((calls.load(Ordering::Relaxed), all(&store, 100).await.len()), (5, 8));
    engine.set_fault(Some(Arc::new(|_| Fault::Unprocessed)));
    assert_eq!(store.append(&life(2)).await, Err(domain::StoreError::Throttled));
}
