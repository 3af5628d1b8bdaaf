//! Events and shows as the API shows them.

use domain::{
    Timestamp,
    catalogue::{Category, Listed, ListedShow, ListedVenue, Show, ShowStatus, WaitingRoom, cheapest},
    money::Money,
    orphan::OrphanRule,
    refund::Policy,
};
use serde::Serialize;

/// The JSON of a show.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShowView {
    show_id: String,
    event_id: String,
    venue_id: String,
    starts_at: Timestamp,
    time_zone: String,
    on_sale_at: Timestamp,
    status: ShowStatus,
    prices: Vec<PriceView>,
    max_seats_per_buyer: u32,
    hold_ttl_seconds: u32,
    waiting_room: WaitingRoom,
    refund_policy: Policy,
    orphan_rule: OrphanRule,
    overbooking_percent: u32,
    plan_version: u32,
    version: u64,
}

#[derive(Debug, Serialize)]
struct PriceView {
    category: String,
    price: Money,
}

impl ShowView {
    /// `show`, with the environment's `hold_ttl_seconds` where it has none of its own.
    #[must_use]
    pub fn new(show: &Show, hold_ttl_seconds: u32) -> Self {
        let price = |(category, minor): (&domain::ids::CategoryId, &i64)| PriceView {
            category: category.to_string(),
            price: Money::new(*minor, show.currency),
        };
        Self {
            show_id: show.id.to_string(),
            event_id: show.event.to_string(),
            venue_id: show.venue.to_string(),
            starts_at: show.starts_at,
            time_zone: show.time_zone.clone(),
            on_sale_at: show.on_sale_at,
            status: show.status,
            prices: show.prices.iter().map(price).collect(),
            max_seats_per_buyer: show.max_seats_per_buyer(),
            hold_ttl_seconds: show.hold_ttl_seconds(hold_ttl_seconds),
            waiting_room: show.waiting_room,
            refund_policy: show.refund_policy.clone(),
            orphan_rule: show.orphan_rule,
            overbooking_percent: show.overbooking_percent,
            plan_version: show.plan_version,
            version: show.version,
        }
    }
}

/// The JSON of an event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    #[serde(flatten)]
    summary: EventSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    artists: Vec<String>,
    created_at: Timestamp,
}

impl EventView {
    /// The event with what its shows that are not cancelled have in common.
    #[must_use]
    pub fn new(listed: &Listed) -> Self {
        let shows = listed.by_start().into_iter().filter(|show| !show.cancelled);
        let shows: Vec<_> =
            shows.filter_map(|show| Some((show, listed.venues.get(usize::from(show.venue))?))).collect();
        Self {
            summary: EventSummary::new(listed, &shows),
            description: listed.event.description.clone(),
            artists: listed.event.artists.clone(),
            created_at: listed.event.created_at,
        }
    }
}

/// The JSON of an event in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventSummary {
    event_id: String,
    title: String,
    category: Category,
    city: String,
    venue_name: Option<String>,
    first_show_at: Option<Timestamp>,
    last_show_at: Option<Timestamp>,
    from_price: Option<Money>,
}

impl EventSummary {
    /// The event, as `shows` (by start) make it: those that a search has found, or all.
    #[must_use]
    pub fn new(listed: &Listed, shows: &[(&ListedShow, &ListedVenue)]) -> Self {
        Self {
            event_id: listed.event.id.to_string(),
            title: listed.event.title.clone(),
            category: listed.event.category,
            city: listed.event.city.clone(),
            venue_name: shows.first().map(|(_, venue)| venue.name.clone()),
            first_show_at: shows.first().map(|(show, _)| show.starts_at),
            last_show_at: shows.last().map(|(show, _)| show.starts_at),
            from_price: cheapest(shows.iter().map(|(show, _)| *show)),
        }
    }
}
