//! What is on: venues, events and their shows, and how people find them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    ids::{CategoryId, EventId, ShowId, UserId, VenueId},
    money::{Currency, Money},
};

/// A show's holds live this long unless it says otherwise, in seconds.
pub const HOLD_TTL_SECONDS_DEFAULT: u32 = 600;
/// What a show may ask for: an SQS delay ends at 15 minutes.
pub const HOLD_TTL_SECONDS: std::ops::RangeInclusive<u32> = 60..=840;
/// Places one buyer may have at a show unless it says otherwise.
pub const SEATS_PER_BUYER_DEFAULT: u32 = 6;
/// What a show may ask for.
pub const SEATS_PER_BUYER: std::ops::RangeInclusive<u32> = 1..=100;

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

    /// Places one buyer may have.
    #[must_use]
    pub fn max_seats_per_buyer(&self) -> u32 {
        self.max_seats_per_buyer.unwrap_or(SEATS_PER_BUYER_DEFAULT)
    }
}
