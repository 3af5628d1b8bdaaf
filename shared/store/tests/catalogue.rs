//! Venues, plans, events, shows and lists on the real engine.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use domain::{
    Error, Refusal, Timestamp,
    catalogue::{Event, Listed, Show, ShowStatus, Venue, area_shards},
    ids::{EventId, ShowId},
    plan::Section,
    search::Search,
    time::{SignedDuration, shift},
};
use store::Store;
use testkit::{
    engine::{Engine, Fault},
    sale, table,
};
use uuid::Uuid;

async fn published() -> (Engine, Store) {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish(&store).await;
    (engine, store)
}

/// A show of the sale's event, `days` after the sale's hold.
fn show(number: u128, days: i64) -> Show {
    let starts_at = shift(sale::held_at(), SignedDuration::from_hours(24 * days));
    Show { id: ShowId::from_uuid(Uuid::from_u128(number)), starts_at, ..sale::show() }
}

fn from(from: Timestamp) -> Search {
    Search { city: None, category: None, words: Vec::new(), venue: None, from, to: None }
}

async fn found(store: &Store, search: &Search) -> Vec<Listed> {
    store.find(search, None, 100).await.unwrap().events
}

#[tokio::test]
async fn what_was_published_is_read_back() {
    let (_engine, store) = published().await;
    assert_eq!(store.venue(sale::venue().id).await.unwrap(), Some(sale::venue()));
    assert_eq!(store.event(sale::event().id).await.unwrap(), Some(sale::event()));
    assert_eq!(store.show(sale::show().id).await.unwrap(), Some(sale::show()));
    let plan = sale::plan();
    let overview = store.plan_overview(sale::venue().id, 1).await.unwrap().unwrap();
    assert_eq!((overview.categories.len(), &overview.areas), (plan.categories.len(), &plan.areas));
    for section in &plan.sections {
        assert_eq!(store.plan_section(sale::venue().id, 1, &section.id).await.unwrap().as_ref(), Some(section));
    }
    assert_eq!(store.plan_overview(sale::venue().id, 2).await.unwrap(), None);
    assert_eq!(store.area_remaining(sale::show().id, &plan.areas).await.unwrap(), [50]);
}

#[tokio::test]
async fn a_venue_is_seen_only_with_its_plan() {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    let venue = Venue { plan_version: 0, ..sale::venue() };
    store.create_venue(&venue, "a").await.unwrap();
    assert_eq!(store.venue(venue.id).await.unwrap(), None);
    assert_eq!(store.create_venue(&venue, "b").await, Err(Error::Refused(Refusal::IdempotencyMismatch)));
    store.put_plan(&sale::venue(), &sale::plan(), "a").await.unwrap();
    assert_eq!(store.create_venue(&venue, "a").await, Ok(sale::venue()));
}

/// A section of the largest size that an import lets through fits an item and comes back the same.
#[tokio::test]
async fn the_largest_section_fits() {
    let (_engine, store) = published().await;
    let mut plan = sale::plan();
    let row = plan.sections[0].rows[0].clone();
    let rows = (0..100).map(|n| {
        let mut row = row.clone();
        row.id = format!("row-{n}").parse().unwrap();
        row.seats = (0..50)
            .map(|seat| {
                let mut one = row.seats[0].clone();
                one.name = format!("seat-{seat}").parse().unwrap();
                // To a thousandth, as plans are imported.
                one.x = format!("{seat}.123").parse().unwrap();
                one.y = format!("{n}.871").parse().unwrap();
                one
            })
            .collect();
        row
    });
    plan.sections = vec![Section { rows: rows.collect(), ..plan.sections[0].clone() }];
    assert_eq!(plan.seat_count(), 5_000);
    store.put_plan(&sale::venue(), &plan, "the sale of the tests").await.unwrap();
    let read = store.plan_section(sale::venue().id, 1, &plan.sections[0].id).await.unwrap();
    assert!(read.as_ref() == Some(&plan.sections[0]), "it is read back as it was written");
}

#[tokio::test]
async fn publishing_again_changes_nothing_and_another_request_is_refused() {
    let (_engine, store) = published().await;
    sale::hold(&store, |_| ()).await;
    sale::publish(&store).await;
    assert_eq!(store.area_remaining(sale::show().id, &sale::plan().areas).await.unwrap(), [49], "not filled up again");
    assert_eq!(store.listed(sale::event().id, true).await.unwrap().unwrap().shows.len(), 1);
    let refused = store.create_show(&sale::show(), "Kamani", &[], "another").await;
    assert_eq!(refused, Err(Error::Refused(Refusal::IdempotencyMismatch)));
    let refused = store.create_event(&sale::event(), "another").await;
    assert_eq!(refused, Err(Error::Refused(Refusal::IdempotencyMismatch)));
}

#[tokio::test]
async fn an_organisers_events_are_listed_newest_first_whatever_their_shows() {
    let (_engine, store) = published().await;
    let owner = sale::event().owner;
    let mut made = vec![sale::event().id];
    for n in 1..=4u128 {
        let created_at = shift(sale::held_at(), SignedDuration::from_secs(i64::try_from(n).unwrap()));
        // Ids that are derived from a key are in no order of time.
        let event = Event { id: EventId::from_uuid(Uuid::from_u128(900 - n)), created_at, ..sale::event() };
        store.create_event(&event, "f").await.unwrap();
        let again = Event { created_at: shift(created_at, SignedDuration::from_secs(60)), ..event.clone() };
        assert_eq!(store.create_event(&again, "f").await.unwrap().event, event, "the first stays, and its place");
        made.insert(0, event.id);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let (page, next) = store.events_of(&owner, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        seen.extend(page.into_iter().map(|listed| listed.event.id));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    assert_eq!(store.events_of(&"nobody".parse().unwrap(), None, 2).await.unwrap(), (Vec::new(), None));
}

#[tokio::test]
async fn shows_published_at_the_same_time_are_all_listed() {
    let (_engine, store) = published().await;
    let published = (0..4).map(|n| {
        let store = store.clone();
        async move { store.create_show(&show(100 + n, 10), "Kamani", &[], "f").await.unwrap() }
    });
    futures::future::join_all(published).await;
    assert_eq!(store.listed(sale::event().id, true).await.unwrap().unwrap().shows.len(), 5);
}

/// Whatever is lost on the way, publishing again ends in one show, found once, with full counters.
#[tokio::test]
async fn publishing_survives_the_loss_of_any_call() {
    for fault in [Fault::DropBeforeSend, Fault::DropAfterCommit, Fault::Throttle] {
        for lost in 0..12 {
            let engine = Engine::temporary().await;
            let store = table::impatient_store(&engine);
            let calls = Arc::new(AtomicU32::new(0));
            engine.set_fault(Some(Arc::new(move |_| {
                if calls.fetch_add(1, Ordering::SeqCst) == lost { fault } else { Fault::None }
            })));
            let mut tries = 0;
            while let Err(why) = publish(&store).await {
                tries += 1;
                assert!(tries < 3 && matches!(why, Error::Store(_)), "{fault:?} {lost}: {why}");
            }
            engine.set_fault(None);
            assert_eq!(found(&store, &from(sale::held_at())).await.len(), 1, "{fault:?} {lost}");
            let (own, _) = store.events_of(&sale::event().owner, None, 10).await.unwrap();
            assert_eq!(own.len(), 1, "{fault:?} {lost}");
            assert_eq!(store.area_remaining(sale::show().id, &sale::plan().areas).await.unwrap(), [50]);
            assert_eq!(store.listed(sale::event().id, true).await.unwrap().unwrap().shows.len(), 1);
        }
    }
}

/// A plan is one partition: one of several megabytes is more than it takes in a second.
#[tokio::test]
async fn a_plan_is_written_however_busy_its_partition_is_for_a_moment() {
    let engine = Engine::temporary().await;
    let store = table::impatient_store(&engine);
    let venue = Venue { plan_version: 0, ..sale::venue() };
    store.create_venue(&venue, "f").await.unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    engine.set_fault(Some(Arc::new(move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) < 2 { Fault::Throttle } else { Fault::None }
    })));
    store.put_plan(&sale::venue(), &sale::plan(), "f").await.unwrap();
    assert!(calls.load(Ordering::SeqCst) > 2);
    assert_eq!(store.venue(venue.id).await.unwrap().unwrap().plan_version, sale::venue().plan_version);
}

async fn publish(store: &Store) -> Result<(), Error> {
    let venue = store.create_venue(&Venue { plan_version: 0, ..sale::venue() }, "f").await?;
    if venue.plan_version == 0 {
        store.put_plan(&sale::venue(), &sale::plan(), "f").await?;
    }
    store.create_event(&sale::event(), "f").await?;
    store.create_show(&sale::show(), "Kamani", &sale::plan().areas, "f").await?;
    Ok(())
}

#[tokio::test]
async fn a_change_is_written_once_and_not_over_another() {
    let (_engine, store) = published().await;
    let paused = Show { status: ShowStatus::Paused, version: 2, ..sale::show() };
    assert!(store.update_show(&paused, sale::held_at()).await.unwrap());
    assert!(!store.update_show(&Show { version: 2, ..sale::show() }, sale::held_at()).await.unwrap());
    assert_eq!(store.show_now(paused.id).await.unwrap(), Some(paused.clone()));
    let cheaper = Show {
        prices: [("silver".parse().unwrap(), 1), ("standing".parse().unwrap(), 2)].into(),
        version: 3,
        ..paused
    };
    assert!(store.update_show(&cheaper, sale::held_at()).await.unwrap());
    let listed = store.listed(sale::event().id, true).await.unwrap().unwrap();
    assert_eq!((listed.shows[0].from_minor, listed.venues.len()), (1, 1));
    assert_eq!(listed.venues[0].name, sale::venue().name, "the name stays");
}

#[tokio::test]
async fn areas_are_counted_in_shards_that_sum_to_the_capacity() {
    let (_engine, store) = published().await;
    let mut area = sale::plan().areas[0].clone();
    area.capacity = 7_777;
    let shards = area_shards(area.capacity);
    assert_eq!(shards, 16);
    store.create_show(&show(200, 3), "Kamani", std::slice::from_ref(&area), "f").await.unwrap();
    assert_eq!(store.area_remaining(show(200, 3).id, &[area]).await.unwrap(), [7_777]);
}

/// Shows on many days in many months: an event is listed once, on the day of its first show in the range, and a page
/// goes on exactly where the one before ended.
#[tokio::test]
async fn lists_go_by_the_first_day_in_the_range_over_all_pages() {
    let (engine, store) = published().await;
    for n in 0..12u32 {
        let id = EventId::from_uuid(Uuid::from_u128(500 + u128::from(n)));
        let event = Event { id, title: format!("Play {n}"), city: "Pune".into(), ..sale::event() };
        store.create_event(&event, "f").await.unwrap();
        for (k, days) in [(0, 400), (1, i64::from(n) * 5), (2, 200)] {
            let show = Show { event: id, ..show(1_000 + u128::from(n) * 10 + k, days) };
            store.create_show(&show, "Kamani", &[], "f").await.unwrap();
        }
    }
    let now = shift(sale::held_at(), SignedDuration::from_secs(-1));
    for (start, limit, first) in [(0, 5, 0), (11, 3, 3), (56, 100, 0)] {
        let search =
            Search { city: Some("pune".into()), from: shift(now, SignedDuration::from_hours(24 * start)), ..from(now) };
        let mut titles = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = store.find(&search, after.as_deref(), limit).await.unwrap();
            assert!(page.events.len() <= limit);
            titles.extend(page.events.into_iter().map(|listed| listed.event.title));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let distinct: std::collections::BTreeSet<_> = titles.iter().collect();
        assert_eq!((titles.len(), distinct.len()), (12, 12), "{start}: {titles:?}");
        if start < 56 {
            assert_eq!(titles[0], format!("Play {first}"));
        }
    }
    let before = engine.meter().total();
    found(&store, &Search { city: Some("nowhere".into()), ..from(now) }).await;
    let calls = (engine.meter().total() - before).calls;
    assert!(calls <= 1 + 5, "one look at the months that have entries, then each: {calls}");
}

/// A search that reads more months than one page may ends its page early and goes on where it stopped.
#[tokio::test]
async fn a_page_bounded_in_reads_goes_on_behind_empty_months() {
    let (_engine, store) = published().await;
    for n in 0..40 {
        store.create_show(&show(3_000 + n, 31 * i64::try_from(n).unwrap()), "Kamani", &[], "f").await.unwrap();
    }
    let id = EventId::from_uuid(Uuid::from_u128(700));
    store.create_event(&Event { id, city: "Goa".into(), ..sale::event() }, "f").await.unwrap();
    store.create_show(&Show { event: id, ..show(4_000, 31 * 39) }, "Kamani", &[], "f").await.unwrap();
    let search = Search { city: Some("goa".into()), ..from(sale::held_at()) };
    let mut pages = Vec::new();
    let mut after: Option<String> = None;
    while pages.len() < 4 {
        let page = store.find(&search, after.as_deref(), 10).await.unwrap();
        pages.push(page.events.len());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [0, 1]);
}
