//! The catalogue: one entry for each day an event is on, by month, by city and by word. An entry is only a pointer; what
//! is shown comes from the event's own item, which also tells on which day a search lists the event.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    StoreError, Timestamp,
    catalogue::{Listed, Show},
    ids::ShowId,
    reconcile::ShowPlace,
    search::{Search, VenueFilter, city_key, event_words, venue_words},
};

use crate::{
    Store,
    call::{read_failed, write_failed},
    codec::{key_attributes, key_of, s},
    keys::{self, Entry, Key},
};

/// Entries read at a time.
const ENTRIES_PER_READ: usize = 50;
/// Reads of entries for one page of a list; what is not reached is left to the next page.
const READS_PER_PAGE_MAX: usize = 24;
/// Attribute with the set of months that have entries.
const MONTHS: &str = "m";

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of the first day that the search finds each on.
    pub events: Vec<Listed>,
    /// Where the next page begins, if there may be more: handed back as `after`.
    pub next: Option<String>,
}

/// The day of `at`, by UTC: `2026-11-22`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn month(day: &str) -> &str {
    day.get(..7).unwrap_or(day)
}

/// Everything that leads to `show`, an event's newest.
pub(crate) fn entries_of(listed: &Listed, show: &Show, venue_name: &str) -> Vec<Key> {
    let entry = Entry { date: day(show.starts_at), event: show.event };
    let month = month(&entry.date).to_owned();
    let mut words: BTreeSet<String> = event_words(listed).into_iter().collect();
    words.extend(venue_words(venue_name));
    let mut found = vec![Key::All(month.clone(), entry.clone())];
    let city = city_key(&listed.event.city);
    if !city.is_empty() {
        found.push(Key::City(city, month, entry.clone()));
    }
    found.extend(words.into_iter().map(|word| Key::Term(word, entry.clone())));
    found
}

impl Store {
    /// Notes that the month of `show` has an entry, before it has one: a month too many costs a read, one too few would
    /// hide a show.
    pub(crate) async fn open_month(&self, show: &Show) -> Result<(), StoreError> {
        let day = day(show.starts_at);
        if self.months().await?.contains(month(&day)) {
            return Ok(());
        }
        let update = self.client.update_item().table_name(&*self.table).set_key(Some(key_attributes(&Key::Months)));
        let update = update.update_expression("ADD #m :m").expression_attribute_names("#m", MONTHS);
        let update = update.expression_attribute_values(":m", AttributeValue::Ss(vec![month(&day).to_owned()]));
        update.send().await.map(|_| ()).map_err(write_failed)
    }

    async fn months(&self) -> Result<BTreeSet<String>, StoreError> {
        let item = self.get_item(&Key::Months, false).await?;
        let months = item.and_then(|mut item| item.remove(MONTHS));
        Ok(months.and_then(|months| months.as_ss().ok().cloned()).unwrap_or_default().into_iter().collect())
    }

    /// Events with a show that `search` finds, in the order of the day of the first such show; after `after`, a
    /// position of an earlier page, up to `limit`.
    ///
    /// # Errors
    /// The table's.
    pub async fn find(&self, search: &Search, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        let mut position = after.map_or_else(|| day(search.from), str::to_owned);
        let until = search.to.map_or_else(|| "9999-12-31~".to_owned(), |to| format!("{}~", day(to)));
        let mut events = Vec::new();
        let mut last_found = position.clone();
        let mut reads = 0;
        for (partition, end) in self.partitions(search, &position, &until).await? {
            loop {
                if reads == READS_PER_PAGE_MAX {
                    return Ok(Page { events, next: Some(position) });
                }
                reads += 1;
                let entries = self.entries(&partition, &position, &until).await?;
                for (entry, listed) in self.first_days(search, &entries).await? {
                    if events.len() == limit {
                        return Ok(Page { events, next: Some(last_found) });
                    }
                    events.push(listed);
                    last_found = after_entry(entry);
                }
                match entries.last() {
                    Some(last) => position = after_entry(last),
                    None => break,
                }
                if entries.len() < ENTRIES_PER_READ {
                    break;
                }
            }
            // Also past a partition without entries: the next page may not begin before it again.
            position = position.max(end);
        }
        Ok(Page { events, next: None })
    }

    /// The first show behind `after` that starts on the day of `from` or later, in the order of days, events and ids:
    /// each show once, cancelled ones too. One show that is published meanwhile may be missed.
    ///
    /// # Errors
    /// The table's.
    pub async fn next_show(&self, from: Timestamp, after: Option<&ShowPlace>) -> Result<Option<ShowPlace>, StoreError> {
        let first = after.map_or_else(|| day(from), |place| place.day.clone());
        for month in self.months().await?.iter().filter(|it| it.as_str() >= month(&first)) {
            let partition = keys::catalogue_all(month);
            let mut position = after.filter(|place| self::month(&place.day) == month).map_or_else(
                || first.clone(),
                |place| Entry { date: place.day.clone(), event: place.event }.to_string(),
            );
            loop {
                let entries = self.entries(&partition, &position, "9999-12-31~").await?;
                for entry in &entries {
                    let behind = after.filter(|place| place.day == entry.date && place.event == entry.event);
                    if let Some(show) = self.show_of_entry(entry, behind.map(|place| place.show)).await? {
                        return Ok(Some(ShowPlace { day: entry.date.clone(), event: entry.event, show }));
                    }
                }
                match entries.last() {
                    Some(last) if entries.len() == ENTRIES_PER_READ => position = after_entry(last),
                    _ => break,
                }
            }
        }
        Ok(None)
    }

    /// The first of an event's shows on a day, behind `after`.
    async fn show_of_entry(&self, entry: &Entry, after: Option<ShowId>) -> Result<Option<ShowId>, StoreError> {
        let Some(listed) = self.listed(entry.event, false).await? else { return Ok(None) };
        let on_day = listed.shows.iter().filter(|show| day(show.starts_at) == entry.date).map(|show| show.id);
        Ok(on_day.filter(|show| after.is_none_or(|after| *show > after)).min())
    }

    /// The partitions to walk, in the order of days, each with the position after its end.
    async fn partitions(&self, search: &Search, from: &str, until: &str) -> Result<Vec<(String, String)>, StoreError> {
        let venue_words = match &search.venue {
            Some(VenueFilter::Words(words)) => words.as_slice(),
            _ => &[],
        };
        // The longest word is likely the rarest.
        if let Some(word) = search.words.iter().chain(venue_words).max_by_key(|word| word.len()) {
            return Ok(vec![(keys::catalogue_term(word), until.to_owned())]);
        }
        let months = self.months().await?;
        let months = months.iter().filter(|it| it.as_str() >= month(from) && it.as_str() <= month(until));
        let partition = |month: &str| match &search.city {
            Some(city) => keys::catalogue_city(city, month),
            None => keys::catalogue_all(month),
        };
        Ok(months.map(|month| (partition(month), format!("{month}-99"))).collect())
    }

    /// Up to [`ENTRIES_PER_READ`] entries of a partition from `position` on.
    async fn entries(&self, partition: &str, position: &str, until: &str) -> Result<Vec<Entry>, StoreError> {
        if position > until {
            return Ok(Vec::new());
        }
        let query = self.client.query().table_name(&*self.table);
        let query = query
            .key_condition_expression("PK = :pk AND SK BETWEEN :from AND :until")
            .expression_attribute_values(":pk", s(partition))
            .expression_attribute_values(":from", s(position))
            .expression_attribute_values(":until", s(until))
            .limit(i32::try_from(ENTRIES_PER_READ).unwrap_or(i32::MAX));
        let page = query.send().await.map_err(read_failed)?;
        let entry = |item| match key_of(&item)? {
            Key::All(_, entry) | Key::City(_, _, entry) | Key::Term(_, entry) => Ok(entry),
            other => Err(StoreError::Corrupt(format!("{other:?} in the catalogue"))),
        };
        page.items.unwrap_or_default().into_iter().map(entry).collect()
    }

    /// Those of `entries` that stand for the first day on which `search` finds their event: each event is listed once,
    /// whatever page its other days fall on.
    async fn first_days<'a>(
        &self,
        search: &Search,
        entries: &'a [Entry],
    ) -> Result<Vec<(&'a Entry, Listed)>, StoreError> {
        let ids: BTreeSet<_> = entries.iter().map(|entry| entry.event).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let events = self.listed_by_id(&ids, false).await?;
        let is_first = |entry: &Entry, listed: &Listed| {
            search.shows_of(listed).first().is_some_and(|(show, _)| day(show.starts_at) == entry.date)
        };
        let found = entries.iter().filter_map(|entry| {
            let listed = events.get(&entry.event).filter(|listed| is_first(entry, listed))?;
            Some((entry, listed.clone()))
        });
        Ok(found.collect())
    }
}

/// The position right after an entry: sort keys of the same length come later only if they differ before its end.
fn after_entry(entry: &Entry) -> String {
    format!("{entry}!")
}
