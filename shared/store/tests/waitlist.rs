//! The waitlist's items: in order, one a buyer, changed whole or not at all.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    StoreError, Timestamp,
    booking::{Booking, SeatLine},
    hold::Terms,
    ids::{BookingId, ShowId},
    time::{SignedDuration, shift},
    waitlist::{Entry, State, Step, Wish, Wishes, join, leave},
};
use store::{
    Store,
    hold::Claimed,
    waitlist::{Counts, Offered},
};
use testkit::{
    engine::{CallInfo, Engine, Fault, FaultHook},
    sale, table,
};
use uuid::Uuid;

const TERMS: Terms = Terms::within(6);
const FAULTS: [Fault; 4] = [Fault::Throttle, Fault::TransactionConflict, Fault::DropBeforeSend, Fault::DropAfterCommit];

fn show() -> ShowId {
    sale::show().id
}

fn at(seconds: i64) -> Timestamp {
    shift(sale::held_at(), SignedDuration::from_secs(seconds))
}

fn wish(quantity: u32) -> Wish {
    Wish { quantity, category: "silver".parse().ok(), accessible: false }
}

fn entry(buyer: &str, seconds: i64) -> Entry {
    Entry {
        show: show(),
        starts_at: sale::show().starts_at,
        buyer: buyer.parse().unwrap(),
        email: Some("ada@example.org".to_owned()),
        wish: wish(1),
        joined_at: at(seconds),
        state: State::Waiting,
        version: 1,
    }
}

/// An offer of one seat for `entry`.
fn booking(entry: &Entry, seat: u32) -> Booking {
    let line = SeatLine {
        seat: format!("balcony:A:{seat}").parse().unwrap(),
        category: "silver".parse().unwrap(),
        price_minor: 12_800,
    };
    let (id, buyer) = (entry.booking_id(b"secret"), entry.buyer.clone());
    Booking { id, buyer, seats: vec![line], areas: Vec::new(), offered: true, ..sale::booking() }
}

async fn open() -> (Engine, Store) {
    let engine = Engine::temporary().await;
    let store = table::impatient_store(&engine);
    sale::publish(&store).await;
    (engine, store)
}

async fn put(store: &Store, entry: &Entry) {
    assert!(store.change_waitlist_entry(None, entry).await.unwrap());
}

async fn read(store: &Store, entry: &Entry) -> Option<Entry> {
    store.waitlist_entry(show(), &entry.buyer).await.unwrap()
}

/// Who is in line, in order.
async fn line(store: &Store, per_shard: usize) -> (Vec<String>, bool) {
    let (places, is_all) = store.waitlist_places(show(), per_shard).await.unwrap();
    (places.into_iter().map(|place| place.buyer.to_string()).collect(), is_all)
}

/// The first `times` writes meet `fault`.
fn writes(fault: Fault, times: u64) -> FaultHook {
    let seen = AtomicU64::new(0);
    Arc::new(move |call: &CallInfo<'_>| {
        let write = call.operation.contains("Write");
        if write && seen.fetch_add(1, Ordering::Relaxed) < times { fault } else { Fault::None }
    })
}

#[tokio::test]
async fn names_stand_in_the_order_in_which_they_came_whatever_their_shard() {
    let (_engine, store) = open().await;
    // Written in another order than they came.
    let names: Vec<String> = (0..60i64).map(|number| format!("buyer{}", number * 7 % 60)).collect();
    for (second, name) in names.iter().enumerate().rev() {
        put(&store, &entry(name, i64::try_from(second).unwrap())).await;
    }
    assert_eq!(line(&store, 60).await, (names.clone(), true));
    // Of each shard only the first: whoever is told of is told in turn, and nobody is left out before them.
    let (few, is_all) = line(&store, 2).await;
    assert!(!is_all && few.len() >= 2 && few == names[..few.len()], "{few:?}");
    for (second, name) in names.iter().enumerate() {
        let position = store.waitlist_position(&entry(name, i64::try_from(second).unwrap())).await.unwrap();
        assert_eq!(position, u32::try_from(second + 1).ok(), "{name}");
    }
    assert_eq!(store.waitlist_counts(show()).await.unwrap(), Counts { waiting: 60, offered: 0 });
}

#[tokio::test]
async fn an_entry_and_what_stands_beside_it_change_together() {
    let (_engine, store) = open().await;
    let ada = entry("ada", 1);
    put(&store, &ada).await;
    assert!(!store.change_waitlist_entry(None, &ada).await.unwrap(), "one name a buyer");
    let Ok(Step::Write(more)) = join(Some(&ada), Entry { wish: wish(2), ..ada.clone() }) else { panic!() };
    assert!(store.change_waitlist_entry(Some(&ada), &more).await.unwrap());
    assert!(!store.change_waitlist_entry(Some(&ada), &more).await.unwrap(), "it was read before the change");
    let (places, _) = store.waitlist_places(show(), 10).await.unwrap();
    assert_eq!((places.len(), &places[0].wish, places[0].joined_at), (1, &wish(2), at(1)), "the same place");
    let Ok(Step::Write(left)) = leave(&more) else { panic!() };
    assert!(store.change_waitlist_entry(Some(&more), &left).await.unwrap());
    assert_eq!((line(&store, 10).await.0.len(), read(&store, &ada).await), (0, Some(left.clone())));
    let Ok(Step::Write(again)) = join(Some(&left), entry("ada", 9)) else { panic!() };
    assert!(store.change_waitlist_entry(Some(&left), &again).await.unwrap());
    assert_eq!(line(&store, 10).await.0, ["ada"]);
}

#[tokio::test]
async fn an_offer_is_a_hold_and_its_entry_or_neither() {
    let (_engine, store) = open().await;
    let (ada, bob) = (entry("ada", 1), entry("bob", 2));
    put(&store, &ada).await;
    put(&store, &bob).await;
    let first = booking(&ada, 1);
    assert_eq!(store.offer(&first, &TERMS, &ada).await.unwrap(), Offered::Made);
    assert_eq!(store.booking(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(read(&store, &ada).await, Some(ada.offered(first.id)));
    assert_eq!(store.waitlist_offers(show(), 10).await.unwrap(), [(first.id, ada.buyer.clone())]);
    assert_eq!(line(&store, 10).await.0, ["bob"]);
    assert_eq!(store.offer(&booking(&ada, 3), &TERMS, &ada).await.unwrap(), Offered::Changed, "once, whatever is free");
    let Offered::Met(met) = store.offer(&booking(&bob, 1), &TERMS, &bob).await.unwrap() else { panic!() };
    assert_eq!((met.seats.len(), met.own, met.tally), (1, None, None), "ada's seat is in the way");
    assert_eq!(
        (read(&store, &bob).await, store.booking(booking(&bob, 1).id).await.unwrap()),
        (Some(bob.clone()), None)
    );
    let other = Booking { id: BookingId::from_uuid(Uuid::from_u128(1)), ..booking(&bob, 2) };
    assert_eq!(store.claim(&other, &TERMS).await.unwrap(), Claimed::Won);
    let Offered::Met(met) = store.offer(&booking(&bob, 3), &Terms::within(1), &bob).await.unwrap() else { panic!() };
    assert_eq!(met.tally.map(|tally| tally.total), Some(1), "bob has as many as he may");
    let Ok(Step::Write(left)) = leave(&bob) else { panic!() };
    assert!(store.change_waitlist_entry(Some(&bob), &left).await.unwrap());
    assert_eq!(
        store.offer(&booking(&bob, 3), &TERMS, &bob).await.unwrap(),
        Offered::Changed,
        "who has left is offered nothing"
    );
    assert_eq!(store.waitlist_counts(show()).await.unwrap(), Counts { waiting: 0, offered: 1 });
}

/// A seat that is free for everybody goes to one of a hold and an offer.
#[tokio::test]
async fn an_offer_and_a_hold_of_one_seat_exclude_each_other() {
    let (_engine, store) = open().await;
    let ada = entry("ada", 1);
    put(&store, &ada).await;
    let hold = Booking { id: BookingId::from_uuid(Uuid::from_u128(1)), ..booking(&entry("eve", 1), 1) };
    assert_eq!(store.claim(&hold, &TERMS).await.unwrap(), Claimed::Won);
    let Offered::Met(met) = store.offer(&booking(&ada, 1), &TERMS, &ada).await.unwrap() else { panic!() };
    assert_eq!(met.seats[0].0, hold.seats[0].seat);
    assert_eq!(read(&store, &ada).await, Some(ada));
}

#[tokio::test]
async fn an_offer_whose_call_fails_is_made_whole_or_not_at_all_and_its_repeat_is_no_second() {
    for fault in FAULTS {
        for times in [1, 20] {
            let (engine, store) = open().await;
            let ada = entry("ada", 1);
            put(&store, &ada).await;
            let booking = booking(&ada, 1);
            engine.set_fault(Some(writes(fault, times)));
            let answer = store.offer(&booking, &TERMS, &ada).await;
            engine.set_fault(None);
            let case = format!("{fault:?} ×{times}: {answer:?}");
            let held = store.booking(booking.id).await.unwrap();
            let offered = read(&store, &ada).await == Some(ada.offered(booking.id));
            assert_eq!(held.is_some(), offered, "{case}");
            assert_eq!(answer == Ok(Offered::Made), offered, "{case}");
            let again = store.offer(&booking, &TERMS, &ada).await.unwrap();
            assert_eq!(again, if offered { Offered::Changed } else { Offered::Made }, "{case}");
            assert_eq!(store.waitlist_counts(show()).await.unwrap(), Counts { waiting: 0, offered: 1 }, "{case}");
        }
    }
}

#[tokio::test]
async fn a_name_whose_call_fails_is_down_whole_or_not_at_all() {
    for fault in FAULTS {
        for times in [1, 20] {
            let (engine, store) = open().await;
            let ada = entry("ada", 1);
            engine.set_fault(Some(writes(fault, times)));
            let answer = store.change_waitlist_entry(None, &ada).await;
            engine.set_fault(None);
            let case = format!("{fault:?} ×{times}: {answer:?}");
            let down = read(&store, &ada).await;
            assert_eq!(line(&store, 10).await.0.len(), usize::from(down.is_some()), "{case}");
            assert!(answer != Ok(true) || down.is_some(), "{case}");
            assert!(down.is_none_or(|down| down == ada), "{case}");
        }
    }
}

#[tokio::test]
async fn what_is_waited_for_comes_with_the_show_and_survives_its_changes() {
    let (_engine, store) = open().await;
    assert!(store.show_now(show()).await.unwrap().unwrap().wishes.is_empty());
    assert_eq!(store.waitlists().await.unwrap(), []);
    for wish in [wish(2), wish(2), wish(3)] {
        store.await_wish(show(), &wish).await.unwrap();
    }
    let known = store.show_now(show()).await.unwrap().unwrap();
    assert_eq!(known.wishes.iter().cloned().collect::<Vec<_>>(), [wish(2)]);
    assert_eq!(store.waitlists().await.unwrap(), [show()]);
    let dearer =
        domain::catalogue::Show { prices: [("silver".parse().unwrap(), 99)].into(), version: 2, ..known.clone() };
    assert!(store.update_show(&dearer, at(1)).await.unwrap());
    let changed = store.show(show()).await.unwrap().unwrap();
    assert_eq!((changed.wishes, changed.version), (known.wishes, 2));
    let (wishes, version) = store.wishes(show()).await.unwrap();
    store.await_wish(show(), &wish(1)).await.unwrap();
    assert!(!store.set_wishes(show(), &wishes, version).await.unwrap(), "a name came since");
    assert!(store.end_waitlist(show()).await.unwrap());
    assert!(store.wishes(show()).await.unwrap().0.is_empty() && store.waitlists().await.unwrap().is_empty());
    store.await_wish(show(), &wish(1)).await.unwrap();
    assert_eq!(store.waitlists().await.unwrap(), [show()], "and it may begin again");
}

#[tokio::test]
async fn what_is_waited_for_is_there_once_it_was_noted_whatever_fails() {
    for fault in FAULTS {
        for times in [1, 2, 20] {
            let (engine, store) = open().await;
            engine.set_fault(Some(writes(fault, times)));
            let answer = store.await_wish(show(), &wish(1)).await;
            engine.set_fault(None);
            let (wishes, _) = store.wishes(show()).await.unwrap();
            assert!(answer.is_err() || wishes.cover(&wish(1)), "{fault:?} ×{times}: {answer:?}");
            assert_eq!(wishes.is_empty(), store.waitlists().await.unwrap().is_empty(), "{fault:?} ×{times}");
        }
    }
}

#[tokio::test]
async fn a_show_that_is_not_there_has_no_waitlist() {
    let (_engine, store) = open().await;
    let nowhere = ShowId::from_uuid(Uuid::from_u128(7));
    assert_eq!(store.wishes(nowhere).await.unwrap(), (Wishes::default(), 0));
    assert_eq!(store.await_wish(nowhere, &wish(1)).await, Err(StoreError::Throttled));
    assert_eq!(store.waitlists().await.unwrap(), []);
}
