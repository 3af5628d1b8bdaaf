//! Seating plans: sections, rows, seats with coordinates, price categories and general-admission areas.
//!
//! A plan comes in as a document of the open seating-plan format ([`import`]) and never changes afterwards: a venue
//! that rebuilds publishes a new version. The bounds below keep every stored item, and every list made from a plan,
//! within what the table and a phone can take.

pub mod adjacent;
pub mod drawing;
pub mod pretix;

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::ids::{AreaId, CategoryId, RowId, SeatId, SeatName, SectionId};

pub use drawing::{Decoration, Point};
pub use pretix::{import, import_value};

/// Seats a plan may have.
pub const PLAN_SEATS_MAX: usize = 100_000;
/// Seats a section may have: it is stored as one item.
pub const SECTION_SEATS_MAX: usize = 5_000;
/// Bytes of UTF-8 that the labels of one section's rows and seats may have together, for the same reason.
pub const SECTION_LABEL_BYTES_MAX: usize = 100_000;
/// Sections a plan may have: every one is listed in the plan and in its availability.
pub const PLAN_SECTIONS_MAX: usize = 500;
/// General-admission areas a plan may have.
pub const PLAN_AREAS_MAX: usize = 200;
/// Price categories a plan may have.
pub const PLAN_CATEGORIES_MAX: usize = 100;
/// Seats of a row that is sold whole: a hold has room for them all.
pub const WHOLE_SEATS_MAX: usize = 10;
/// People a general-admission area may take.
pub const AREA_PLACES_MAX: u32 = 200_000;
/// Characters in the name of a plan, a section, an area or a category.
pub const NAME_CHARS_MAX: usize = 120;
/// Characters in the label of a row or a seat.
pub const LABEL_CHARS_MAX: usize = 40;
/// Objects, lists and commas that the text of a plan may have: what it becomes in memory grows with these and not with its
/// bytes. A seat of a real plan has some twelve of them.
pub const PLAN_PARTS_MAX: usize = 3_000_000;
/// How far from the origin anything may be, in the plan's units, in either direction.
pub const COORDINATE_UNITS_MAX: f64 = 1_000_000.0;

/// A price category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCategory {
    /// What prices refer to.
    pub id: CategoryId,
    /// As people read it.
    pub name: String,
    /// `#rrggbb`.
    pub color: String,
}

/// One seat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seat {
    /// Unique in its row; the last part of its seat id.
    pub name: SeatName,
    /// What the ticket says, in any script.
    pub label: String,
    /// In the plan's units, from the left.
    pub x: f64,
    /// In the plan's units, from the top.
    pub y: f64,
    /// What it costs.
    pub category: CategoryId,
    /// A place for a wheelchair.
    pub accessible: bool,
    /// Beside one, for who comes along.
    pub companion: bool,
    /// Something stands in the way.
    pub obstructed_view: bool,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Unique in its section; the middle part of its seats' ids.
    pub id: RowId,
    /// What the ticket says, in any script.
    pub label: String,
    /// A table or a booth: its seats are sold together or not at all.
    pub whole: bool,
    /// From left to right as the plan lists them.
    pub seats: Vec<Seat>,
}

/// A part of the plan that is drawn and counted together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Unique in its plan; the first part of its seats' ids.
    pub id: SectionId,
    /// As people read it, in any script.
    pub name: String,
    /// From front to back as the plan lists them.
    pub rows: Vec<Row>,
}

/// A general-admission area: places without seats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Unique in its plan.
    pub id: AreaId,
    /// As people read it, in any script.
    pub name: String,
    /// How many people it takes.
    pub capacity: u32,
    /// What a place costs.
    pub category: CategoryId,
}

/// One immutable version of a venue's plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeatingPlan {
    /// As its author called it.
    pub name: String,
    /// At least one.
    pub categories: Vec<PlanCategory>,
    /// In the order of the document.
    pub sections: Vec<Section>,
    /// In the order of the document.
    pub areas: Vec<Area>,
    /// What else is to be seen: a stage, a pitch.
    #[serde(default)]
    pub decorations: Vec<Decoration>,
    /// Where everybody looks, if its author says so: seats are the better the nearer they are.
    #[serde(default)]
    pub focal_point: Option<Point>,
}

impl Section {
    /// How many seats it has.
    #[must_use]
    pub fn seat_count(&self) -> u32 {
        count(self.rows.iter().map(|row| row.seats.len()).sum())
    }

    /// The categories of its seats, in the order in which they first appear.
    #[must_use]
    pub fn categories(&self) -> Vec<CategoryId> {
        let mut categories: Vec<CategoryId> = Vec::new();
        for seat in self.rows.iter().flat_map(|row| &row.seats) {
            if !categories.contains(&seat.category) {
                categories.push(seat.category.clone());
            }
        }
        categories
    }

    /// The row of that id.
    #[must_use]
    pub fn row(&self, id: &RowId) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == *id)
    }

    /// The seat of that name in that row. A scan: a row at a time, then a seat at a time.
    #[must_use]
    pub fn seat(&self, row: &RowId, name: &SeatName) -> Option<&Seat> {
        self.row(row)?.seat(name)
    }

    /// Every seat with its id, in plan order.
    pub fn seats(&self) -> impl Iterator<Item = (SeatId, &Seat)> {
        self.rows.iter().flat_map(move |row| {
            row.seats.iter().map(move |seat| {
                (SeatId { section: self.id.clone(), row: row.id.clone(), seat: seat.name.clone() }, seat)
            })
        })
    }
}

impl Row {
    /// Whose seats besides those `wanted` have to be taken with them: none, unless it is sold whole.
    pub fn missing<'a>(&'a self, wanted: &'a HashSet<&SeatName>) -> impl Iterator<Item = &'a SeatName> {
        let seats = self.seats.iter().filter(|_| self.whole).map(|seat| &seat.name);
        seats.filter(|name| !wanted.contains(name))
    }

    /// The seat of that name.
    #[must_use]
    pub fn seat(&self, name: &SeatName) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.name == *name)
    }
}

impl SeatingPlan {
    /// How many seats it has; places of areas are not seats.
    #[must_use]
    pub fn seat_count(&self) -> u32 {
        count(self.sections.iter().flat_map(|section| &section.rows).map(|row| row.seats.len()).sum())
    }

    /// The section of that id.
    #[must_use]
    pub fn section(&self, id: &SectionId) -> Option<&Section> {
        self.sections.iter().find(|section| section.id == *id)
    }

    /// The seat of that id.
    #[must_use]
    pub fn seat(&self, id: &SeatId) -> Option<&Seat> {
        self.section(&id.section)?.seat(&id.row, &id.seat)
    }

    /// The general-admission area of that id.
    #[must_use]
    pub fn area(&self, id: &AreaId) -> Option<&Area> {
        self.areas.iter().find(|area| area.id == *id)
    }

    /// The category of that id.
    #[must_use]
    pub fn category(&self, id: &CategoryId) -> Option<&PlanCategory> {
        self.categories.iter().find(|category| category.id == *id)
    }

    /// The categories that some seat or area is of, in plan order: those that need a price.
    #[must_use]
    pub fn categories_used(&self) -> Vec<&PlanCategory> {
        let seats = self.sections.iter().flat_map(|section| &section.rows).flat_map(|row| &row.seats);
        let mut used: BTreeSet<&CategoryId> = seats.map(|seat| &seat.category).collect();
        used.extend(self.areas.iter().map(|area| &area.category));
        self.categories.iter().filter(|category| used.contains(&category.id)).collect()
    }
}

/// A number of seats; no plan comes near the end of the type.
fn count(seats: usize) -> u32 {
    u32::try_from(seats).unwrap_or(u32::MAX)
}
