//! Connections, watchers and promises, on the real engine.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    Timestamp,
    ids::{ConnectionId, SectionId, ShowId},
    live::{SECTIONS_MAX, Topic},
    time::{SignedDuration, shift},
};
use store::{
    Store,
    keys::WATCHER_SHARDS,
    live::{Connection, Promise},
};
use testkit::{
    engine::{Engine, Fault},
    sale, table,
};

fn show() -> ShowId {
    sale::show().id
}

fn now() -> Timestamp {
    sale::held_at()
}

fn after(millis: i64) -> Timestamp {
    shift(now(), SignedDuration::from_millis(millis))
}

fn name(n: usize) -> ConnectionId {
    format!("c{n}=").parse().unwrap()
}

fn sections(names: &[&str]) -> BTreeSet<SectionId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn section(name: &str) -> Topic {
    Topic::Section(show(), name.parse().unwrap())
}

async fn store() -> (Engine, Store) {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    (engine, store)
}

async fn open(store: &Store, n: usize) -> Connection {
    store.open_connection(&name(n), show(), now()).await.unwrap();
    store.connection(&name(n)).await.unwrap().unwrap()
}

async fn watchers(store: &Store, topic: &Topic) -> BTreeSet<ConnectionId> {
    let found = store.watchers(topic, now()).await.unwrap();
    let count = found.len();
    let found: BTreeSet<ConnectionId> = found.into_iter().collect();
    assert_eq!(found.len(), count, "nobody twice");
    found
}

fn names(numbers: &[usize]) -> BTreeSet<ConnectionId> {
    numbers.iter().map(|&n| name(n)).collect()
}

#[tokio::test]
async fn a_connection_watches_what_it_subscribes_to_until_it_is_forgotten() {
    let (_engine, store) = store().await;
    let mut one = open(&store, 1).await;
    let mut two = open(&store, 2).await;
    assert!(store.subscribe(&mut one, &sections(&["A", "B"]), false).await.unwrap());
    assert!(store.subscribe(&mut two, &sections(&["B"]), true).await.unwrap());
    assert_eq!(watchers(&store, &section("A")).await, names(&[1]));
    assert_eq!(watchers(&store, &section("B")).await, names(&[1, 2]));
    assert_eq!(watchers(&store, &Topic::Counts(show())).await, names(&[2]));
    assert_eq!(store.connection(&name(1)).await.unwrap(), Some(one.clone()));
    assert!(store.unsubscribe(&mut one, &sections(&["B", "C"]), false).await.unwrap());
    assert_eq!(one.sections, sections(&["A"]));
    assert_eq!(watchers(&store, &section("B")).await, names(&[2]));
    assert!(store.unsubscribe(&mut two, &sections(&[]), true).await.unwrap());
    assert_eq!(watchers(&store, &Topic::Counts(show())).await, names(&[]));
    assert_eq!(store.connection(&name(2)).await.unwrap(), Some(two));
    for _ in 0..2 {
        store.forget_connection(&name(1)).await.unwrap();
        assert_eq!(watchers(&store, &section("A")).await, names(&[]));
        assert_eq!(store.connection(&name(1)).await.unwrap(), None);
    }
    assert!(!store.subscribe(&mut one, &sections(&["Z"]), false).await.unwrap(), "it is closed");
    assert!(!store.unsubscribe(&mut one, &sections(&["A"]), false).await.unwrap(), "it is closed");
}

#[tokio::test]
async fn whoever_is_over_is_not_told_though_the_table_still_has_them() {
    let (_engine, store) = store().await;
    let mut one = open(&store, 1).await;
    assert!(store.subscribe(&mut one, &sections(&["A"]), true).await.unwrap());
    for topic in [section("A"), Topic::Counts(show())] {
        assert_eq!(store.watchers(&topic, after(7_200_000)).await.unwrap().len(), 1, "two hours are its time");
        assert_eq!(store.watchers(&topic, after(7_261_000)).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_connection_follows_so_many_sections_and_no_more() {
    let (_engine, store) = store().await;
    let mut one = open(&store, 1).await;
    let many: BTreeSet<SectionId> = (0..SECTIONS_MAX).map(|n| format!("s{n}").parse().unwrap()).collect();
    assert!(store.subscribe(&mut one, &many, true).await.unwrap());
    assert!(store.subscribe(&mut one, &many, true).await.unwrap(), "the same again is no more");
    assert!(!store.subscribe(&mut one, &sections(&["more"]), false).await.unwrap());
    assert_eq!(watchers(&store, &section("more")).await, names(&[]));
    // A second message of the same connection, which knows nothing of the first.
    let mut stale = one.clone();
    stale.sections.clear();
    assert!(!store.subscribe(&mut stale, &sections(&["more"]), false).await.unwrap());
    store.forget_connection(&name(1)).await.unwrap();
    for section_id in &many {
        assert_eq!(watchers(&store, &Topic::Section(show(), section_id.clone())).await, names(&[]));
    }
}

#[tokio::test]
async fn a_show_has_so_many_watchers_and_no_more() {
    let (_engine, store) = store().await;
    let shards = usize::from(WATCHER_SHARDS);
    let (mut watching, mut refused) = (0, 0);
    // By hash some parts are full before others; more than the bound never watch.
    for n in 0..shards * 20 {
        let mut connection = open(&store, n).await;
        if store.watchers_full(show(), &name(n), u32::from(WATCHER_SHARDS) * 3, now()).await.unwrap() {
            refused += 1;
        } else {
            assert!(store.subscribe(&mut connection, &sections(&[]), n % 2 == 0).await.unwrap());
            watching += 1;
        }
    }
    assert_eq!(watching, shards * 3, "also those who are not told of the counts");
    assert!(refused > 0);
}

/// Whatever call of a subscription fails, its connection's end leaves nothing behind.
#[tokio::test]
async fn what_a_failed_subscription_wrote_goes_with_its_connection() {
    for fault in [Fault::DropBeforeSend, Fault::DropAfterCommit] {
        for failing in ["UpdateItem", "BatchWriteItem"] {
            let engine = Engine::temporary().await;
            let store = table::impatient_store(&engine);
            let mut one = open(&store, 1).await;
            engine.set_fault(Some(Arc::new(move |call| if call.operation == failing { fault } else { Fault::None })));
            assert!(store.subscribe(&mut one, &sections(&["A"]), true).await.is_err());
            engine.set_fault(None);
            store.forget_connection(&name(1)).await.unwrap();
            assert_eq!(watchers(&store, &section("A")).await, names(&[]), "{failing} {fault:?}");
            assert_eq!(watchers(&store, &Topic::Counts(show())).await, names(&[]), "{failing} {fault:?}");
        }
    }
}

/// When a promise has to be told by who made it.
fn ours(promise: Promise) -> Option<Timestamp> {
    promise.is_ours.then_some(promise.at)
}

#[tokio::test]
async fn one_of_many_who_changed_something_has_to_tell_it() {
    let (_engine, store) = store().await;
    let promise = async |millis, insist| ours(store.promise(&section("A"), None, after(millis), insist).await.unwrap());
    assert_eq!(promise(0, false).await, Some(after(0)), "at once");
    assert_eq!(promise(10, false).await, Some(after(500)), "that one may have been too late");
    assert_eq!(promise(20, false).await, None);
    assert_eq!(promise(399, false).await, None);
    assert_eq!(promise(399, true).await, Some(after(1_000)), "who promised the one before may be dead");
    assert_eq!(promise(500, false).await, None);
    assert_eq!(promise(950, false).await, Some(after(1_500)));
    assert_eq!(promise(60_000, false).await, Some(after(60_000)));
    let other = store.promise(&section("B"), None, after(20), false).await.unwrap();
    assert_eq!(ours(other), Some(after(20)), "each section by itself");
}

/// The better a caller knows what is promised, the fewer calls it takes; what they know may be old or gone.
#[tokio::test]
async fn who_knows_the_promise_asks_nobody_while_it_is_pending() {
    let (engine, store) = store().await;
    let promise = async |known: Option<i64>, millis, insist| {
        let before = engine.meter().total().calls;
        let promise = store.promise(&section("A"), known.map(after), after(millis), insist).await.unwrap();
        (promise.is_ours, promise.at, engine.meter().total().calls - before)
    };
    assert_eq!(promise(None, 0, false).await, (true, after(0), 1), "nothing was promised");
    assert_eq!(promise(Some(0), 10, false).await, (true, after(500), 1));
    assert_eq!(promise(Some(500), 20, false).await, (false, after(500), 0), "it is pending");
    assert_eq!(promise(None, 20, false).await, (false, after(500), 1), "whoever does not know is told");
    assert_eq!(promise(Some(0), 20, false).await, (false, after(500), 1), "somebody else promised since");
    assert_eq!(promise(Some(500), 30, true).await, (true, after(1_000), 1), "pending, but perhaps of one who died");
    assert_eq!(
        promise(Some(500), 950, false).await,
        (true, after(1_500), 2),
        "what is known is old, and so is what is"
    );
    assert_eq!(promise(None, 9_000, false).await, (true, after(9_000), 1), "the one before is over");
    assert_eq!(promise(Some(4_000), 9_600, false).await, (true, after(9_600), 2));
}

#[tokio::test]
async fn of_many_at_the_same_time_one_promises_each_window() {
    let (_engine, store) = store().await;
    let topic = section("A");
    let promises = (0..40).map(|_| store.promise(&topic, None, after(0), false));
    let mut promised: Vec<Timestamp> =
        futures::future::try_join_all(promises).await.unwrap().into_iter().filter_map(ours).collect();
    promised.sort_unstable();
    assert_eq!(promised, [after(0), after(500)], "whoever wrote after the first telling has it told in the next");
}

#[tokio::test]
async fn a_promise_whose_answer_was_lost_is_kept_by_who_made_it() {
    let engine = Engine::temporary().await;
    let store = table::impatient_store(&engine);
    engine.set_fault(Some(Arc::new(|call| match call.operation {
        "UpdateItem" => Fault::DropAfterCommit,
        _ => Fault::None,
    })));
    assert_eq!(ours(store.promise(&section("A"), None, after(0), false).await.unwrap()), Some(after(0)));
    engine.set_fault(Some(Arc::new(|_| Fault::Throttle)));
    assert!(store.promise(&section("A"), None, after(0), false).await.is_err());
}
