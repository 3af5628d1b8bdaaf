//! What is on: venues, events and their shows, and how people find them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    Timestamp,
    ids::{CategoryId, EventId, IdempotencyKey, ShowId, UserId, VenueId},
    money::{Currency, Money},
    orphan::OrphanRule,
    refund::Policy,
    waitlist::Wishes,
};

/// A show's holds live this long unless it says otherwise, in seconds.
pub const HOLD_TTL_SECONDS_DEFAULT: u32 = 600;
/// What a show may ask for: an SQS delay ends at 15 minutes.
pub const HOLD_TTL_SECONDS: std::ops::RangeInclusive<u32> = 60..=840;
/// Places one buyer may have at a show unless it says otherwise.
pub const SEATS_PER_BUYER_DEFAULT: u32 = 6;
/// What a show may ask for.
pub const SEATS_PER_BUYER: std::ops::RangeInclusive<u32> = 1..=100;

/// Places that a show may sell beyond an area's capacity, in percent of it.
pub const OVERBOOKING_PERCENT: std::ops::RangeInclusive<u32> = 0..=5;

/// Shows of one event, at most: its catalogue item lists them all.
pub const SHOWS_PER_EVENT_MAX: usize = 1_000;
/// One price, at most, in minor units.
pub const PRICE_MINOR_MAX: i64 = 100_000_000_000;

/// A general-admission area has a counter shard for every so many places.
const AREA_SHARD_PLACES: u32 = 500;
/// Counter shards of one area, at most: a claim looks through them all when places run out.
pub const AREA_SHARDS_MAX: u32 = 20;

/// Number of counter shards of an area of `capacity` places. Stored counters depend on it: it may never change.
#[must_use]
pub fn area_shards(capacity: u32) -> u16 {
    let shards = capacity.div_ceil(AREA_SHARD_PLACES).clamp(1, AREA_SHARDS_MAX);
    u16::try_from(shards).unwrap_or(1)
}

/// Places that each shard of an area of `capacity` starts with; `places` in all.
pub fn area_shares(capacity: u32, places: u32) -> impl Iterator<Item = (u16, u32)> {
    let shards = area_shards(capacity);
    let (each, over) = (places / u32::from(shards), places % u32::from(shards));
    (0..shards).map(move |shard| (shard, each + u32::from(u32::from(shard) < over)))
}

/// The UUID (version 8) of what `user` creates under an idempotency key: the same always gives the same, so that a
/// retry finds what the first attempt made. `scope` says what kind of thing it is, and where.
#[must_use]
pub fn derived_uuid(scope: &str, user: &UserId, key: &IdempotencyKey) -> Uuid {
    // Not a secret: these ids are public, and the key only keeps them apart from other uses of the hash.
    let mut mac = Hmac::<Sha256>::new_from_slice(b"usher catalogue").expect("HMAC takes a key of any length");
    for part in [scope, user.as_str(), key.as_str()] {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part.as_bytes());
    }
    let digest = mac.finalize().into_bytes();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Digest of a request to create something: the same key with another request is refused.
#[must_use]
pub fn fingerprint(request: &[u8]) -> String {
    Sha256::digest(request)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A place with seating plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Venue {
    /// Its id.
    pub id: VenueId,
    /// The organiser who may change it.
    pub owner: UserId,
    /// As people know it, in any script.
    pub name: String,
    /// The city, for browsing.
    pub city: String,
    /// IANA name: shows are printed in this zone.
    pub time_zone: String,
    /// The newest version of its plan; plans are immutable.
    pub plan_version: u32,
}

/// What kind of thing is performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// A film.
    Movies,
    /// Music.
    Concerts,
    /// A match or a race.
    Sports,
    /// A play, an opera, a ballet.
    Theatre,
}

/// What is performed, once or many times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// The organiser who may change it.
    pub owner: UserId,
    /// Its name, in any script.
    pub title: String,
    /// What kind of thing it is.
    pub category: Category,
    /// Where it is, for browsing.
    pub city: String,
    /// A few paragraphs.
    pub description: Option<String>,
    /// Who performs.
    pub artists: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Whether a show sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ShowStatus {
    /// From `on_sale_at` on.
    #[serde(alias = "OPEN")]
    OnSale,
    /// Not for the moment: holds already made may still be paid.
    Paused,
    /// Not any more.
    Closed,
    /// It does not take place.
    Cancelled,
}

/// Whether buyers come in through the waiting room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingRoom {
    /// Holds need an admission.
    pub enabled: bool,
    /// When the doors open.
    #[serde(default)]
    pub opens_at: Option<Timestamp>,
    /// Admissions alive at once, at most, where the show says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admissions_max: Option<u32>,
}

/// One performance of an event at a venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Its id.
    pub id: ShowId,
    /// What is performed.
    pub event: EventId,
    /// Where.
    pub venue: VenueId,
    /// Which version of the venue's plan it sells.
    pub plan_version: u32,
    /// The organiser who may change it.
    pub owner: UserId,
    /// When it starts.
    pub starts_at: Timestamp,
    /// The venue's IANA time zone.
    pub time_zone: String,
    /// When sales begin.
    pub on_sale_at: Timestamp,
    /// Whether it sells.
    pub status: ShowStatus,
    /// Of every price.
    pub currency: Currency,
    /// Minor units for each category of the plan.
    pub prices: BTreeMap<CategoryId, i64>,
    /// Places one buyer may have, where the show says so itself.
    pub max_seats_per_buyer: Option<u32>,
    /// How long a hold lives, in seconds, where the show says so itself.
    pub hold_ttl_seconds: Option<u32>,
    /// Whether buyers come in through the waiting room.
    pub waiting_room: WaitingRoom,
    /// What buyers who cancel get back.
    #[serde(default)]
    pub refund_policy: Policy,
    /// Whether holds may leave single seats.
    #[serde(default)]
    pub orphan_rule: OrphanRule,
    /// Places sold beyond the capacity of each area, in percent of it, rounded down. What its counters were opened with.
    #[serde(default)]
    pub overbooking_percent: u32,
    /// What the names on its waitlist wait for. Kept beside the show, and changed without it.
    #[serde(skip)]
    pub wishes: Wishes,
    /// When it was published.
    pub created_at: Timestamp,
    /// One more with every change.
    pub version: u64,
}

impl Show {
    /// The price of a place of `category`.
    #[must_use]
    pub fn price(&self, category: &CategoryId) -> Option<Money> {
        self.prices.get(category).map(|&minor| Money::new(minor, self.currency))
    }

    /// The cheapest of its prices.
    #[must_use]
    pub fn from_price(&self) -> Option<Money> {
        self.prices.values().min().map(|&minor| Money::new(minor, self.currency))
    }

    /// How long a hold lives, in seconds: the show's own value, else `default` (the environment's).
    #[must_use]
    pub fn hold_ttl_seconds(&self, default: u32) -> u32 {
        self.hold_ttl_seconds.unwrap_or(default)
    }

    /// Places that it sells of an area of `capacity`.
    #[must_use]
    pub fn area_places(&self, capacity: u32) -> u32 {
        let extra = u64::from(capacity) * u64::from(self.overbooking_percent) / 100;
        capacity.saturating_add(u32::try_from(extra).unwrap_or(u32::MAX))
    }

    /// Places one buyer may have.
    #[must_use]
    pub fn max_seats_per_buyer(&self) -> u32 {
        self.max_seats_per_buyer.unwrap_or(SEATS_PER_BUYER_DEFAULT)
    }
}

/// A venue in an event's list of shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedVenue {
    /// Which.
    #[serde(rename = "i")]
    pub id: VenueId,
    /// Its name when the show was published.
    #[serde(rename = "n")]
    pub name: String,
}

/// A show in its event's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedShow {
    /// Which.
    #[serde(rename = "i")]
    pub id: ShowId,
    /// Number of its venue in the list's venues.
    #[serde(rename = "v")]
    pub venue: u16,
    /// When it starts.
    #[serde(rename = "s", with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub starts_at: Timestamp,
    /// The cheapest price, in minor units.
    #[serde(rename = "p")]
    pub from_minor: i64,
    /// Of that price.
    #[serde(rename = "c")]
    pub currency: Currency,
    /// It does not take place.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
}

/// An event with the list of its shows, as the catalogue keeps it: what every list and search is answered from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The event.
    pub event: Event,
    /// Where its shows are.
    pub venues: Vec<ListedVenue>,
    /// In no particular order.
    pub shows: Vec<ListedShow>,
    /// One more with every change.
    pub version: u64,
}

impl Listed {
    /// An event without shows yet.
    #[must_use]
    pub const fn new(event: Event) -> Self {
        Self { event, venues: Vec::new(), shows: Vec::new(), version: 0 }
    }

    /// Enters `show`, or what has changed of it. `false` when there is no room for another.
    #[must_use]
    pub fn enter(&mut self, show: &Show, venue_name: &str) -> bool {
        let known = self.shows.iter().position(|listed| listed.id == show.id);
        let venue = self.venues.iter().position(|venue| venue.id == show.venue).unwrap_or(self.venues.len());
        let Ok(number) = u16::try_from(venue) else { return false };
        let listed = ListedShow {
            id: show.id,
            venue: number,
            starts_at: show.starts_at,
            from_minor: show.prices.values().min().copied().unwrap_or_default(),
            currency: show.currency,
            cancelled: show.status == ShowStatus::Cancelled,
        };
        match known {
            Some(known) => self.shows[known] = listed,
            None if self.shows.len() >= SHOWS_PER_EVENT_MAX => return false,
            None => self.shows.push(listed),
        }
        if venue == self.venues.len() {
            self.venues.push(ListedVenue { id: show.venue, name: venue_name.to_owned() });
        }
        true
    }

    /// Its shows by start, cancelled ones too.
    #[must_use]
    pub fn by_start(&self) -> Vec<&ListedShow> {
        let mut shows: Vec<&ListedShow> = self.shows.iter().collect();
        shows.sort_by_key(|show| (show.starts_at, show.id));
        shows
    }
}

/// The cheapest of `shows` that are priced in the first one's currency: amounts of different currencies do not compare.
pub fn cheapest<'a>(shows: impl IntoIterator<Item = &'a ListedShow>) -> Option<Money> {
    let mut shows = shows.into_iter();
    let first = shows.next()?;
    let others = shows.filter(|show| show.currency == first.currency).map(|show| show.from_minor);
    Some(Money::new(others.fold(first.from_minor, i64::min), first.currency))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::{Search, VenueFilter, city_key, words};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn show(number: u128, venue: u128, starts_at: &str, minor: i64) -> Show {
        Show {
            id: ShowId::from_uuid(Uuid::from_u128(number)),
            event: EventId::from_uuid(Uuid::from_u128(1)),
            venue: VenueId::from_uuid(Uuid::from_u128(venue)),
            plan_version: 1,
            owner: "olga".parse().unwrap(),
            starts_at: at(starts_at),
            time_zone: "Asia/Kolkata".to_owned(),
            on_sale_at: at("2026-11-01T00:00:00Z"),
            status: ShowStatus::OnSale,
            currency: "INR".parse().unwrap(),
            prices: BTreeMap::from([("a".parse().unwrap(), minor), ("b".parse().unwrap(), minor * 2)]),
            max_seats_per_buyer: None,
            hold_ttl_seconds: None,
            waiting_room: WaitingRoom::default(),
            refund_policy: Policy::default(),
            orphan_rule: OrphanRule::default(),
            overbooking_percent: 0,
            wishes: Wishes::default(),
            created_at: at("2026-10-01T00:00:00Z"),
            version: 1,
        }
    }

    fn listed() -> Listed {
        let mut listed = Listed::new(Event {
            id: EventId::from_uuid(Uuid::from_u128(1)),
            owner: "olga".parse().unwrap(),
            title: "The Magic Flute".to_owned(),
            category: Category::Theatre,
            city: "Mumbai".to_owned(),
            description: None,
            artists: vec!["Zoë Bell".to_owned()],
            created_at: at("2026-10-01T00:00:00Z"),
        });
        assert!(listed.enter(&show(1, 7, "2026-12-01T14:00:00Z", 500), "Royal Opera House"));
        assert!(listed.enter(&show(2, 8, "2026-12-05T14:00:00Z", 300), "Jamshed Bhabha"));
        assert!(listed.enter(&show(3, 7, "2027-01-05T14:00:00Z", 400), "Royal Opera House"));
        listed
    }

    fn search() -> Search {
        let from = at("2026-11-22T00:00:00Z");
        Search { city: None, category: None, words: Vec::new(), venue: None, from, to: None }
    }

    fn found(search: &Search) -> Vec<u128> {
        let listed = listed();
        search.shows_of(&listed).iter().map(|(show, _)| show.id.uuid().as_u128()).collect()
    }

    #[test]
    fn a_search_finds_the_shows_that_match_in_everything() {
        let by_words = |text: &str| Search { words: words([text], 8), ..search() };
        let by_venue = |text: &str| Search { venue: Some(VenueFilter::Words(words([text], 8))), ..search() };
        let cases = [
            (search(), vec![1, 2, 3]),
            (Search { from: at("2026-12-02T00:00:00Z"), ..search() }, vec![2, 3]),
            (Search { to: Some(at("2026-12-05T14:00:00Z")), ..search() }, vec![1, 2]),
            (Search { city: Some(city_key("MUMBAI")), ..search() }, vec![1, 2, 3]),
            (Search { city: Some(city_key("Delhi")), ..search() }, vec![]),
            (Search { category: Some(Category::Sports), ..search() }, vec![]),
            (by_words("flute zoe"), vec![1, 2, 3]),
            (by_words("flute opera"), vec![1, 3]),
            (by_words("flute tannhauser"), vec![]),
            (by_venue("jamshed"), vec![2]),
            (by_venue("flute"), vec![]),
            (Search { venue: Some(VenueFilter::Id(VenueId::from_uuid(Uuid::from_u128(8)))), ..search() }, vec![2]),
        ];
        for (search, expected) in cases {
            assert_eq!(found(&search), expected, "{search:?}");
        }
    }

    #[test]
    fn a_cancelled_show_is_not_found_and_a_changed_one_not_twice() {
        let mut listed = listed();
        let cancelled = Show { status: ShowStatus::Cancelled, ..show(1, 7, "2026-12-01T14:00:00Z", 500) };
        assert!(listed.enter(&cancelled, "Royal Opera House"));
        assert_eq!((listed.shows.len(), listed.venues.len()), (3, 2));
        assert_eq!(search().shows_of(&listed).len(), 2);
        assert_eq!(cheapest(&listed.shows), Some(Money::new(300, "INR".parse().unwrap())));
    }

    #[test]
    fn an_event_takes_no_more_shows_than_its_item_lists() {
        let mut listed = listed();
        listed.shows = (0..SHOWS_PER_EVENT_MAX)
            .map(|n| ListedShow { id: ShowId::from_uuid(Uuid::from_u128(100 + n as u128)), ..listed.shows[0].clone() })
            .collect();
        assert!(!listed.enter(&show(4, 7, "2027-02-01T14:00:00Z", 1), "Royal Opera House"));
    }

    #[test]
    fn an_own_value_beats_the_default() {
        let show = show(1, 7, "2026-12-01T14:00:00Z", 500);
        assert_eq!((show.hold_ttl_seconds(1), show.max_seats_per_buyer()), (1, SEATS_PER_BUYER_DEFAULT));
        let own = Show { hold_ttl_seconds: Some(60), max_seats_per_buyer: Some(2), ..show };
        assert_eq!((own.hold_ttl_seconds(1), own.max_seats_per_buyer()), (60, 2));
    }

    #[test]
    fn a_retry_means_the_same_thing() {
        let id =
            |scope: &str, user: &str, key: &str| derived_uuid(scope, &user.parse().unwrap(), &key.parse().unwrap());
        assert_eq!(id("venue", "olga", "k"), id("venue", "olga", "k"));
        for other in [id("event", "olga", "k"), id("venue", "olg", "ak"), id("venue", "olga", "k2")] {
            assert_ne!(other, id("venue", "olga", "k"));
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_to_what_the_show_sells(capacity in 0u32..300_000, overbooking_percent in OVERBOOKING_PERCENT) {
            let places = Show { overbooking_percent, ..show(1, 1, "2027-01-01T00:00:00Z", 1) }.area_places(capacity);
            prop_assert!(capacity <= places && u64::from(places - capacity) * 20 <= u64::from(capacity));
            let shares: Vec<u32> = area_shares(capacity, places).map(|(_, places)| places).collect();
            prop_assert_eq!(shares.iter().sum::<u32>(), places);
            prop_assert!((1..=AREA_SHARDS_MAX as usize).contains(&shares.len()));
            prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
