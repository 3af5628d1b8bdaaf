//! The house that everybody wants a seat in.

use domain::{
    Timestamp,
    catalogue::{Show, WaitingRoom},
    ids::{CategoryId, SeatId},
    plan::{Area, Row, Seat, SeatingPlan, Section},
    queue::{DrawSecret, Room},
    time::{SignedDuration, shift},
};
use store::Store;
use testkit::sale;

use crate::options::Options;

/// The one section.
pub(crate) const SECTION: &str = "balcony";
/// The one area.
pub(crate) const AREA: &str = "pit";

/// One row of seats, and an area to stand in.
fn plan(options: &Options) -> SeatingPlan {
    let plan = sale::plan();
    let model: &Section = &plan.sections[0];
    let row = &model.rows[0];
    let seat = |number: u64| Seat {
        name: number.to_string().parse().expect("a slug"),
        label: number.to_string(),
        accessible: false,
        ..row.seats[0].clone()
    };
    let rows = vec![Row { seats: (1..=options.seats).map(seat).collect(), ..row.clone() }];
    let sections = vec![Section { rows, ..model.clone() }];
    let areas = vec![Area { capacity: options.places, ..plan.areas[0].clone() }];
    SeatingPlan { sections, areas, ..plan }
}

/// Its one show.
fn show(options: &Options) -> Show {
    // Since long before: no clock is that wrong.
    let on_sale_at = shift(sale::held_at(), SignedDuration::from_hours(-1));
    let waiting_room = WaitingRoom {
        enabled: options.admissions_max.is_some(),
        opens_at: options.admissions_max.map(|_| opens_at()),
        admissions_max: options.admissions_max,
    };
    Show {
        waiting_room,
        on_sale_at,
        max_seats_per_buyer: Some(options.cap),
        hold_ttl_seconds: Some(options.hold_seconds),
        ..sale::show()
    }
}

/// When the waiting room opens, where there is one.
pub(crate) fn opens_at() -> Timestamp {
    shift(sale::held_at(), SignedDuration::from_secs(20))
}

/// What the show has before anybody comes.
pub(crate) async fn publish(store: &Store, options: &Options) {
    sale::publish_as(store, &plan(options), &show(options)).await;
    if options.admissions_max.is_some() {
        let room = Room::new(opens_at(), DrawSecret::new([7; 32]));
        store.make_room(sale::show().id, &room).await.expect("the table answers");
        store.watch_room(sale::show().id).await.expect("the table answers");
    }
}

/// The one row.
pub(crate) fn row(options: &Options) -> Row {
    plan(options).sections[0].rows[0].clone()
}

/// The category of every seat.
pub(crate) fn seated() -> CategoryId {
    sale::plan().sections[0].rows[0].seats[0].category.clone()
}

/// The category of the area's places.
pub(crate) fn standing() -> CategoryId {
    sale::plan().areas[0].category.clone()
}

/// Every seat.
pub(crate) fn seats(options: &Options) -> Vec<SeatId> {
    let row = sale::plan().sections[0].rows[0].id.clone();
    let seat = |number: u64| format!("{SECTION}:{row}:{number}").parse().expect("a seat id");
    (1..=options.seats).map(seat).collect()
}
