//! The waiting room's items on the real engine: each write with each fault, twice, and in races.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    StoreError, Timestamp,
    hold::{Terms, Verdict, judge},
    ids::{ShowId, UserId},
    queue::{ADMISSION_LIFETIME, Admission, AdmissionId, Draw, DrawSecret, Place, Room, Sequence, Standing},
    time::{SignedDuration, millis, shift},
};
use store::{
    Store,
    hold::Claimed,
    queue::{Granted, Joined},
};
use testkit::{
    engine::{CallInfo, Engine, Fault, FaultHook},
    sale, table,
};

const FAULTS: [Fault; 4] = [Fault::Throttle, Fault::TransactionConflict, Fault::DropBeforeSend, Fault::DropAfterCommit];

/// The first `times` writes meet `fault`.
fn writes(fault: Fault, times: u64) -> FaultHook {
    let seen = AtomicU64::new(0);
    Arc::new(move |call: &CallInfo<'_>| {
        let write = ["PutItem", "UpdateItem", "TransactWriteItems"].contains(&call.operation);
        if write && seen.fetch_add(1, Ordering::Relaxed) < times { fault } else { Fault::None }
    })
}

/// Every way that a call fails: once to somebody impatient, once and for long to the SDK's own retries.
fn troubles() -> impl Iterator<Item = (Fault, u64, bool)> {
    let ways = [(1, false), (1, true), (20, true)];
    FAULTS.into_iter().flat_map(move |fault| ways.map(|(times, patient)| (fault, times, patient)))
}

async fn open() -> (Engine, Store) {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish(&store).await;
    (engine, store)
}

fn show() -> ShowId {
    sale::show().id
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn opens_at() -> Timestamp {
    shift(sale::held_at(), -SignedDuration::from_mins(1))
}

fn room() -> Room {
    Room::new(opens_at(), DrawSecret::new([7; 32]))
}

fn admission(id: i64) -> Admission {
    Admission { id: AdmissionId(id), expires_at: shift(sale::held_at(), ADMISSION_LIFETIME) }
}

async fn join(store: &Store, name: &str, at: i64) -> Result<Joined, StoreError> {
    store.join(show(), &user(name), at, sale::show().starts_at).await
}

/// Admitted, with a permit of the only counter that has one.
async fn admitted(store: &Store, name: &str, id: i64) {
    store.fill(show(), 8, &store.permits(show()).await.unwrap(), sale::held_at()).await.unwrap();
    assert_eq!(store.grant(show(), &user(name), &admission(id), 0).await.unwrap(), Granted::Yes);
}

#[tokio::test]
async fn a_buyer_has_one_place_however_often_and_from_wherever_they_join() {
    let (_engine, store) = open().await;
    let joins = (0..40i64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { join(&store, "ada", 1_000 + n).await.unwrap() })
    });
    let mut told = Vec::new();
    for join in joins.collect::<Vec<_>>() {
        told.push(join.await.unwrap());
    }
    let first = told[0].arrival_ms;
    assert!(told.iter().all(|joined| joined.arrival_ms == first), "{told:?}");
    assert_eq!(told.iter().filter(|joined| joined.is_new).count(), 1);
    assert_eq!(store.arrival_of(show(), &user("ada")).await.unwrap(), Some(first));
    assert_eq!(join(&store, "bob", 5).await.unwrap(), Joined { arrival_ms: 5, is_new: true });
}

#[tokio::test]
async fn redelivery_moves_nobody() {
    for (fault, times, patient) in troubles() {
        let (engine, store) = open().await;
        let careless = if patient { store.clone() } else { table::impatient_store(&engine) };
        engine.set_fault(Some(writes(fault, times)));
        let answer = join(&careless, "ada", 1_000).await;
        engine.set_fault(None);
        let case = format!("{fault:?} ×{times} patient {patient}: {answer:?}");
        let has = store.arrival_of(show(), &user("ada")).await.unwrap();
        match answer {
            Ok(joined) => {
                assert_eq!((joined, has), (Joined { arrival_ms: 1_000, is_new: true }, Some(1_000)), "{case}");
            }
            Err(_) => assert_eq!(has, None, "{case}"),
        }
        // The same request again, later.
        let again = join(&store, "ada", 2_000).await.unwrap();
        let place = has.unwrap_or(2_000);
        assert_eq!(again, Joined { arrival_ms: place, is_new: has.is_none() }, "{case}");
    }
}

#[tokio::test]
async fn a_new_place_replaces_the_one_that_was_read_and_only_once() {
    for (fault, times, patient) in troubles() {
        let (engine, store) = open().await;
        join(&store, "ada", 1_000).await.unwrap();
        let careless = if patient { store.clone() } else { table::impatient_store(&engine) };
        engine.set_fault(Some(writes(fault, times)));
        let answer = careless.join_again(show(), &user("ada"), 1_000, 5_000).await;
        engine.set_fault(None);
        let case = format!("{fault:?} ×{times} patient {patient}: {answer:?}");
        let has = store.arrival_of(show(), &user("ada")).await.unwrap();
        match answer {
            Ok(joined) => assert_eq!((joined.arrival_ms, has), (5_000, Some(5_000)), "{case}"),
            Err(_) => assert_eq!(has, Some(1_000), "{case}"),
        }
        let again = store.join_again(show(), &user("ada"), 1_000, 6_000).await.unwrap();
        let expected = if has == Some(5_000) { (5_000, false) } else { (6_000, true) };
        assert_eq!((again.arrival_ms, again.is_new), expected, "{case}: who comes second keeps the first one's place");
    }
}

#[tokio::test]
async fn places_are_read_a_partition_at_a_time() {
    let (_engine, store) = open().await;
    for n in 0..50 {
        join(&store, &format!("user {n}"), n).await.unwrap();
    }
    let mut found = Vec::new();
    for shard in 0..domain::queue::QUEUE_SHARDS {
        let (places, next) = store.places_in(show(), shard, None).await.unwrap();
        assert_eq!(next, None);
        if let Some((first, _)) = places.first() {
            let (rest, _) = store.places_in(show(), shard, Some(first)).await.unwrap();
            assert_eq!(rest, places[1..]);
        }
        found.extend(places);
    }
    found.sort_by_key(|(_, arrival_ms)| *arrival_ms);
    assert_eq!(found.len(), 50);
    assert!(found.iter().zip(0..).all(|((user, at), n)| *at == n && user.as_str() == format!("user {n}")));
}

#[tokio::test]
async fn a_committed_secret_is_never_replaced() {
    let (engine, store) = open().await;
    for fault in FAULTS {
        engine.set_fault(Some(writes(fault, 1)));
        let _ = table::impatient_store(&engine).make_room(show(), &room()).await;
        engine.set_fault(None);
    }
    let made = store.make_room(show(), &room()).await.unwrap();
    assert_eq!(made, room());
    let other = Room::new(sale::held_at(), DrawSecret::new([8; 32]));
    assert_eq!(store.make_room(show(), &other).await.unwrap(), made, "another organiser, or the same again");
    let later = sale::held_at();
    assert!(store.move_opening(show(), made.opens_at, later).await.unwrap());
    assert!(!store.move_opening(show(), made.opens_at, opens_at()).await.unwrap(), "it is elsewhere by now");
    let moved = store.room_now(show()).await.unwrap().unwrap();
    assert_eq!(moved, Room { opens_at: later, ..made });
}

#[tokio::test]
async fn of_two_ticks_at_once_the_table_takes_one() {
    for (fault, times, patient) in troubles() {
        let (engine, store) = open().await;
        let read = store.make_room(show(), &room()).await.unwrap();
        let place = Place::end_of(millis(sale::held_at()));
        let next = Room {
            version: 1,
            serving: place,
            ticked_ms: 5,
            marks: vec![(1, 2), (3, 4)],
            sold_out_ms: Some(9),
            ..read.clone()
        };
        let careless = if patient { store.clone() } else { table::impatient_store(&engine) };
        engine.set_fault(Some(writes(fault, times)));
        let answer = careless.put_room(show(), &next).await;
        engine.set_fault(None);
        let case = format!("{fault:?} ×{times} patient {patient}: {answer:?}");
        let found = store.room_now(show()).await.unwrap().unwrap();
        assert_eq!(answer == Ok(true), found == next, "{case}");
        let other = Room { serving: Place::END_OF_DRAW, ticked_ms: 6, ..next.clone() };
        assert_eq!(store.put_room(show(), &other).await.unwrap(), found != next, "{case}: only one is next");
        let moved = store.room_now(show()).await.unwrap().unwrap();
        assert_eq!(moved, if found == next { next } else { other }, "{case}");
    }
}

#[tokio::test]
async fn a_tick_that_read_another_opening_is_refused() {
    let (_engine, store) = open().await;
    let read = store.make_room(show(), &room()).await.unwrap();
    assert!(store.move_opening(show(), read.opens_at, sale::held_at()).await.unwrap());
    assert!(!store.put_room(show(), &Room { version: 1, ..read }).await.unwrap());
}

#[tokio::test]
async fn a_draw_is_noted_once() {
    let (_engine, store) = open().await;
    assert_eq!(store.draw(show()).await.unwrap(), None);
    let drawn = Draw::of((0..2_000u128).map(|n| n * n * n).collect());
    assert_eq!(store.put_draw(show(), &drawn).await.unwrap(), drawn);
    assert_eq!(store.put_draw(show(), &Draw::default()).await.unwrap(), drawn, "who calls the roll later is told");
    let other = ShowId::from_uuid(uuid::Uuid::from_u128(9));
    assert_eq!(store.put_draw(other, &Draw::default()).await.unwrap(), Draw::default(), "many shows in one stack");
}

#[tokio::test]
async fn rooms_are_looked_after_until_they_are_not() {
    let (_engine, store) = open().await;
    for _ in 0..2 {
        store.watch_room(show()).await.unwrap();
    }
    assert_eq!(store.waiting_rooms().await.unwrap(), [show()]);
    for _ in 0..2 {
        store.unwatch_room(show()).await.unwrap();
    }
    assert_eq!(store.waiting_rooms().await.unwrap(), []);
}

#[tokio::test]
async fn arrivals_are_counted_once_whatever_becomes_of_a_call() {
    let records: Vec<(Sequence, i64)> =
        (1..=5).map(|n| (Sequence::new(&n.to_string()), millis(opens_at()) + n * 400 - 900)).collect();
    for (fault, times, patient) in troubles() {
        let (engine, store) = open().await;
        let careless = if patient { store.clone() } else { table::impatient_store(&engine) };
        store.count_arrivals(show(), 3, &records[..2], millis(opens_at())).await.unwrap();
        engine.set_fault(Some(writes(fault, times)));
        let answer = careless.count_arrivals(show(), 3, &records[1..4], millis(opens_at())).await;
        engine.set_fault(None);
        for part in [&records[1..4], &records[..], &records[3..]] {
            store.count_arrivals(show(), 3, part, millis(opens_at())).await.unwrap();
        }
        let counted = store.arrivals(show()).await.unwrap();
        let [one] = counted.as_slice() else { panic!("one partition") };
        let case = format!("{fault:?} ×{times} patient {patient}: {answer:?}");
        assert_eq!((one.histogram.drawn, one.histogram.counts.as_slice()), (2, [2, 1].as_slice()), "{case}");
        assert_eq!((one.newest_ms, &one.sequence), (millis(opens_at()) + 1_100, &Sequence::new("5")), "{case}");
    }
}

#[tokio::test]
async fn counters_of_many_at_once_lose_nobody() {
    let (_engine, store) = open().await;
    let counting = (0..6).map(|shard| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 1..=20 {
                let is = Standing { admission: AdmissionId(n), expires_ms: 600_000, holding: true, spent: false };
                let record = (Sequence::new(&n.to_string()), None, Some(is));
                store.count_admitted(show(), shard, &[record]).await.unwrap();
            }
        })
    });
    for task in counting.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let counted = store.admissions(show()).await.unwrap();
    assert_eq!(counted.len(), 6);
    assert!(counted.iter().all(|part| part.buckets[&40] == (20, 0)));
}

#[tokio::test]
async fn an_admission_takes_one_permit_whatever_becomes_of_its_call() {
    for (fault, times, patient) in troubles() {
        let (engine, store) = open().await;
        store.fill(show(), 8, &[], sale::held_at()).await.unwrap();
        let careless = if patient { store.clone() } else { table::impatient_store(&engine) };
        engine.set_fault(Some(writes(fault, times)));
        let answer = careless.grant(show(), &user("ada"), &admission(5), 0).await;
        engine.set_fault(None);
        let case = format!("{fault:?} ×{times} patient {patient}: {answer:?}");
        let (tally, permits) = store.gate(show(), &user("ada")).await.unwrap();
        let used: u64 = permits.iter().map(|(_, permits)| permits.used).sum();
        assert_eq!(answer == Ok(Granted::Yes), tally.admission == Some(admission(5)), "{case}");
        assert_eq!(used, u64::from(tally.admission.is_some()), "{case}");
        let again = store.grant(show(), &user("ada"), &admission(5), 1).await.unwrap();
        assert_eq!(again == Granted::Yes, tally.admission.is_none(), "{case}: one is not granted twice");
        let (_, permits) = store.gate(show(), &user("ada")).await.unwrap();
        assert_eq!(permits.iter().map(|(_, permits)| permits.used).sum::<u64>(), 1, "{case}");
    }
}

#[tokio::test]
async fn never_more_admissions_than_permits_however_many_race() {
    let (_engine, store) = open().await;
    store.fill(show(), 19, &[], sale::held_at()).await.unwrap();
    let racers = (0..60u16).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let name = user(&format!("user {n}"));
            let mut granted = 0;
            for shard in 0..8 {
                match store.grant(show(), &name, &admission(5), (n + shard) % 8).await.unwrap() {
                    Granted::Yes => granted += 1,
                    Granted::No => {}
                }
            }
            granted
        })
    });
    let mut granted = 0;
    for racer in racers.collect::<Vec<_>>() {
        granted += racer.await.unwrap();
    }
    assert_eq!(granted, 19);
    let permits = store.permits(show()).await.unwrap();
    assert!(permits.iter().all(|(_, permits)| permits.used <= permits.granted));
    assert_eq!(permits.iter().map(|(_, permits)| permits.alive(millis(sale::held_at()))).sum::<u64>(), 19);
}

#[tokio::test]
async fn permits_are_only_ever_raised_and_what_is_over_is_forgotten() {
    let (_engine, store) = open().await;
    let granted =
        async || -> u64 { store.permits(show()).await.unwrap().iter().map(|(_, permits)| permits.granted).sum() };
    store.fill(show(), 10, &[], sale::held_at()).await.unwrap();
    store.fill(show(), 10, &[], sale::held_at()).await.unwrap();
    assert_eq!(granted().await, 10, "twice is once");
    let seen = store.permits(show()).await.unwrap();
    store.fill(show(), 30, &seen, sale::held_at()).await.unwrap();
    store.fill(show(), 20, &seen, sale::held_at()).await.unwrap();
    assert_eq!(granted().await, 30, "a late one takes nothing back");
    assert_eq!(store.grant(show(), &user("ada"), &admission(5), 2).await.unwrap(), Granted::Yes);
    let much_later = shift(sale::held_at(), SignedDuration::from_hours(1));
    store.fill(show(), 40, &store.permits(show()).await.unwrap(), much_later).await.unwrap();
    let permits = store.permits(show()).await.unwrap();
    assert!(permits.iter().all(|(_, permits)| permits.by_expiry.is_empty()));
    assert_eq!(permits.iter().map(|(_, permits)| permits.used).sum::<u64>(), 1, "but that it was granted stays");
}

#[tokio::test]
async fn a_claim_demands_the_admission_in_its_own_transaction() {
    let (_engine, store) = open().await;
    let now = sale::held_at();
    let mut booking = sale::booking();
    booking.admission = Some(AdmissionId(5));
    let terms = Terms::under(6, AdmissionId(5), now);
    let refused = async |terms: &Terms| {
        let Claimed::Met(met) = store.claim(&booking, terms).await.unwrap() else { panic!("it must be refused") };
        assert_eq!(judge(&booking, terms, &met, &[], now), Verdict::Refuse(domain::Refusal::AdmissionRequired));
        assert_eq!(store.booking(booking.id).await.unwrap(), None);
    };
    refused(&terms).await;
    admitted(&store, "ada", 5).await;
    refused(&Terms::under(6, AdmissionId(4), now)).await;
    refused(&Terms::under(6, AdmissionId(5), admission(5).expires_at)).await;
    for _ in 0..2 {
        assert!(store.revoke_admission(show(), &user("ada")).await.unwrap());
        refused(&terms).await;
    }
    assert!(!store.revoke_admission(show(), &user("nobody")).await.unwrap());
    assert_eq!(store.tally(show(), &user("nobody")).await.unwrap(), domain::hold::Tally::default());
    // Back, by another turn.
    assert_eq!(store.grant(show(), &user("ada"), &admission(6), 1).await.unwrap(), Granted::Yes);
    refused(&terms).await;
    let terms = Terms::under(6, AdmissionId(6), now);
    assert_eq!(store.claim(&booking, &terms).await.unwrap(), Claimed::Won);
    let read = store.booking(booking.id).await.unwrap().unwrap();
    assert_eq!(read.admission, Some(AdmissionId(5)), "as it was written");
}

#[tokio::test]
async fn completed_admissions_are_spent() {
    let (_engine, store) = open().await;
    let now = sale::held_at();
    admitted(&store, "ada", 5).await;
    let mut booking = sale::booking();
    booking.admission = Some(AdmissionId(5));
    let terms = Terms::under(6, AdmissionId(5), now);
    assert_eq!(store.claim(&booking, &terms).await.unwrap(), Claimed::Won);
    let mut second = domain::booking::Booking {
        id: domain::ids::BookingId::from_uuid(uuid::Uuid::from_u128(99)),
        seats: Vec::new(),
        ..booking.clone()
    };
    assert_eq!(store.claim(&second, &terms).await.unwrap(), Claimed::Won, "until they have bought");
    sale::pay(&store, booking).await;
    let tally = store.tally(show(), &user("ada")).await.unwrap();
    assert!(tally.spent && !tally.is_admitted(AdmissionId(5), now));
    second.id = domain::ids::BookingId::from_uuid(uuid::Uuid::from_u128(100));
    let Claimed::Met(met) = store.claim(&second, &terms).await.unwrap() else { panic!("it was spent") };
    assert_eq!(judge(&second, &terms, &met, &[], now), Verdict::Refuse(domain::Refusal::AdmissionRequired));
    // A later turn is not spent by what the earlier one bought.
    assert_eq!(store.grant(show(), &user("ada"), &admission(7), 3).await.unwrap(), Granted::Yes);
    let terms = Terms::under(6, AdmissionId(7), now);
    assert_eq!(store.claim(&second, &terms).await.unwrap(), Claimed::Won);
}

/// The confirmation's write may be lost, applied unheard, or made twice: the admission is spent when the seats are sold, and
/// only then, and a later admission never.
#[tokio::test]
async fn an_admission_is_spent_with_its_sale_or_not_at_all_however_often_it_is_confirmed() {
    for (fault, times, patient) in troubles() {
        let (engine, store) = open().await;
        let now = sale::held_at();
        admitted(&store, "ada", 5).await;
        let booking = domain::booking::Booking { admission: Some(AdmissionId(5)), ..sale::booking() };
        assert_eq!(store.claim(&booking, &Terms::under(6, AdmissionId(5), now)).await.unwrap(), Claimed::Won);
        let paying = store.start_payment(&booking, now).await.unwrap().unwrap();
        let careless = if patient { store.clone() } else { table::impatient_store(&engine) };
        engine.set_fault(Some(writes(fault, times)));
        let answer = careless.confirm(&paying, None, now).await;
        engine.set_fault(None);
        let case = format!("{fault:?} ×{times} patient {patient}: {answer:?}");
        let is_sold = async || {
            let found = store.booking(booking.id).await.unwrap().unwrap();
            found.status == domain::booking::Status::Confirmed
        };
        let is_spent = async || store.tally(show(), &user("ada")).await.unwrap().spent;
        assert_eq!(is_spent().await, is_sold().await, "{case}");
        assert!(is_sold().await || !matches!(answer, Ok(Some(_))), "{case}");
        let again = store.confirm(&paying, None, now).await;
        assert!(again.is_ok() && is_sold().await && is_spent().await, "{case}, then {again:?}");
        assert_eq!(store.grant(show(), &user("ada"), &admission(7), 1).await.unwrap(), Granted::Yes, "{case}");
        let late = store.confirm(&paying, None, now).await;
        assert!(late.is_ok() && !is_spent().await, "{case}: the later admission is another, {late:?}");
    }
}

mod budgets {
    use testkit::budget;

    use super::*;

    /// The budget: writes per waiting-room join = 1.
    #[tokio::test]
    async fn joining_is_one_write() {
        let (engine, store) = open().await;
        let before = engine.meter().total();
        join(&store, "google-oauth2|115512345678901234567", 1_795_359_600_123).await.unwrap();
        let cost = engine.meter().total() - before;
        assert_eq!(cost.calls, 1);
        budget::at_most("writes per waiting-room join", 1.0, cost.write_units);
    }

    /// The budget of a paid life holds behind a waiting room too: the admission is spent in the confirmation's own transaction.
    #[tokio::test]
    async fn a_paid_life_behind_a_waiting_room_stays_within_its_budget() {
        let (engine, store) = open().await;
        admitted(&store, "ada", 5).await;
        let mut booking = sale::booking();
        (booking.admission, booking.areas) = (Some(AdmissionId(5)), Vec::new());
        let n = 2;
        let before = engine.meter().total();
        let terms = Terms::under(6, AdmissionId(5), sale::held_at());
        assert_eq!(store.claim(&booking, &terms).await.unwrap(), Claimed::Won);
        let hold = engine.meter().total() - before;
        sale::pay(&store, booking).await;
        let life = engine.meter().total() - before;
        assert_eq!(hold.calls, 1);
        budget::at_most("write units of a hold of 2 under an admission", f64::from(2 * n + 6), hold.write_units);
        budget::at_most("write units of a paid life of 2 under one", f64::from(4 * n + 16), life.write_units);
    }
}
