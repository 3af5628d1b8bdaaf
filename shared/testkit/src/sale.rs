//! One small show and one booking of it, from the plan to the capture: what functions that look at sales are tested on.
//! The ids are those of the recorded events in `events/`.

use domain::{
    Timestamp,
    booking::{AreaLine, Booking, Payment, SeatLine, Status},
    catalogue::{Category, Event, Show, ShowStatus, Venue, WaitingRoom},
    hold::Terms,
    ids::{BookingId, EventId, ShowId, VenueId},
    plan::{Area, PlanCategory, Row, Seat, SeatingPlan, Section},
    time::{SignedDuration, shift},
};
use store::{Store, hold::Claimed};
use uuid::Uuid;

const FINGERPRINT: &str = "the sale of the tests";
/// The shard of the area's counter that the booking takes its place from.
const AREA_SHARD: u16 = 0;
/// Places that one buyer may have.
const CAP: u32 = 6;

/// When the booking was held.
///
/// # Panics
/// Never.
#[must_use]
pub fn held_at() -> Timestamp {
    "2026-11-22T15:00:00Z".parse().expect("an instant")
}

/// A theatre in Delhi.
///
/// # Panics
/// Never.
#[must_use]
pub fn venue() -> Venue {
    Venue {
        id: VenueId::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)),
        owner: "organiser".parse().expect("a user id"),
        name: "कमानी सभागार".to_owned(),
        city: "नई दिल्ली".to_owned(),
        time_zone: "Asia/Kolkata".to_owned(),
        plan_version: 1,
    }
}

/// Three seats of a balcony and a pit to stand in.
///
/// # Panics
/// Never.
#[must_use]
pub fn plan() -> SeatingPlan {
    let category = |id: &str, name: &str, color: &str| PlanCategory {
        id: id.parse().expect("a slug"),
        name: name.to_owned(),
        color: color.to_owned(),
    };
    let seat = |number: u8| Seat {
        name: number.to_string().parse().expect("a slug"),
        label: number.to_string(),
        x: f64::from(number),
        y: 0.0,
        category: "silver".parse().expect("a slug"),
        accessible: number == 2,
        companion: false,
        obstructed_view: false,
    };
    let row = Row {
        id: "A".parse().expect("a slug"),
        label: "अ".to_owned(),
        whole: false,
        seats: (1..=3).map(seat).collect(),
    };
    SeatingPlan {
        name: "Kamani".to_owned(),
        categories: vec![category("silver", "रजत", "#be123c"), category("standing", "Standing", "#0f766e")],
        sections: vec![Section {
            id: "balcony".parse().expect("a slug"), name: "बालकनी".to_owned(), rows: vec![row]
        }],
        areas: vec![Area {
            id: "pit".parse().expect("a slug"),
            name: "Pit".to_owned(),
            capacity: 50,
            category: "standing".parse().expect("a slug"),
        }],
        decorations: Vec::new(),
        focal_point: None,
    }
}

/// An evening of music.
///
/// # Panics
/// Never.
#[must_use]
pub fn event() -> Event {
    Event {
        id: EventId::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0002)),
        owner: venue().owner,
        title: "संगीत की शाम".to_owned(),
        category: Category::Concerts,
        city: venue().city,
        description: None,
        artists: vec!["ज़ाकिर हुसैन".to_owned()],
        created_at: held_at(),
    }
}

/// Its one show, on sale.
///
/// # Panics
/// Never.
#[must_use]
pub fn show() -> Show {
    let price = |category: &str, minor| (category.parse().expect("a slug"), minor);
    Show {
        id: ShowId::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0003)),
        event: event().id,
        venue: venue().id,
        plan_version: 1,
        owner: venue().owner,
        created_at: held_at(),
        starts_at: "2026-11-28T14:00:00Z".parse().expect("an instant"),
        time_zone: venue().time_zone,
        on_sale_at: held_at(),
        status: ShowStatus::OnSale,
        currency: "INR".parse().expect("a currency"),
        prices: [price("silver", 12_800), price("standing", 10_000)].into(),
        max_seats_per_buyer: Some(CAP),
        hold_ttl_seconds: None,
        waiting_room: WaitingRoom::default(),
        refund_policy: domain::refund::Policy::default(),
        orphan_rule: domain::orphan::OrphanRule::default(),
        overbooking_percent: 0,
        wishes: domain::waitlist::Wishes::default(),
        version: 1,
    }
}

/// A hold of two balcony seats and a place in the pit, ₹356.00 in all.
///
/// # Panics
/// Never.
#[must_use]
pub fn booking() -> Booking {
    let seat = |id: &str| SeatLine {
        seat: id.parse().expect("a seat id"),
        category: "silver".parse().expect("a slug"),
        price_minor: 12_800,
    };
    Booking {
        id: BookingId::from_uuid(Uuid::from_u128(0x7f3a_92c1_0000_8000_8000_0000_0000_0004)),
        buyer: "ada".parse().expect("a user id"),
        email: Some("ada@example.org".to_owned()),
        show: show().id,
        seats: vec![seat("balcony:A:2"), seat("balcony:A:1")],
        areas: vec![AreaLine {
            area: "pit".parse().expect("a slug"),
            quantity: 1,
            price_minor: 10_000,
            shard: AREA_SHARD,
        }],
        currency: show().currency,
        status: Status::Pending,
        created_at: held_at(),
        expires_at: shift(held_at(), SignedDuration::from_mins(10)),
        due_at: Some(shift(held_at(), SignedDuration::from_mins(10))),
        payment: Payment::default(),
        refund: None,
        substitute: domain::booking::Substitute::default(),
        offered: false,
        dispute: None,
        code: None,
        admission: None,
        fingerprint: [7; 16],
        version: 1,
    }
}

/// The same booking as it is once paid, without a table.
#[must_use]
pub fn paid_booking() -> Booking {
    let mut booking = booking();
    booking.status = Status::Confirmed;
    booking.due_at = None;
    booking.version = 5;
    booking.payment.started_at = Some(held_at());
    booking.payment.intent = "pi_1".parse().ok();
    booking.payment.captured_at = Some(captured_at());
    booking
}

/// When it was paid.
#[must_use]
pub fn captured_at() -> Timestamp {
    shift(held_at(), SignedDuration::from_secs(90))
}

/// Puts venue, plan, event and show into an empty table.
///
/// # Panics
/// The table cannot be written.
pub async fn publish(store: &Store) {
    publish_as(store, &plan(), &show()).await;
}

/// Puts the venue with another plan, the event, and another show of it into an empty table.
///
/// # Panics
/// The table cannot be written.
pub async fn publish_as(store: &Store, plan: &SeatingPlan, show: &Show) {
    let venue = Venue { plan_version: 0, ..venue() };
    store.create_venue(&venue, FINGERPRINT).await.expect("the venue is created");
    store.put_plan(&self::venue(), plan, FINGERPRINT).await.expect("the plan is written");
    store.create_event(&event(), FINGERPRINT).await.expect("the event is created");
    let created = store.create_show(show, &venue.name, &plan.areas, FINGERPRINT).await;
    created.expect("the show is created");
}

/// Holds [`booking`], changed by `change` before it is claimed.
///
/// # Panics
/// The table cannot be written, or its seats are taken.
pub async fn hold(store: &Store, change: impl FnOnce(&mut Booking)) -> Booking {
    let mut booking = booking();
    change(&mut booking);
    let claimed = store.claim(&booking, &Terms::within(CAP)).await.expect("the table answers");
    assert!(matches!(claimed, Claimed::Won), "the seats are free");
    booking
}

/// Pays for a hold: started, recorded, confirmed, captured.
///
/// # Panics
/// The table cannot be written, or the booking is not as it was given.
pub async fn pay(store: &Store, booking: Booking) -> Booking {
    let started = store.start_payment(&booking, held_at()).await.expect("the table answers").expect("it is open");
    let intent = "pi_1".parse().expect("an intent id");
    let recorded = store.record_intent(&started, &intent).await.expect("the table answers").expect("it is open");
    let confirmed = store.confirm(&recorded, None, held_at()).await.expect("the table answers").expect("it is held");
    let captured = store.record_capture(&confirmed, captured_at()).await.expect("the table answers");
    captured.expect("it is confirmed")
}
