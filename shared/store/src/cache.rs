//! Answers kept for a moment in this instance, so that what every buyer of a show reads is read once.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    StoreError,
    availability::{SeatState, SectionAvailability, state_at},
    best::{Ask, Search},
    catalogue::{Event, Show, Venue},
    house::Range,
    ids::{AreaId, EventId, SeatId, SectionId, ShowId, VenueId},
    plan::{Row, Section},
    waitlist::house::House,
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;

use crate::{
    Store,
    plan::{PlanOverview, SectionOverview},
};

/// A change of a show is seen after this long at the latest; the promise is five seconds.
const SHOW_AGE_MAX: Duration = Duration::from_secs(3);
/// Availability is this old at most; with the stream's own delay the promise is two seconds.
const AVAILABILITY_AGE_MAX: Duration = Duration::from_secs(1);
/// Plans never change: they only make room for others.
const PLAN_AGE_MAX: Duration = Duration::from_hours(1);
/// Shows, events, venues kept.
const ENTRIES_MAX: usize = 1_000;
/// Plan overviews kept.
const OVERVIEWS_MAX: usize = 100;
/// Plan sections kept, of up to a few hundred kilobytes each.
const SECTIONS_MAX: usize = 256;

type Answer<V> = Shared<BoxFuture<'static, Result<Option<V>, StoreError>>>;

struct Entry<V> {
    asked_at: Instant,
    answer: Answer<V>,
}

/// Keeps answers by key for `age_max`, counted from when they were asked for. Callers who ask at the same time wait for
/// one load. Failures and absence are never kept.
pub struct Cache<K, V> {
    age_max: Duration,
    entries_max: usize,
    entries: Mutex<HashMap<K, Entry<V>>>,
}

impl<K: Clone + Eq + Hash, V: Clone + Send + Sync + 'static> Cache<K, V> {
    /// An empty cache of up to `entries_max` answers.
    #[must_use]
    pub fn new(age_max: Duration, entries_max: usize) -> Self {
        Self { age_max, entries_max, entries: Mutex::default() }
    }

    /// The answer for `key`: a kept one, the one that is under way, or what `load` brings.
    ///
    /// # Errors
    /// Those of `load`; everybody who waits for it gets them.
    pub async fn get<F>(&self, key: K, load: impl FnOnce() -> F) -> Result<Option<V>, StoreError>
    where
        F: Future<Output = Result<Option<V>, StoreError>> + Send + 'static,
    {
        let answer = self.answer(&key, load);
        let outcome = answer.clone().await;
        if !matches!(outcome, Ok(Some(_))) {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            if entries.get(&key).is_some_and(|entry| entry.answer.ptr_eq(&answer)) {
                entries.remove(&key);
            }
        }
        outcome
    }

    fn answer<F>(&self, key: &K, load: impl FnOnce() -> F) -> Answer<V>
    where
        F: Future<Output = Result<Option<V>, StoreError>> + Send + 'static,
    {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(key).filter(|entry| entry.asked_at.elapsed() < self.age_max) {
            return entry.answer.clone();
        }
        if entries.len() >= self.entries_max {
            self.make_room(&mut entries);
        }
        let answer = load().boxed().shared();
        entries.insert(key.clone(), Entry { asked_at: Instant::now(), answer: answer.clone() });
        answer
    }

    /// Drops what is too old, and the oldest if that is not enough.
    fn make_room(&self, entries: &mut HashMap<K, Entry<V>>) {
        entries.retain(|_, entry| entry.asked_at.elapsed() < self.age_max);
        if entries.len() >= self.entries_max {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.asked_at).map(|(key, _)| key.clone());
            oldest.and_then(|key| entries.remove(&key));
        }
    }
}

/// What a claim and a map need to know of a show, kept for a moment: shows, venues, plans, availability.
pub struct Catalogue {
    store: Store,
    shows: Cache<ShowId, Arc<Show>>,
    events: Cache<EventId, Arc<Event>>,
    venues: Cache<VenueId, Arc<Venue>>,
    overviews: Cache<(VenueId, u32), Arc<PlanOverview>>,
    sections: Cache<(VenueId, u32, SectionId), Arc<Section>>,
    section_states: Cache<(ShowId, SectionId), Arc<SectionAvailability>>,
    show_states: Cache<ShowId, Arc<ShowAvailability>>,
}

/// A show's availability: every section of its plan and every area, in plan order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowAvailability {
    /// Untouched sections included.
    pub sections: Vec<SectionAvailability>,
    /// Places left.
    pub areas: Vec<u32>,
}

impl ShowAvailability {
    /// Each section of `plan` with its number of seats.
    pub fn of_sections<'a>(
        &'a self,
        plan: &'a PlanOverview,
    ) -> impl Iterator<Item = (&'a SectionId, u32, &'a SectionAvailability)> {
        let sections = plan.sections.iter().zip(&self.sections);
        sections.map(|(section, states)| (&section.id, section.seat_count, states))
    }

    /// Each area of `plan` with its places left.
    pub fn of_areas<'a>(&'a self, plan: &'a PlanOverview) -> impl Iterator<Item = (&'a AreaId, u32)> {
        plan.areas.iter().zip(&self.areas).map(|(area, &remaining)| (&area.id, remaining))
    }
}

impl Catalogue {
    /// Nothing kept yet.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
            shows: Cache::new(SHOW_AGE_MAX, ENTRIES_MAX),
            events: Cache::new(SHOW_AGE_MAX, ENTRIES_MAX),
            venues: Cache::new(SHOW_AGE_MAX, ENTRIES_MAX),
            overviews: Cache::new(PLAN_AGE_MAX, OVERVIEWS_MAX),
            sections: Cache::new(PLAN_AGE_MAX, SECTIONS_MAX),
            section_states: Cache::new(AVAILABILITY_AGE_MAX, ENTRIES_MAX),
            show_states: Cache::new(AVAILABILITY_AGE_MAX, OVERVIEWS_MAX),
        }
    }

    /// The show, at most 3 s old.
    ///
    /// # Errors
    /// The table's.
    pub async fn show(&self, id: ShowId) -> Result<Option<Arc<Show>>, StoreError> {
        let store = self.store.clone();
        self.shows.get(id, || async move { Ok(store.show(id).await?.map(Arc::new)) }).await
    }

    /// The event, at most 3 s old.
    ///
    /// # Errors
    /// The table's.
    pub async fn event(&self, id: EventId) -> Result<Option<Arc<Event>>, StoreError> {
        let store = self.store.clone();
        self.events.get(id, || async move { Ok(store.event(id).await?.map(Arc::new)) }).await
    }

    /// The venue, at most 3 s old.
    ///
    /// # Errors
    /// The table's.
    pub async fn venue(&self, id: VenueId) -> Result<Option<Arc<Venue>>, StoreError> {
        let store = self.store.clone();
        self.venues.get(id, || async move { Ok(store.venue(id).await?.map(Arc::new)) }).await
    }

    /// A plan without its seats.
    ///
    /// # Errors
    /// The table's.
    pub async fn plan_overview(&self, venue: VenueId, version: u32) -> Result<Option<Arc<PlanOverview>>, StoreError> {
        let store = self.store.clone();
        let load = || async move { Ok(store.plan_overview(venue, version).await?.map(Arc::new)) };
        self.overviews.get((venue, version), load).await
    }

    /// One section of a plan, with its seats.
    ///
    /// # Errors
    /// The table's.
    pub async fn plan_section(
        &self,
        venue: VenueId,
        version: u32,
        section: &SectionId,
    ) -> Result<Option<Arc<Section>>, StoreError> {
        let (store, section) = (self.store.clone(), section.clone());
        let key = (venue, version, section.clone());
        let load = || async move { Ok(store.plan_section(venue, version, &section).await?.map(Arc::new)) };
        self.sections.get(key, load).await
    }

    /// The seats of these ranges of a show's plan, in their order; `None` when it has no such seats, or one is in two ranges.
    ///
    /// # Errors
    /// The table's.
    pub async fn seats_of(&self, show: &Show, ranges: &[Range]) -> Result<Option<Vec<SeatId>>, StoreError> {
        let mut seats = Vec::new();
        for range in ranges {
            let section = self.plan_section(show.venue, show.plan_version, &range.section_id).await?;
            let Some(found) = section.as_deref().and_then(|section| range.seats(section)) else { return Ok(None) };
            seats.extend(found);
        }
        let distinct: HashSet<&SeatId> = seats.iter().collect();
        Ok((distinct.len() == seats.len()).then_some(seats))
    }

    /// What the map shows of a section, at most 1 s old.
    ///
    /// # Errors
    /// The table's.
    pub async fn availability(
        &self,
        show: ShowId,
        section: &SectionId,
    ) -> Result<Arc<SectionAvailability>, StoreError> {
        let (store, section) = (self.store.clone(), section.clone());
        let key = (show, section.clone());
        let load = || async move { store.availability(show, &section).await.map(Arc::new).map(Some) };
        Ok(self.section_states.get(key, load).await?.unwrap_or_default())
    }

    /// The best seats for `ask`, without those in `lost`. Sections are read as far as one may have something better, from
    /// where everybody looks outwards, one item each. By the map: the claim decides what is free. Of so many `choices` that
    /// are as good but for the distance it is the one that `pick` falls on.
    ///
    /// # Errors
    /// The table's.
    pub async fn best_available(
        &self,
        show: &Show,
        ask: &Ask,
        lost: &HashSet<SeatId>,
        (choices, pick): (usize, usize),
    ) -> Result<Option<Vec<SeatId>>, StoreError> {
        let Some(plan) = self.plan_overview(show.venue, show.plan_version).await? else { return Ok(None) };
        let focus = plan.focus();
        let wanted = |section: &SectionOverview| {
            let here = ask.section.as_ref().is_none_or(|wanted| *wanted == section.id);
            here && (section.categories.is_empty() || ask.takes_any(&section.categories))
        };
        let begins_at = |section: &SectionOverview| focus.map_or(0.0, |focus| section.begins_at(focus));
        let sections = plan.sections.iter().filter(|section| wanted(section));
        let mut sections: Vec<_> = sections.map(|section| (begins_at(section), section)).collect();
        sections.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut search = Search::new(ask, focus).with_choices(choices);
        for (begins_at, overview) in sections {
            if search.is_over(begins_at) {
                break;
            }
            let Some(section) = self.plan_section(show.venue, show.plan_version, &overview.id).await? else {
                continue;
            };
            let states = self.availability(show.id, &overview.id).await?;
            let is_free = |row: &Row, index: usize| {
                let bits = states.rows.get(&row.id).map_or(&[][..], |packed| &packed.bits);
                let id =
                    || SeatId { section: section.id.clone(), row: row.id.clone(), seat: row.seats[index].name.clone() };
                state_at(bits, index) == SeatState::Free && (lost.is_empty() || !lost.contains(&id()))
            };
            search.look(&section, is_free);
        }
        Ok(search.found(pick))
    }

    /// What is free of a show by the map, at most 1 s old.
    ///
    /// # Errors
    /// The table's.
    pub async fn house(&self, show: &Show) -> Result<House, StoreError> {
        let Some(plan) = self.plan_overview(show.venue, show.plan_version).await? else { return Ok(House::default()) };
        let Some(known) = self.show_availability(show.id, &plan).await? else { return Ok(House::default()) };
        self.house_of(show, &plan, &known, &HashSet::new()).await
    }

    /// What is free of a show by the map as it is now, not as it was kept; and the seats of `freed`, which came back a
    /// moment ago.
    ///
    /// # Errors
    /// The table's.
    pub async fn house_now(&self, show: &Show, freed: &HashSet<SeatId>) -> Result<House, StoreError> {
        let Some(plan) = self.plan_overview(show.venue, show.plan_version).await? else { return Ok(House::default()) };
        let now = self.store.show_availability(show.id, &plan).await?;
        self.house_of(show, &plan, &now, freed).await
    }

    async fn house_of(
        &self,
        show: &Show,
        plan: &PlanOverview,
        known: &ShowAvailability,
        freed: &HashSet<SeatId>,
    ) -> Result<House, StoreError> {
        let mut house = House::default();
        for (overview, states) in plan.sections.iter().zip(&known.sections) {
            let has_freed = freed.iter().any(|seat| seat.section == overview.id);
            if states.counts().taken() >= overview.seat_count && !has_freed {
                continue;
            }
            if let Some(section) = self.plan_section(show.venue, show.plan_version, &overview.id).await? {
                house.add_section(section, states, freed);
            }
        }
        for (area, &remaining) in plan.areas.iter().zip(&known.areas) {
            house.add_area(area.id.clone(), area.category.clone(), remaining);
        }
        Ok(house)
    }

    /// The counts of all sections and areas of a show, at most 1 s old.
    ///
    /// # Errors
    /// The table's.
    pub async fn show_availability(
        &self,
        show: ShowId,
        overview: &Arc<PlanOverview>,
    ) -> Result<Option<Arc<ShowAvailability>>, StoreError> {
        let (store, overview) = (self.store.clone(), Arc::clone(overview));
        let load = || async move { Ok(Some(Arc::new(store.show_availability(show, &overview).await?))) };
        self.show_states.get(show, load).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    type Counted = Cache<&'static str, u32>;

    /// Asks for `key`; the answer is how many loads there have been.
    async fn ask(cache: &Counted, key: &'static str, loads: &Arc<AtomicU32>) -> Option<u32> {
        let loads = Arc::clone(loads);
        let load = || async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(Some(loads.fetch_add(1, Ordering::SeqCst) + 1))
        };
        cache.get(key, load).await.unwrap()
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_waits_for_one_load() {
        let (cache, loads) = (Cache::new(Duration::from_secs(1), 10), Arc::default());
        let answers = futures::future::join_all((0..50).map(|_| ask(&cache, "k", &loads))).await;
        assert!(answers.iter().all(|answer| *answer == Some(1)));
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_time_and_no_longer() {
        let age_max = Duration::from_millis(200);
        let (cache, loads) = (Cache::new(age_max, 10), Arc::default());
        assert_eq!(ask(&cache, "k", &loads).await, Some(1));
        let asked_at = Instant::now();
        let again = ask(&cache, "k", &loads).await;
        assert!(again == Some(1) || asked_at.elapsed() > age_max / 2, "kept, unless this machine stood still");
        tokio::time::sleep(age_max).await;
        assert_eq!(ask(&cache, "k", &loads).await, Some(2));
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let (cache, loads) = (Cache::new(Duration::from_mins(1), 2), Arc::default());
        for (key, expected) in [("a", 1), ("b", 2), ("c", 3), ("b", 2), ("a", 4)] {
            assert_eq!(ask(&cache, key, &loads).await, Some(expected), "{key}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn failures_and_absence_are_not_kept() {
        let cache: Counted = Cache::new(Duration::from_mins(1), 2);
        assert_eq!(cache.get("k", || async { Err(StoreError::Throttled) }).await, Err(StoreError::Throttled));
        assert_eq!(cache.get("k", || async { Ok(None) }).await, Ok(None));
        assert_eq!(cache.get("k", || async { Ok(Some(1)) }).await, Ok(Some(1)));
    }
}
