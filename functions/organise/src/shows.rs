//! Shows: published, opened, paused, closed, priced.

use std::collections::BTreeMap;

use domain::{
    Error, Refusal, Timestamp,
    catalogue::{HOLD_TTL_SECONDS, OVERBOOKING_PERCENT, SEATS_PER_BUYER, Show, ShowStatus, WaitingRoom},
    ids::{CategoryId, EventId, ShowId, UserId, VenueId},
    money::Currency,
    orphan::OrphanRule,
    queue::ADMISSIONS_MAX,
    refund::{self, Policy},
    waitlist::Wishes,
};
use edge::{Call, Reply, catalogue::ShowView, http::BODY_BYTES_MAX};
use serde::Deserialize;
use store::plan::PlanOverview;

use crate::{App, check::Check, command, new_id, organiser, waiting_room};

/// Times a change is tried when others change the show or its event.
const CHANGE_TRIES_MAX: u32 = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateShow {
    venue_id: VenueId,
    starts_at: Timestamp,
    on_sale_at: Timestamp,
    currency: String,
    prices: BTreeMap<String, i64>,
    max_seats_per_buyer: Option<u32>,
    hold_ttl_seconds: Option<u32>,
    waiting_room: Option<WantedWaitingRoom>,
    refund_policy: Option<Vec<refund::Step>>,
    orphan_rule: Option<OrphanRule>,
    overbooking_percent: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WantedWaitingRoom {
    enabled: bool,
    opens_at: Option<Timestamp>,
    admissions_max: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeShow {
    status: Option<ShowStatus>,
    prices: Option<BTreeMap<String, i64>>,
    max_seats_per_buyer: Option<u32>,
    hold_ttl_seconds: Option<u32>,
    waiting_room: Option<WantedWaitingRoom>,
    orphan_rule: Option<OrphanRule>,
}

/// `POST /v1/events/{eventId}/shows`.
pub(crate) async fn create(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let event_id: EventId = call.path("eventId")?;
    let (wanted, fingerprint): (CreateShow, _) = command(call, BODY_BYTES_MAX)?;
    let event = app.store.listed(event_id, true).await?.map(|listed| listed.event);
    let event = event.filter(|event| event.owner == caller.user).ok_or(Refusal::NotFound("event"))?;
    let venue = app.store.venue(wanted.venue_id).await?.filter(|venue| venue.owner == caller.user);
    let venue = venue.ok_or(Refusal::NotFound("venue"))?;
    let plan = app.store.plan_overview(venue.id, venue.plan_version).await?.ok_or(Refusal::NotFound("venue"))?;
    let now = app.clock.now();
    let (currency, prices, refund_policy) = check_show(&wanted, &plan, now)?;
    let id = ShowId::from_uuid(new_id(app, call, &format!("show of {event_id}"), &caller.user)?);
    let show = Show {
        id,
        event: event.id,
        venue: venue.id,
        plan_version: venue.plan_version,
        owner: caller.user,
        starts_at: wanted.starts_at,
        time_zone: venue.time_zone,
        on_sale_at: wanted.on_sale_at,
        status: ShowStatus::OnSale,
        currency,
        prices,
        max_seats_per_buyer: wanted.max_seats_per_buyer,
        hold_ttl_seconds: wanted.hold_ttl_seconds,
        waiting_room: wanted_room(WaitingRoom::default(), wanted.waiting_room),
        refund_policy,
        orphan_rule: wanted.orphan_rule.unwrap_or_default(),
        overbooking_percent: wanted.overbooking_percent.unwrap_or_default(),
        wishes: Wishes::default(),
        created_at: now,
        version: 1,
    };
    let show = waiting_room::keep(app, &show).await?;
    let show = app.store.create_show(&show, &venue.name, &plan.areas, &fingerprint).await?;
    Ok(Reply::json(201, &ShowView::new(&show, app.hold_ttl_seconds)))
}

fn check_show(
    wanted: &CreateShow,
    plan: &PlanOverview,
    now: Timestamp,
) -> Result<(Currency, BTreeMap<CategoryId, i64>, Policy), Refusal> {
    let mut check = Check::default();
    let known: Vec<CategoryId> = plan.categories.iter().map(|category| category.id.clone()).collect();
    let prices = check.prices(&wanted.prices, &known);
    for category in &plan.priced {
        if !wanted.prices.contains_key(category.as_str()) {
            check.fault(format!("/prices/{category}"), "this category has no price");
        }
    }
    if wanted.starts_at <= now {
        check.fault("/startsAt", "it is in the past");
    }
    if wanted.on_sale_at > wanted.starts_at {
        check.fault("/onSaleAt", "sales would begin after the show");
    }
    check.within("/maxSeatsPerBuyer", wanted.max_seats_per_buyer, &SEATS_PER_BUYER);
    check.within("/holdTtlSeconds", wanted.hold_ttl_seconds, &HOLD_TTL_SECONDS);
    check.within("/overbookingPercent", wanted.overbooking_percent, &OVERBOOKING_PERCENT);
    check_room(&mut check, wanted.waiting_room, wanted.starts_at);
    let currency = wanted.currency.parse::<Currency>();
    if currency.is_err() {
        check.fault("/currency", "not an ISO 4217 currency code");
    }
    let policy = wanted.refund_policy.clone().map_or_else(|| Ok(Policy::default()), Policy::new);
    let policy = policy.unwrap_or_else(|faults| {
        check.extend(faults);
        Policy::default()
    });
    check.done()?;
    Ok((currency.map_err(|_| Refusal::Invalid(Vec::new()))?, prices, policy))
}

/// The caller's own show, as it is now.
pub(crate) async fn own(app: &App, id: ShowId, user: &UserId) -> Result<Show, Error> {
    let show = app.store.show_now(id).await?.filter(|show| show.owner == *user);
    Ok(show.ok_or(Refusal::NotFound("show"))?)
}

/// `PATCH /v1/shows/{showId}`.
pub(crate) async fn change(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let id: ShowId = call.path("showId")?;
    let wanted: ChangeShow = call.body(BODY_BYTES_MAX)?;
    for _ in 0..CHANGE_TRIES_MAX {
        let show = own(app, id, &caller.user).await?;
        let changed = waiting_room::keep(app, &changed(&show, &wanted)?).await?;
        if changed == show {
            return Ok(Reply::json(200, &ShowView::new(&show, app.hold_ttl_seconds)));
        }
        let changed = Show { version: show.version + 1, ..changed };
        if app.store.update_show(&changed, app.clock.now()).await? {
            return Ok(Reply::json(200, &ShowView::new(&changed, app.hold_ttl_seconds)));
        }
    }
    Err(Refusal::Conflict.into())
}

/// `show` as `wanted`, at the version it has.
fn changed(show: &Show, wanted: &ChangeShow) -> Result<Show, Refusal> {
    let mut check = Check::default();
    let mut changed = show.clone();
    if let Some(status) = wanted.status {
        if show.status == ShowStatus::Cancelled && status != ShowStatus::Cancelled {
            check.fault("/status", "a cancelled show stays cancelled");
        }
        changed.status = status;
    }
    if let Some(prices) = &wanted.prices {
        let known: Vec<CategoryId> = show.prices.keys().cloned().collect();
        changed.prices.extend(check.prices(prices, &known));
    }
    check.within("/maxSeatsPerBuyer", wanted.max_seats_per_buyer, &SEATS_PER_BUYER);
    check.within("/holdTtlSeconds", wanted.hold_ttl_seconds, &HOLD_TTL_SECONDS);
    changed.max_seats_per_buyer = wanted.max_seats_per_buyer.or(show.max_seats_per_buyer);
    changed.hold_ttl_seconds = wanted.hold_ttl_seconds.or(show.hold_ttl_seconds);
    check_room(&mut check, wanted.waiting_room, show.starts_at);
    changed.waiting_room = wanted_room(show.waiting_room, wanted.waiting_room);
    changed.orphan_rule = wanted.orphan_rule.unwrap_or(show.orphan_rule);
    check.done()?;
    Ok(changed)
}

/// `room` as it is wanted: what is not said stays.
fn wanted_room(room: WaitingRoom, wanted: Option<WantedWaitingRoom>) -> WaitingRoom {
    let Some(wanted) = wanted else { return room };
    WaitingRoom {
        enabled: wanted.enabled,
        opens_at: wanted.opens_at.or(room.opens_at),
        admissions_max: wanted.admissions_max.or(room.admissions_max),
    }
}

fn check_room(check: &mut Check, wanted: Option<WantedWaitingRoom>, starts_at: Timestamp) {
    let Some(wanted) = wanted else { return };
    if wanted.opens_at.is_some_and(|opens_at| opens_at > starts_at) {
        check.fault("/waitingRoom/opensAt", "the doors would open after the show begins");
    }
    check.within("/waitingRoom/admissionsMax", wanted.admissions_max, &ADMISSIONS_MAX);
}
