//! Seating plans: sections, rows, seats with coordinates, price categories and general-admission areas.

use serde::{Deserialize, Serialize};

use crate::ids::{AreaId, CategoryId, RowId, SectionId, SeatName};

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
}
