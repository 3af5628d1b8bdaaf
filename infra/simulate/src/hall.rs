//! The house that everybody wants a seat in.

use domain::{
    catalogue::Show,
    ids::SeatId,
    plan::{Area, Row, Seat, SeatingPlan, Section},
    time::{SignedDuration, shift},
};
use testkit::sale;

use crate::options::Options;

/// The one section.
pub(crate) const SECTION: &str = "balcony";
/// The one area.
pub(crate) const AREA: &str = "pit";

/// One row of seats, and an area to stand in.
pub(crate) fn plan(options: &Options) -> SeatingPlan {
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
pub(crate) fn show(options: &Options) -> Show {
    // Since long before: no clock is that wrong.
    let on_sale_at = shift(sale::held_at(), SignedDuration::from_hours(-1));
    Show { on_sale_at, max_seats_per_buyer: Some(options.cap), hold_ttl_seconds: Some(options.hold_seconds), ..sale::show() }
}

/// Every seat.
pub(crate) fn seats(options: &Options) -> Vec<SeatId> {
    let row = sale::plan().sections[0].rows[0].id.clone();
    let seat = |number: u64| format!("{SECTION}:{row}:{number}").parse().expect("a seat id");
    (1..=options.seats).map(seat).collect()
}
